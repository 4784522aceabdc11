import numpy as np
import pytest
import torch

from armbench_segmentation.config import COCO_ANCHORS
from armbench_segmentation.training.network import STRIDES, ExportForm, YoloSeg


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(n_classes=2, width="n", **options) -> YoloSeg:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return YoloSeg(n_classes, width, COCO_ANCHORS, **options).eval()


@pytest.mark.parametrize(("width", "published"), [("n", 1_986_637), ("s", 7_611_485)])
def test_has_as_many_parameters_as_ultralytics_reports_for_80_classes(width, published):
    """Ultralytics counts after fusing each batch normalisation into its convolution: one bias instead of two."""
    net = network(80, width)
    fused = sum(m.num_features for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert sum(p.numel() for p in net.parameters()) - fused == published


@pytest.mark.parametrize(("n_classes", "size"), [(1, 64), (3, 96)])
def test_shapes_follow_the_image(n_classes, size):
    raw, prototypes = network(n_classes)(torch.zeros(2, 3, size, size))
    assert [tuple(level.shape) for level in raw] == [
        (2, 3, size // stride, size // stride, 5 + n_classes + 32) for stride in STRIDES
    ]
    assert prototypes.shape == (2, 32, size // 4, size // 4)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_export_form_has_one_row_per_anchor_and_cell(batch):
    rows, prototypes = ExportForm(network(), 64).eval()(torch.zeros(batch, 3, 64, 64))
    assert rows.shape == (batch, 3 * (8 * 8 + 4 * 4 + 2 * 2), 5 + 2 + 32)
    assert prototypes.shape == (batch, 32, 16, 16)


def rows_of(raw: list, monkeypatch) -> np.ndarray:
    """What the export form makes of hand-written logits for a 64-pixel image."""
    net = network()
    monkeypatch.setattr(net, "forward", lambda images: (raw, torch.zeros(len(images), 32, 16, 16)))
    return ExportForm(net, 64)(torch.zeros(1, 3, 64, 64))[0][0].numpy()


def zero_logits() -> list:
    return [torch.zeros(1, 3, 64 // stride, 64 // stride, 39) for stride in STRIDES]


def test_zero_logits_are_boxes_of_the_anchors_at_the_cell_centres(monkeypatch):
    """sigmoid(0) = 1/2: xy = (1 - .5 + grid) * stride and wh = 1 * anchor."""
    rows = rows_of(zero_logits(), monkeypatch)
    assert rows[0, :4].tolist() == [4, 4, 10, 13]
    assert rows[1, :4].tolist() == [12, 4, 10, 13], "x runs fastest"
    assert rows[8, :4].tolist() == [4, 12, 10, 13], "then y"
    assert rows[64, :4].tolist() == [4, 4, 16, 30], "then the anchor"
    assert rows[192, :4].tolist() == [8, 8, 30, 61], "P4 follows the three anchors of P3"
    assert rows[240, :4].tolist() == [16, 16, 116, 90], "P5 is last"
    np.testing.assert_array_equal(rows[:, 4:7], 0.5)


def test_decodes_a_hand_written_cell(monkeypatch):
    """Logit ln 3 is probability 3/4: xy = (1.5 - .5 + grid) * stride, wh = 1.5^2 * anchor; coefficients stay raw."""
    raw = zero_logits()
    raw[1][0, 2, 3, 1, :5] = np.log(3.0)
    raw[1][0, 2, 3, 1, 5:7] = torch.tensor([-np.log(3.0), 0.0])
    raw[1][0, 2, 3, 1, 7:] = torch.arange(32.0) - 16
    row = rows_of(raw, monkeypatch)[192 + 2 * 16 + 3 * 4 + 1]
    expected = [(1 + 1) * 16, (1 + 3) * 16, 2.25 * 59, 2.25 * 119, 0.75, 0.25, 0.5, *(np.arange(32) - 16)]
    np.testing.assert_allclose(row, expected, rtol=1e-6)


def test_objectness_starts_at_the_odds_of_the_image_size():
    """Eight objects in the 16 x 16 cells of stride 8 at 128 pixels; never above one half."""
    bias = [head.bias.view(3, -1)[:, 4].detach().numpy() for head in network(image_size=128).heads]
    np.testing.assert_allclose(1 / (1 + np.exp(-bias[0])), 8 / 264, atol=0.01)
    assert max(level.max() for level in bias) < 0.3


def test_a_flipped_image_gives_another_result():
    """The network sees the image at all: outputs differ between two images of one batch."""
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    raw, prototypes = network()(images)
    assert not torch.allclose(raw[0][0], raw[0][1])
    assert not torch.allclose(prototypes[0], prototypes[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, "n", COCO_ANCHORS), "n_classes must be at least 1; got 0"),
        ((2, "m", COCO_ANCHORS), "width must be 'n' or 's'; got 'm'"),
        ((2, "n", COCO_ANCHORS[:2]), "anchors must be 3 rows of 3 positive"),
        ((2, "n", [[0.0] * 6] * 3), "anchors must be 3 rows of 3 positive"),
    ],
)
def test_refuses_what_cannot_be_built(arguments, message):
    with pytest.raises(ValueError, match=message):
        YoloSeg(*arguments)


@pytest.mark.parametrize("size", [0, 48, -32])
def test_refuses_image_sizes_that_the_strides_do_not_divide(size):
    with pytest.raises(ValueError, match=f"image_size must be a positive multiple of 32; got {size}"):
        ExportForm(network(), size)
