import numpy as np
import onnx
import onnxruntime
import pytest

from anomaly_detection.pca import PCADetector
from anomaly_detection.windows import causal_windows

NAMES = ["score", "residual", "latent", "reconstruction"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_components": 3, "scaling": "robust", "window_size": 2},
        {"statistic": "t2", "scaling": "minmax"},
        {"statistic": "combined", "window_size": 5},
        {"statistic": "t2", "window_size": 8, "spread": True},
    ],
)
def test_the_graph_equals_the_detector(options: dict) -> None:
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(400, 4)) @ rng.normal(size=(4, 4)) + [0, 5, -3, 100]).astype(np.float32)
    detector = PCADetector(**options).fit(rows)
    session = onnxruntime.InferenceSession(detector.to_onnx(), providers=["CPUExecutionProvider"])
    windows = np.ascontiguousarray(causal_windows(rows, detector.window_size))
    answers = dict(zip(NAMES, session.run(NAMES, {"window": windows}), strict=True))
    outputs = detector.outputs(rows)
    expected = [outputs.score, outputs.residual, outputs.latent, outputs.prediction]
    for name, values in zip(NAMES, expected, strict=True):
        assert answers[name].shape == values.shape
        # Relative to the largest value: single precision is relative to what it started from.
        assert np.abs(answers[name] - values).max() < 1e-5 * np.abs(values).max()


def test_the_graph_takes_any_batch_and_names_its_shapes() -> None:
    detector = PCADetector(window_size=3).fit(np.random.default_rng(0).normal(size=(100, 3)))
    session = onnxruntime.InferenceSession(detector.to_onnx(), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["batch", 3, 3]
    assert {output.name: output.shape for output in session.get_outputs()} == {
        "score": ["batch"],
        "reconstruction": ["batch", 3, 3],
        "latent": ["batch", 2],
        "residual": ["batch", 3],
    }
    for n in (1, 7):
        assert session.run(["score"], {"window": np.zeros((n, 3, 3), np.float32)})[0].shape == (n,)


def test_the_graph_tells_how_many_components_there_are() -> None:
    detector = PCADetector(statistic="t2").fit(np.random.default_rng(0).normal(size=(100, 1)))
    session = onnxruntime.InferenceSession(detector.to_onnx(), providers=["CPUExecutionProvider"])
    assert {output.name: output.shape for output in session.get_outputs()}["latent"] == ["batch", 1]
    assert onnx.load_from_string(detector.to_onnx()).graph.output[2].type.tensor_type.shape.dim[1].dim_value == 1
