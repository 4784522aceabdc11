import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from armbench_segmentation.config import COCO_ANCHORS
from armbench_segmentation.samples import Sample
from armbench_segmentation.training import calibration
from armbench_segmentation.training.calibration import calibrated
from armbench_segmentation.training.examples import ExampleStore, collate
from armbench_segmentation.training.network import YoloSeg


@pytest.fixture
def store(tmp_path):
    """Seven images of noise, each around its own level."""
    rng = np.random.default_rng(0)
    samples = []
    for number in range(7):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(30 * number, 30 * number + 60, (64, 64, 3), np.uint8)).save(path)
        samples.append(Sample(path.name, path, 64, 64))
    return ExampleStore(samples, image_size=64, resize="stretch")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return YoloSeg(1, "n", COCO_ANCHORS, image_size=64)


def first_norm(network):
    return next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d))


def test_statistics_are_those_of_the_images(network, store):
    measured = first_norm(calibrated(network, store))
    images = collate(list(store.examples())).images
    features = next(module for module in network.modules() if isinstance(module, nn.Conv2d))(images)
    torch.testing.assert_close(measured.running_mean, features.mean((0, 2, 3)).detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(measured.running_var, features.var((0, 2, 3)).detach(), rtol=1e-3, atol=1e-6)


def test_the_network_itself_and_its_weights_stay(network, store):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    measured = calibrated(network, store)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    for name, value in measured.named_parameters():
        assert torch.equal(value, before[name])
        assert not value.requires_grad
    assert not measured.training
    assert first_norm(measured).momentum == first_norm(network).momentum


def test_a_small_rest_does_not_count_as_much_as_a_whole_batch(network, store, monkeypatch):
    monkeypatch.setattr(calibration, "BATCH_SIZE", 5)
    measured = first_norm(calibrated(network, store))
    images = collate(list(store.examples())[:5]).images
    features = next(module for module in network.modules() if isinstance(module, nn.Conv2d))(images)
    torch.testing.assert_close(measured.running_mean, features.mean((0, 2, 3)).detach(), rtol=1e-4, atol=1e-5)


def test_no_more_images_than_needed_are_read(network, store, monkeypatch):
    monkeypatch.setattr(calibration, "MAX_IMAGES", 3)
    monkeypatch.setattr(store, "get", lambda index, get=store.get: get(index) if index < 3 else pytest.fail("read on"))
    assert first_norm(calibrated(network, store)).num_batches_tracked == 1
