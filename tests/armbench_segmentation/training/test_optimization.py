import math

import numpy as np
import pytest
import torch

from armbench_segmentation.config import COCO_ANCHORS
from armbench_segmentation.training.examples import Example, collate
from armbench_segmentation.training.network import YoloSeg
from armbench_segmentation.training.optimization import PARTS, Optimization, learning_rate_share

SIZE = 64


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network() -> YoloSeg:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return YoloSeg(2, "n", COCO_ANCHORS, image_size=SIZE)


@pytest.fixture(scope="module")
def batch():
    """Two images with a square each, of another class and another place."""
    examples = []
    for class_id, start in ((0, 8), (1, 28)):
        image = np.full((SIZE, SIZE, 3), 40, np.uint8)
        image[start : start + 24, start : start + 24, class_id] = 220
        mask = np.zeros((1, 16, 16), np.bool_)
        mask[0, start // 4 : start // 4 + 6, start // 4 : start // 4 + 6] = True
        centre, side = (start + 12) / SIZE, 24 / SIZE
        boxes = np.array([[centre, centre, side, side]], np.float32)
        examples.append(Example(image, boxes, np.array([class_id]), mask))
    return collate(examples)


def test_the_schedule_rises_then_falls_to_a_hundredth():
    shares = [learning_rate_share(step, 100, 10) for step in range(100)]
    assert np.argmax(shares) == 10
    assert shares[10] == 1
    assert shares[99] == pytest.approx(0.01)
    assert (np.diff(shares[:11]) > 0).all()
    assert (np.diff(shares[10:]) < 0).all()
    assert min(shares) > 0
    assert learning_rate_share(0, 1, 0) == 1


def test_every_part_of_the_loss_falls_on_two_images(batch):
    optimization = Optimization(network(), image_size=SIZE, learning_rate=4e-3)
    values = [optimization.step(batch, rate_share=1) for _ in range(60)]
    assert optimization.n_steps_done == 60
    for name in PARTS:
        assert values[-1][name] < 0.5 * values[0][name], name
    assert values[-1]["box"] < 0.05 * 1.0
    assert sum(values[-1].values()) < 0.3 * sum(values[0].values())


def test_the_rate_share_scales_the_step(batch):
    start = network().heads[0].bias.detach().clone()
    moved = []
    for share in (1.0, 0.1):
        optimization = Optimization(network(), image_size=SIZE, learning_rate=1e-3)
        optimization.step(batch, rate_share=share)
        moved.append((optimization.network.heads[0].bias.detach() - start).abs().max())
    assert float(moved[0]) == pytest.approx(10 * float(moved[1]), rel=1e-2)
    assert float(moved[0]) == pytest.approx(1e-3, rel=1e-2), "Adam's first step is the learning rate"


def test_the_average_follows_the_weights(batch):
    """After one step it keeps 1 / (9 + 1) of the start; the shape and count of everything stay."""
    start = network()
    optimization = Optimization(start, image_size=SIZE, learning_rate=1e-2)
    before = {name: value.clone() for name, value in optimization.average.state_dict().items()}
    optimization.step(batch, rate_share=1)
    current = optimization.network.state_dict()
    for name, value in optimization.average.state_dict().items():
        if value.is_floating_point():
            expected = 0.1 * before[name] + 0.9 * current[name]
            torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-4)
        else:
            assert torch.equal(value, current[name]), name
    assert not optimization.average.training
    assert optimization.network.training
    assert not any(p.requires_grad for p in optimization.average.parameters())


def test_biases_and_normalisation_do_not_decay():
    optimization = Optimization(network(), image_size=SIZE, learning_rate=1e-3)
    decayed, kept = optimization.state()["optimizer"]["param_groups"]
    assert decayed["weight_decay"] > 0
    assert kept["weight_decay"] == 0
    n_parameters = len(list(optimization.network.parameters()))
    assert len(decayed["params"]) + len(kept["params"]) == n_parameters
    n_convolutions = sum(isinstance(m, torch.nn.Conv2d) for m in optimization.network.modules())
    assert len(decayed["params"]) == n_convolutions


def test_restored_state_continues_exactly(batch):
    through = Optimization(network(), image_size=SIZE, learning_rate=1e-3)
    first = [through.step(batch, rate_share=share) for share in (0.5, 1.0)]
    state = through.state()
    stopped = Optimization(network(), image_size=SIZE, learning_rate=1e-3)
    assert [stopped.step(batch, rate_share=share) for share in (0.5, 1.0)] == first
    resumed = Optimization(YoloSeg(2, "n", COCO_ANCHORS, image_size=SIZE), image_size=SIZE, learning_rate=1e-3)
    resumed.restore(state)
    assert resumed.n_steps_done == 2
    assert resumed.step(batch, rate_share=1.0) == stopped.step(batch, rate_share=1.0)


def test_a_loss_that_is_not_finite_stops_before_the_weights_change(batch):
    optimization = Optimization(network(), image_size=SIZE, learning_rate=0.5)
    optimization.network.heads[0].bias.data[0] = math.nan
    before = optimization.network.heads[1].weight.detach().clone()
    with pytest.raises(ValueError, match=r"training loss must be finite; got box nan.*Lower the learning rate 0\.5"):
        optimization.step(batch, rate_share=1)
    assert torch.equal(optimization.network.heads[1].weight, before)
    assert optimization.n_steps_done == 0
