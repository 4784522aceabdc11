"""The fitted detector of several windows as an ONNX graph: those of its windows side by side, and what joins them.

**Conventions**: input `window` (batch, window_size, n_channels) float32 in raw units; outputs as `Detector.to_onnx`.
What belongs to the window of n rows is called `of_n_...`.
"""

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import NodeProto, compose, helper, numpy_helper

from anomaly_detection.graphs import Shape, build_model
from anomaly_detection.multiscale import LEAST_DISTANCE

if TYPE_CHECKING:
    from anomaly_detection.multiscale import MultiscaleDetector


def multiscale_graph(detector: "MultiscaleDetector") -> bytes:
    """Build the graph: every window's part on the newest rows, then the geometric mean of their scores."""
    n_channels = len(detector.channels_)
    constants: dict[str, np.ndarray] = {
        "end": np.array([np.iinfo(np.int64).max]),
        "least": np.array(LEAST_DISTANCE),
        "tiny": np.array(np.finfo(np.float32).tiny),
        "zero": np.array(0.0),
        "n_channels": np.array(float(n_channels)),
    }
    nodes: list[NodeProto] = []
    prefixes = [f"of_{part.window_size}_" for part in detector.parts_]
    for prefix, part in zip(prefixes, detector.parts_, strict=True):
        graph = compose.add_prefix_graph(onnx.load_from_string(part.to_onnx()).graph, prefix)
        constants |= {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        constants[f"{prefix}start"] = np.array([-part.window_size])
        nodes += [
            helper.make_node("Slice", ["window", f"{prefix}start", "end", "time"], [f"{prefix}window"]),
            *graph.node,
            *_log_and_shares(prefix),
        ]
    longest = prefixes[-1]
    nodes += [
        helper.make_node("Mean", [f"{prefix}log" for prefix in prefixes], ["mean_log"]),
        helper.make_node("Exp", ["mean_log"], ["score"]),
        helper.make_node("Mean", [f"{prefix}shares" for prefix in prefixes], ["shares"]),
        helper.make_node("Mul", ["score", "n_channels"], ["total"]),
        helper.make_node("Unsqueeze", ["total", "channel"], ["total_of_row"]),
        helper.make_node("Mul", ["shares", "total_of_row"], ["squares"]),
        helper.make_node("Sqrt", ["squares"], ["size"]),
        helper.make_node("Neg", ["size"], ["negative"]),
        helper.make_node("Less", [f"{longest}residual", "zero"], ["is_negative"]),
        helper.make_node("Where", ["is_negative", "negative", "size"], ["residual"]),
        helper.make_node("Concat", [f"{prefix}latent" for prefix in prefixes], ["latent"], axis=1),
        helper.make_node("Identity", [f"{longest}reconstruction"], ["reconstruction"]),
    ]
    shapes: dict[str, Shape] = {
        "score": ["batch"],
        "reconstruction": ["batch", detector.window_size, n_channels],
        "latent": ["batch", sum(len(part.components_) for part in detector.parts_)],
        "residual": ["batch", n_channels],
    }
    return build_model("multiscale", nodes, constants, shapes, window=(detector.window_size, n_channels))


def _log_and_shares(prefix: str) -> list[NodeProto]:
    """Of one window: the logarithm of its score, and each channel's share of it."""
    return [
        helper.make_node("Max", [f"{prefix}score", "least"], [f"{prefix}at_least"]),
        helper.make_node("Log", [f"{prefix}at_least"], [f"{prefix}log"]),
        helper.make_node("Mul", [f"{prefix}residual", f"{prefix}residual"], [f"{prefix}own_squares"]),
        helper.make_node("Add", [f"{prefix}own_squares", "tiny"], [f"{prefix}own_positive"]),
        helper.make_node("ReduceSum", [f"{prefix}own_positive", "channel"], [f"{prefix}sum"], keepdims=1),
        helper.make_node("Div", [f"{prefix}own_positive", f"{prefix}sum"], [f"{prefix}shares"]),
    ]
