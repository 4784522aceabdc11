"""ONNX graphs written by hand: what those of `pca` and `knn` share.

**Conventions**: input `window` (batch, window_size, n_channels) float32 in raw units. `scaled` is the scaled window,
`newest` the mean over its rows, (batch, n_channels).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import NodeProto, TensorProto, checker, helper, numpy_helper

from anomaly_detection.scaling import Scaling
from anomaly_detection.stored import OPSET

Shape = list[str | int]


def scaling_constants(scaling: Scaling) -> dict[str, np.ndarray]:
    """Give what `scaling_nodes` need; `rest` is what float32 leaves out of the center: much, where values are large."""
    center = scaling.center.astype(np.float32)
    return {"center": center, "rest": scaling.center - center, "scale": scaling.scale}


def scaling_nodes() -> list[NodeProto]:
    """From `window` to `scaled` and `newest`."""
    return [
        helper.make_node("Sub", ["window", "center"], ["nearly_centred"]),
        helper.make_node("Sub", ["nearly_centred", "rest"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled", "time"], ["newest"], keepdims=0),
    ]


def unscaling_nodes(scaled: str, raw: str) -> list[NodeProto]:
    """From scaled values to raw ones."""
    return [
        helper.make_node("Mul", [scaled, "scale"], ["unscaled"]),
        helper.make_node("Add", ["unscaled", "rest"], ["nearly_raw"]),
        helper.make_node("Add", ["nearly_raw", "center"], [raw]),
    ]


def build_model(
    name: str,
    nodes: Sequence[NodeProto],
    constants: Mapping[str, np.ndarray],
    shapes: Mapping[str, Shape],
    *,
    window: tuple[int, int],
) -> bytes:
    """Put a checked model together.

    Parameters
    ----------
    name : str
        Of the graph.
    nodes : sequence of NodeProto
        They may use the axes `time` and `channel`.
    constants : mapping
        Name -> array; integers stay int64, all else becomes float32.
    shapes : mapping
        Output -> its shape.
    window : (window_size, n_channels)
    """
    constants = {"time": np.array([1]), "channel": np.array([1]), **constants}
    graph = helper.make_graph(
        list(nodes),
        name,
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, ["batch", *window])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape) for output, shape in shapes.items()],
        [numpy_helper.from_array(_stored(values), key) for key, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _stored(values: np.ndarray) -> np.ndarray:
    return values.astype(np.int64 if values.dtype.kind == "i" else np.float32)
