"""The fitted PCA detector as an ONNX graph, scaling included.

**Conventions**: input `window` (batch, window_size, n_channels) float32 in raw units; outputs as `Detector.to_onnx`.
"""

from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto, TensorProto, checker, helper, numpy_helper

from anomaly_detection.stored import OPSET

if TYPE_CHECKING:
    from anomaly_detection.pca import PCADetector


def pca_graph(detector: "PCADetector") -> bytes:
    """Build the graph: centre, scale, average the window, then one matrix per output."""
    n_channels, size = len(detector.channels_), detector.window_size
    center = detector.scaling_.center.astype(np.float32)
    constants = {
        "center": center,
        "rest": detector.scaling_.center - center,  # what float32 leaves out: much, where values are large
        "scale": detector.scaling_.scale,
        "weights": detector.weights_,
        "to_latent": detector.components_.T,
        "plane": detector.components_.T @ detector.components_,
    }
    nodes = [
        helper.make_node("Sub", ["window", "center"], ["nearly_centred"]),
        helper.make_node("Sub", ["nearly_centred", "rest"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled", "time"], ["newest"], keepdims=0),
        *(_means_nodes() if detector.spread_scaling_ is None else _spread_nodes()),
        helper.make_node("ReduceMean", ["squares", "channel"], ["score"], keepdims=0),
        helper.make_node("MatMul", ["newest", "to_latent"], ["latent"]),
        helper.make_node("MatMul", ["scaled", "plane"], ["planar"]),
        helper.make_node("Mul", ["planar", "scale"], ["unscaled"]),
        helper.make_node("Add", ["unscaled", "rest"], ["nearly_raw"]),
        helper.make_node("Add", ["nearly_raw", "center"], ["reconstruction"]),
    ]
    shapes: dict[str, list[str | int]] = {
        "score": ["batch"],
        "reconstruction": ["batch", size, n_channels],
        "latent": ["batch", len(detector.components_)],
        "residual": ["batch", n_channels],
    }
    if detector.spread_scaling_ is not None:
        constants["spread_center"] = detector.spread_scaling_.center
        constants["spread_scale"] = detector.spread_scaling_.scale
        constants["half"], constants["zero"] = np.array(0.5), np.array(0.0)
    initializers = [numpy_helper.from_array(v.astype(np.float32), name) for name, v in constants.items()]
    initializers += [numpy_helper.from_array(np.array([1], np.int64), name) for name in ("time", "channel")]
    graph = helper.make_graph(
        nodes,
        "pca",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, ["batch", size, n_channels])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _means_nodes() -> list[NodeProto]:
    return [
        helper.make_node("MatMul", ["newest", "weights"], ["residual"]),
        helper.make_node("Mul", ["residual", "residual"], ["squares"]),
    ]


def _spread_nodes() -> list[NodeProto]:
    """Means and standard deviations together; a channel's residual has the size of both and the sign of its mean's."""
    return [
        helper.make_node("ReduceMean", ["scaled", "time"], ["middle"], keepdims=1),
        helper.make_node("Sub", ["scaled", "middle"], ["deviations"]),
        helper.make_node("Mul", ["deviations", "deviations"], ["squared_deviations"]),
        helper.make_node("ReduceMean", ["squared_deviations", "time"], ["variance"], keepdims=0),
        helper.make_node("Sqrt", ["variance"], ["deviation"]),
        helper.make_node("Sub", ["deviation", "spread_center"], ["centred_deviation"]),
        helper.make_node("Div", ["centred_deviation", "spread_scale"], ["scaled_deviation"]),
        helper.make_node("Concat", ["newest", "scaled_deviation"], ["watched"], axis=1),
        helper.make_node("MatMul", ["watched", "weights"], ["both"]),
        helper.make_node("Split", ["both"], ["of_mean", "of_spread"], axis=1, num_outputs=2),
        helper.make_node("Mul", ["of_mean", "of_mean"], ["mean_squares"]),
        helper.make_node("Mul", ["of_spread", "of_spread"], ["spread_squares"]),
        helper.make_node("Add", ["mean_squares", "spread_squares"], ["twice"]),
        helper.make_node("Mul", ["twice", "half"], ["squares"]),
        helper.make_node("Sqrt", ["squares"], ["size"]),
        helper.make_node("Neg", ["size"], ["negative"]),
        helper.make_node("Less", ["of_mean", "zero"], ["is_negative"]),
        helper.make_node("Where", ["is_negative", "negative", "size"], ["residual"]),
    ]
