"""An ONNX graph as the flow of data from inputs to outputs: who depends on whom, which axis holds the channels.

**Conventions**: only tensors that carry *data* count, that is, values that depend on the model's inputs; weights,
constants, scales of quantization and shape arithmetic (all behind `Shape` and `Size`) do not, so a `Reshape` whose
target was computed from the input's shape is no dependence. Depth is the longest path from an input, in nodes. Nodes of
subgraphs (`If`, `Loop`) are not looked into: such a node depends on all that its branches capture.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

_CONVOLUTIONS = {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "FusedConv"}
_PRODUCTS = {"MatMul", "MatMulInteger", "QLinearMatMul", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"}
_LINEAR = {"Gemm", "QGemm"}
_RECURRENT = {"LSTM", "GRU", "RNN"}
_RESAMPLING = {"Resize", "Upsample", "DepthToSpace", "GridSample"}
_NORMALIZATIONS = {"BatchNormalization", "InstanceNormalization", "GroupNormalization", "LRN"}
_WINDOW_POOLING = {"QLinearAveragePool", "QLinearGlobalAveragePool"}
_WINDOW_POOLING |= {"AveragePool", "MaxPool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"}
_SHAPE_ONLY = {"Shape", "Size"}
_DYNAMIC_QUANTIZATION = "DynamicQuantizeLinear"
UNSCALED = {_DYNAMIC_QUANTIZATION, "ConvInteger", "MatMulInteger"}
_MIXES_AXES = {"Gather", "GatherND", "GatherElements", "Einsum", "TopK", "NonMaxSuppression", "ScatterND", "Expand"}
_WEIGHTED = _CONVOLUTIONS | _PRODUCTS | _RECURRENT | _LINEAR | {"Einsum", "Attention", "MultiHeadAttention"}
_CHANNELS_SECOND = _CONVOLUTIONS | _NORMALIZATIONS | _WINDOW_POOLING | _RESAMPLING | _LINEAR | {"SpaceToDepth"}
_CHANNELS_LAST = _PRODUCTS | _RECURRENT | {"LayerNormalization", "Attention"}
UPSAMPLING = _RESAMPLING | {"ConvTranspose"}
POOLING = _WINDOW_POOLING | {"ReduceMean", "ReduceMax"}
RESHAPING = {"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast"}


class DataGraph:
    """The data flow of an ONNX model.

    Parameters
    ----------
    model : onnx.ModelProto
        With its local functions inlined.

    Attributes
    ----------
    nodes : list of onnx.NodeProto
    inputs, outputs : list of str
        Names of the model's inputs (weights listed as inputs left out) and of the outputs that depend on them.
    depth : dict
        Data tensor -> longest path from an input. Its order is topological.
    """

    def __init__(self, model: Any) -> None:
        graph = model.graph
        self.nodes: list[Any] = list(graph.node)
        weights = {tensor.name for tensor in graph.initializer}
        self.inputs = [value.name for value in graph.input if value.name not in weights]
        self._producer = {name: node for node in self.nodes for name in node.output if name}
        self.depth = dict.fromkeys(self.inputs, 0)
        for node in self.nodes:
            sources = [name for name in _inputs_of(node) if name in self.depth]
            if sources and node.op_type not in _SHAPE_ONLY:
                # Beside the quantized values there are their scale and zero point, which are no data.
                made = node.output[:1] if node.op_type == _DYNAMIC_QUANTIZATION else filter(None, node.output)
                self.depth |= dict.fromkeys(made, 1 + max(self.depth[name] for name in sources))
        self.outputs = [value.name for value in graph.output if value.name in self.depth]

    def producer(self, tensor: str) -> Any | None:
        """Node that makes the tensor; None for an input of the model."""
        return self._producer.get(tensor)

    def sources(self, tensor: str) -> list[str]:
        """List the data tensors from which the tensor is made, in the node's order."""
        node = self.producer(tensor)
        return [] if node is None else [name for name in _inputs_of(node) if name in self.depth]

    def is_weighted(self, tensor: str) -> bool:
        """Whether a layer with weights makes the tensor; products of two data tensors (attention) are none."""
        node = self.producer(tensor)
        return (
            node is not None
            and node.op_type in _WEIGHTED
            and any(name not in self.depth for name in node.input if name)
        )

    def is_softmax(self, tensor: str) -> bool:
        """Whether the tensor holds shares of one, as classifiers give them."""
        node = self.producer(tensor)
        while node is not None and node.op_type in RESHAPING and node.input[0] in self.depth:
            node = self.producer(node.input[0])
        return node is not None and node.op_type in ("Softmax", "LogSoftmax")

    def ancestors(self, tensor: str, *, through_weights: bool = True) -> set[str]:
        """Tensors on which `tensor` depends, itself included; optionally only up to the nearest layers with weights."""
        found = {tensor}
        waiting = [tensor]
        while waiting:
            name = waiting.pop()
            if not through_weights and self.is_weighted(name):
                continue
            fresh = [source for source in self.sources(name) if source not in found]
            found.update(fresh)
            waiting.extend(fresh)
        return found

    def above(self, tensors: Iterable[str]) -> set[str]:
        """Tensors on which at least one of `tensors` depends, themselves left out."""
        return {name for tensor in tensors for source in self.sources(tensor) for name in self.ancestors(source)}

    @cached_property
    def bottlenecks(self) -> set[str]:
        """Tensors that every path from an input to an output crosses: as many paths lead through them as there are."""
        down = {name: int(name in self.inputs) for name in self.depth}
        for name in self.depth:
            down[name] += sum(down[source] for source in self.sources(name))
        up: dict[str, int] = defaultdict(int, dict.fromkeys(self.outputs, 1))
        for name in reversed(self.depth):
            for source in self.sources(name):
                up[source] += up[name]
        total = sum(down[name] for name in self.outputs)
        return {name for name in self.depth if down[name] * up[name] == total}

    def channel_axis(self, tensor: str, ranks: dict[str, int]) -> int | None:
        """Axis of the tensor's channels, or None where the layout is not known.

        Parameters
        ----------
        tensor : str
        ranks : dict
            Number of axes of each data tensor.
        """
        return self._axes(ranks).get(tensor)

    def _axes(self, ranks: dict[str, int]) -> dict[str, int | None]:
        if not hasattr(self, "_axes_by_tensor"):
            self._axes_by_tensor: dict[str, int | None] = {}
            for name in self.depth:
                self._axes_by_tensor[name] = self._axis_of(name, ranks)
        return self._axes_by_tensor

    def _axis_of(self, tensor: str, ranks: dict[str, int]) -> int | None:
        node, rank = self.producer(tensor), ranks.get(tensor, 0)
        if node is None or rank < 2:
            return None
        if rank == 2 or node.op_type in _CHANNELS_SECOND:
            return 1
        if node.op_type in _CHANNELS_LAST:
            return rank - 1
        known = [(source, self._axes_by_tensor.get(source)) for source in self.sources(tensor)]
        source, axis = next(((name, axis) for name, axis in known if axis is not None), ("", None))
        if axis is None or node.op_type in _MIXES_AXES:
            return None
        if node.op_type == "Transpose":
            order = next((list(a.ints) for a in node.attribute if a.name == "perm"), list(range(rank))[::-1])
            return order.index(axis)
        if node.op_type in ("Squeeze", "Unsqueeze"):
            return rank - 1 if axis == ranks[source] - 1 else None
        return axis if ranks[source] == rank and node.op_type != "Reshape" else None


def _inputs_of(node: Any) -> Iterator[str]:
    """Names a node reads, captures of its subgraphs included."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for inner in _subgraph_nodes(attribute):
            yield from _inputs_of(inner)


def _subgraph_nodes(attribute: Any) -> Sequence[Any]:
    graphs = [attribute.g] if attribute.HasField("g") else []
    return [node for graph in [*graphs, *attribute.graphs] for node in graph.node]
