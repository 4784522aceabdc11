import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from armbench_segmentation.samples import Annotation, Sample
from armbench_segmentation.training.examples import (
    Example,
    ExampleStore,
    collate,
    flip,
    jitter_colours,
    load_example,
    n_batches,
    training_batches,
    vary,
)

SIZE = 64


def asymmetric() -> Example:
    """An image whose one object is painted red exactly where its mask and box say; no symmetry anywhere."""
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[8:20, 4:40] = [200, 30, 40]
    mask = np.zeros((1, 16, 16), np.bool_)
    mask[0, 2:5, 1:10] = True
    boxes = np.array([[22 / 64, 14 / 64, 36 / 64, 12 / 64]], np.float32)
    for array in (image, mask, boxes):
        array.flags.writeable = False
    return Example(image, boxes, np.array([1]), mask)


@pytest.mark.parametrize("left_right", [False, True])
@pytest.mark.parametrize("up_down", [False, True])
def test_flips_move_image_box_and_mask_alike(left_right, up_down):
    flipped = flip(asymmetric(), left_right=left_right, up_down=up_down)
    rows, columns = np.nonzero(flipped.image[..., 0])
    painted = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert flipped.instances.boxes_xyxy[0].tolist() == pytest.approx(painted, abs=1e-4)
    np.testing.assert_array_equal(flipped.masks[0], flipped.image[::4, ::4, 0] > 0)
    assert painted == [[4, 8, 40, 20], [4, 44, 40, 56], [24, 8, 60, 20], [24, 44, 60, 56]][2 * left_right + up_down]


def test_flipping_twice_gives_the_example_back():
    twice = flip(flip(asymmetric(), left_right=True, up_down=True), left_right=True, up_down=True)
    np.testing.assert_array_equal(twice.image, asymmetric().image)
    np.testing.assert_allclose(twice.boxes, asymmetric().boxes, atol=1e-7)
    np.testing.assert_array_equal(twice.masks, asymmetric().masks)


def test_jitter_changes_colours_but_nothing_moves():
    rng = np.random.default_rng(0)
    image = asymmetric().image
    shades = {tuple(jitter_colours(image, rng)[10, 10].tolist()) for _ in range(20)}
    assert len(shades) > 10
    varied = jitter_colours(image, rng)
    assert (varied.dtype, varied.shape) == (np.uint8, image.shape)
    assert not varied[image.sum(2) == 0].any(), "black stays black"
    red = varied[image.sum(2) > 0].astype(int)
    assert (red == red[0]).all()
    hue = cv2.cvtColor(varied[10:11, 10:11], cv2.COLOR_RGB2HSV)[0, 0, 0]
    assert min(hue, 180 - hue) < 10, "red stays red"


def test_all_four_orientations_occur():
    rng = np.random.default_rng(0)
    corners = {tuple(vary(asymmetric(), rng).instances.boxes_xyxy[0, :2].round().tolist()) for _ in range(40)}
    assert corners == {(4, 8), (4, 44), (24, 8), (24, 44)}


def test_collate_keeps_objects_with_their_images():
    empty = Example(np.full((SIZE, SIZE, 3), 255, np.uint8), np.zeros((0, 4)), np.zeros(0, int), np.zeros((0, 16, 16)))
    batch = collate([asymmetric(), empty, flip(asymmetric(), left_right=True, up_down=False)])
    assert batch.images.shape == (3, 3, SIZE, SIZE)
    assert batch.images.dtype == torch.float32
    assert float(batch.images[1].min()) == float(batch.images.max()) == 1
    assert batch.images[0, :, 10, 10].tolist() == pytest.approx([200 / 255, 30 / 255, 40 / 255])
    assert batch.targets.image.tolist() == [0, 2]
    assert batch.targets.class_ids.tolist() == [1, 1]
    assert batch.targets.masks.shape == (2, 16, 16)
    assert batch.targets.boxes[:, 0].tolist() == pytest.approx([22 / 64, 42 / 64])


@pytest.fixture
def samples(tmp_path):
    """Five images of 100 x 50 pixels with one square each, ever brighter; the third file is no image."""
    made = []
    for number in range(5):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.full((50, 100, 3), 40 * number, np.uint8)).save(path)
        square = Annotation(number, 0, [[0, 0, 50, 0, 50, 25, 0, 25]], (0, 0, 50, 25))
        made.append(Sample(str(number), path, 100, 50, (square,)))
    (tmp_path / "2.png").write_bytes(b"not an image")
    return made


def test_loads_at_the_training_size(samples):
    example = load_example(samples[1], image_size=SIZE, resize="stretch")
    assert example.image.shape == (SIZE, SIZE, 3)
    assert example.boxes.tolist() == [[0.25, 0.25, 0.5, 0.5]]
    assert example.masks.sum() == 64
    assert example.masks[0, :8, :8].all()
    boxed = load_example(samples[1], image_size=SIZE, resize="letterbox")
    assert boxed.boxes.tolist() == [[0.25, 0.375, 0.5, 0.25]]
    assert (boxed.image[0] == 114).all()


def test_sets_unreadable_images_aside_with_their_reason(samples):
    store = ExampleStore(samples, image_size=SIZE)
    assert len(list(store.examples())) == 4
    assert list(store.set_aside) == ["2"]
    assert "2.png" in store.set_aside["2"]
    batches = list(training_batches(store, batch_size=2, seed=0, epoch=0))
    assert sum(len(batch.images) for batch in batches) == 4


@pytest.mark.parametrize(("cache_bytes", "n_kept"), [(0, 0), (30_000, 2), (10**9, 4)])
def test_keeps_what_fits_and_reads_the_rest_again(samples, cache_bytes, n_kept):
    """An example of 64 pixels takes 12,288 bytes for its image and 280 for its object."""
    store = ExampleStore(samples, image_size=SIZE, cache_bytes=cache_bytes)
    before = [example.image for example in store.examples()]
    again = [example.image for example in store.examples()]
    assert sum(a is b for a, b in zip(before, again, strict=True)) == n_kept
    for a, b in zip(before, again, strict=True):
        np.testing.assert_array_equal(a, b)


def brightness(store, **options) -> list:
    return [batch.images.amax((1, 2, 3)).tolist() for batch in training_batches(store, batch_size=2, **options)]


def test_an_epoch_can_be_repeated_and_differs_from_the_next(samples):
    store = ExampleStore([samples[i] for i in (0, 1, 3, 4)], image_size=SIZE)
    assert brightness(store, seed=3, epoch=1) == brightness(store, seed=3, epoch=1)
    assert brightness(store, seed=3, epoch=1) != brightness(store, seed=3, epoch=2)
    assert brightness(store, seed=3, epoch=1) != brightness(store, seed=4, epoch=1)


@pytest.mark.parametrize(
    ("n", "size", "expected"), [(9, 4, [3, 3, 3]), (8, 4, [4, 4]), (3, 16, [3]), (5, 2, [2, 2, 1])]
)
def test_batches_are_of_even_size(n, size, expected, samples):
    """A last batch of one image would upset batch normalisation."""
    store = ExampleStore((samples * 2)[:1] * n, image_size=SIZE)
    assert [len(batch.images) for batch in training_batches(store, batch_size=size, seed=0, epoch=0)] == expected
    assert n_batches(n, size) == len(expected)
