"""The fitted detector of nearest neighbours as an ONNX graph, scaling and references included.

**Conventions**: input `window` (batch, window_size, n_channels) float32 in raw units; outputs as `Detector.to_onnx`.
"""

from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from anomaly_detection.graphs import Shape, build_model, scaling_constants, scaling_nodes, unscaling_nodes

if TYPE_CHECKING:
    from anomaly_detection.knn import KNNDetector


def knn_graph(detector: "KNNDetector") -> bytes:
    """Build the graph: scale and average the window, find the nearest references, compare with their mean."""
    n_channels, size = len(detector.channels_), detector.window_size
    references = detector.references_
    constants = {
        **scaling_constants(detector.scaling_),
        "references": references,
        "minus_twice": -2 * references.T,
        "squares_of_references": np.square(references).sum(axis=1),
        "n_neighbors": np.array([detector.n_usable]),
        "repeats": np.array([1, size, 1]),
    }
    nodes = [
        *scaling_nodes(),
        helper.make_node("MatMul", ["newest", "minus_twice"], ["products"]),
        helper.make_node("Add", ["products", "squares_of_references"], ["distances"]),
        helper.make_node("TopK", ["distances", "n_neighbors"], ["least", "nearest"], axis=1, largest=0, sorted=0),
        helper.make_node("Gather", ["references", "nearest"], ["neighbors"], axis=0),
        helper.make_node("ReduceMean", ["neighbors", "channel"], ["expected"], keepdims=0),
        helper.make_node("Sub", ["newest", "expected"], ["residual"]),
        helper.make_node("Mul", ["residual", "residual"], ["squares"]),
        helper.make_node("ReduceMean", ["squares", "channel"], ["score"], keepdims=0),
        helper.make_node("Identity", ["newest"], ["latent"]),
        helper.make_node("Unsqueeze", ["expected", "time"], ["expected_once"]),
        helper.make_node("Tile", ["expected_once", "repeats"], ["expected_rows"]),
        *unscaling_nodes("expected_rows", "reconstruction"),
    ]
    shapes: dict[str, Shape] = {
        "score": ["batch"],
        "reconstruction": ["batch", size, n_channels],
        "latent": ["batch", n_channels],
        "residual": ["batch", n_channels],
    }
    return build_model("knn", nodes, constants, shapes, window=(size, n_channels))
