"""Quantized models give the same features as the model they were made from, up to what quantization costs."""

import numpy as np
import pytest
from onnxruntime import quantization

from latent_space.engine.model import OnnxModel
from latent_space.engine.onnx_graph import DataGraph

torch = pytest.importorskip("torch")
nn = torch.nn


class Frames(quantization.CalibrationDataReader):
    def __init__(self, frames):
        self.left = iter(frames)

    def get_next(self):
        frame = next(self.left, None)
        return None if frame is None else {"input": frame[None]}


def network():
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU(), nn.Conv2d(12, 20, 3, 2, 1)]
    head = [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 5)]
    return nn.Sequential(*body, *head).eval()


def vectors(model, frames):
    model.open_latent(None, [frames[0]])
    return np.stack([model.latent.pool(model.predict([[frame]])[0].features) for frame in frames])


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 3, 32, 32)).astype(np.float32) * rng.uniform(0.2, 4, (40, 1, 1, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("quantized") / "model.onnx"
    axes = {"input": {0: "batch"}}
    with pytest.warns(DeprecationWarning):
        torch.onnx.export(
            network(), torch.zeros(2, 3, 32, 32), path, input_names=["input"], dynamic_axes=axes, dynamo=False
        )
    return path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["dynamic", "QOperator", "QDQ"])
def test_features_are_those_of_the_original(kind, original, frames):
    path = original.with_name(f"{kind}.onnx")
    if kind == "dynamic":
        quantization.quantize_dynamic(original, path)
    else:
        form = quantization.QuantFormat[kind]
        quantization.quantize_static(original, path, Frames(frames), quant_format=form)
    model, plain = OnnxModel(path), OnnxModel(original)
    found, wanted = vectors(model, frames), vectors(plain, frames)
    assert not model.latent.is_output
    assert model.latent.shape == plain.latent.shape
    distances, expected = (np.linalg.norm(part[:, None] - part[None], axis=-1).ravel() for part in (found, wanted))
    assert np.corrcoef(distances, expected)[0, 1] > 0.97
    assert "DynamicQuantizeLinear" not in {DataGraph(model._proto()).producer(model.latent.name).op_type}
