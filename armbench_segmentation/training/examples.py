"""Images and objects as a network in training eats them: read once, kept in memory when they fit, varied, batched.

**Conventions**: an `Example` holds the image at the training size as uint8, boxes as cx, cy, w, h relative to it, and
masks on the prototype grid, a quarter of it. Everything random comes from the seed and the epoch's number alone, so
that an epoch can be repeated after an interruption. An image that cannot be read is set aside with its reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from armbench_segmentation.dataset import read_sample
from armbench_segmentation.instances import Instances
from armbench_segmentation.masks import gt_instances
from armbench_segmentation.resize import Resize, ResizeMode
from armbench_segmentation.samples import Sample
from armbench_segmentation.training.loss import Targets

MASK_STRIDE = 4
_CACHE_SHARE = 0.4
_HUE, _SATURATION, _VALUE = 0.015, 0.7, 0.4


@dataclass(frozen=True)
class Example:
    """One image with its n objects.

    Attributes
    ----------
    image : (S, S, 3) uint8
        RGB.
    boxes : (n, 4) float32
        cx, cy, w, h relative to the image.
    class_ids : (n,) int64
    masks : (n, S/4, S/4) bool
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    masks: NDArray[np.bool_]

    @property
    def n_bytes(self) -> int:
        """Memory it takes."""
        return self.image.nbytes + self.boxes.nbytes + self.class_ids.nbytes + self.masks.nbytes

    @property
    def instances(self) -> Instances:
        """The objects as a decoded prediction would have them: corners in pixels."""
        half = self.boxes[:, 2:] / 2
        corners = np.concatenate([self.boxes[:, :2] - half, self.boxes[:, :2] + half], 1) * len(self.image)
        confidence = np.ones(len(self.boxes), np.float32)
        return Instances(corners.astype(np.float32), confidence, self.class_ids, self.masks)


@dataclass(frozen=True)
class Batch:
    """Images (B, 3, S, S) float32 in [0, 1] and their objects."""

    images: torch.Tensor
    targets: Targets


class ExampleStore:
    """The examples of one split, read when first asked for and kept while memory lasts.

    Parameters
    ----------
    samples : sequence of Sample
    image_size : int
        Side of the training images, pixels.
    resize : {"stretch", "letterbox"}
    cache_bytes : int, optional
        Memory to use at most; by default two fifths of what is free.

    Attributes
    ----------
    set_aside : dict of sample id to reason
        Grows as unreadable images are met.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        image_size: int,
        resize: ResizeMode = "stretch",
        cache_bytes: int | None = None,
    ) -> None:
        self._samples = tuple(samples)
        self._image_size, self._resize = image_size, resize
        self._room = _free_memory() if cache_bytes is None else cache_bytes
        self._kept: dict[int, Example] = {}
        self.set_aside: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._samples)

    def get(self, index: int) -> Example | None:
        """Return the example at a position, or None when its image cannot be read."""
        if index in self._kept:
            return self._kept[index]
        sample = self._samples[index]
        if sample.sample_id in self.set_aside:
            return None
        try:
            example = load_example(sample, image_size=self._image_size, resize=self._resize)
        except (ValueError, OSError) as error:
            self.set_aside[sample.sample_id] = str(error)
            return None
        if example.n_bytes <= self._room:
            self._kept[index] = example
            self._room -= example.n_bytes
        return example

    def examples(self) -> Iterator[Example]:
        """All that can be read, in order."""
        for index in range(len(self)):
            example = self.get(index)
            if example is not None:
                yield example


def load_example(sample: Sample, *, image_size: int, resize: ResizeMode) -> Example:
    """Read one image at the training size, and draw its objects.

    Raises
    ------
    ValueError, FileNotFoundError
        If the image or an outline cannot be read.
    """
    plan = Resize.plan(sample.size, (image_size, image_size), resize)
    grid = (image_size // MASK_STRIDE, image_size // MASK_STRIDE)
    image = plan.apply(read_sample(sample, at_least=plan.inner_size))
    objects = gt_instances(sample, plan, grid)
    low, high = objects.boxes_xyxy[:, :2] / image_size, objects.boxes_xyxy[:, 2:] / image_size
    return Example(image, np.concatenate([(low + high) / 2, high - low], 1), objects.class_ids, objects.masks)


def flip(example: Example, *, left_right: bool, up_down: bool) -> Example:
    """Mirror image, boxes and masks together.

    Examples
    --------
    >>> dot = np.zeros((1, 2, 2), np.bool_)
    >>> dot[0, 0, 0] = True
    >>> one = Example(np.zeros((8, 8, 3), np.uint8), np.array([[0.2, 0.3, 0.4, 0.6]]), np.zeros(1, np.int64), dot)
    >>> mirrored = flip(one, left_right=True, up_down=False)
    >>> mirrored.boxes.tolist(), mirrored.masks[0].astype(int).tolist()
    ([[0.8, 0.3, 0.4, 0.6]], [[0, 1], [0, 0]])
    """
    columns, rows = slice(None, None, -1 if left_right else 1), slice(None, None, -1 if up_down else 1)
    boxes = example.boxes.copy()
    if left_right:
        boxes[:, 0] = 1 - boxes[:, 0]
    if up_down:
        boxes[:, 1] = 1 - boxes[:, 1]
    return Example(example.image[rows, columns], boxes, example.class_ids, example.masks[:, rows, columns])


def jitter_colours(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Vary hue, saturation and value by up to 1.5, 70 and 40 per cent, as YOLOv5 does."""
    import cv2

    gains = 1 + rng.uniform(-1, 1, 3) * (_HUE, _SATURATION, _VALUE)
    levels = np.arange(256)
    tables = (levels * gains[0] % 180, np.clip(levels * gains[1], 0, 255), np.clip(levels * gains[2], 0, 255))
    channels = cv2.split(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2HSV))
    varied = [cv2.LUT(channel, table.astype(np.uint8)) for channel, table in zip(channels, tables, strict=True)]
    return np.asarray(cv2.cvtColor(cv2.merge(varied), cv2.COLOR_HSV2RGB), np.uint8)


def vary(example: Example, rng: np.random.Generator) -> Example:
    """Flip each way half of the time and jitter the colours."""
    left_right, up_down = rng.random(2) < 0.5
    flipped = flip(example, left_right=bool(left_right), up_down=bool(up_down))
    return Example(jitter_colours(flipped.image, rng), flipped.boxes, flipped.class_ids, flipped.masks)


def collate(examples: Sequence[Example]) -> Batch:
    """Stack examples into one batch."""
    images = np.stack([example.image for example in examples]).transpose(0, 3, 1, 2)
    counts = [len(example.boxes) for example in examples]
    targets = Targets(
        image=torch.from_numpy(np.repeat(np.arange(len(examples)), counts)),
        class_ids=torch.from_numpy(np.concatenate([example.class_ids for example in examples])),
        boxes=torch.from_numpy(np.concatenate([example.boxes for example in examples]).astype(np.float32)),
        masks=torch.from_numpy(np.concatenate([example.masks for example in examples]).astype(np.float32)),
    )
    return Batch(torch.from_numpy(np.ascontiguousarray(images, np.float32)) / 255, targets)


def training_batches(store: ExampleStore, *, batch_size: int, seed: int, epoch: int) -> Iterator[Batch]:
    """One pass over the data in an order and with variations of its own; sizes differ by at most one."""
    rng = np.random.default_rng([seed, epoch])
    for indices in np.array_split(rng.permutation(len(store)), n_batches(len(store), batch_size)):
        examples = [vary(example, rng) for example in map(store.get, indices.tolist()) if example is not None]
        if examples:
            yield collate(examples)


def n_batches(n_samples: int, batch_size: int) -> int:
    """How many batches a pass has."""
    return -(-n_samples // batch_size)


def _free_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().available * _CACHE_SHARE)
