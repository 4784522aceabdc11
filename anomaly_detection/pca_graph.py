"""The fitted PCA detector as an ONNX graph, scaling included.

**Conventions**: input `window` (batch, window_size, n_channels) float32 in raw units; outputs as `Detector.to_onnx`.
"""

from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto, helper

from anomaly_detection.graphs import build_model, scaling_constants, scaling_nodes, unscaling_nodes

if TYPE_CHECKING:
    from anomaly_detection.pca import PCADetector


def pca_graph(detector: "PCADetector") -> bytes:
    """Build the graph: centre, scale, average the window, then one matrix per output."""
    n_channels, size = len(detector.channels_), detector.window_size
    constants = {
        **scaling_constants(detector.scaling_),
        "weights": detector.weights_,
        "to_latent": detector.components_.T,
        "plane": detector.components_.T @ detector.components_,
    }
    nodes = [
        *scaling_nodes(),
        *(_means_nodes() if detector.spread_scaling_ is None else _spread_nodes()),
        helper.make_node("ReduceMean", ["squares", "channel"], ["score"], keepdims=0),
        helper.make_node("MatMul", ["newest", "to_latent"], ["latent"]),
        helper.make_node("MatMul", ["scaled", "plane"], ["planar"]),
        *unscaling_nodes("planar", "reconstruction"),
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
    return build_model("pca", nodes, constants, shapes, window=(size, n_channels))


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
