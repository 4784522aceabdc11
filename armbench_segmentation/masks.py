"""Ground-truth outlines as boolean masks, directly on the coarse grid where predictions live.

**Conventions**: masks are (h, w) bool on a grid that covers the whole model input, padding included; a grid pixel is
on when more than half of it is covered. Outlines are continuous coordinates, as in COCO: the pixel in column 0 spans
x = 0..1. An object too small to cover half of any pixel keeps the pixel at its centre, so that none disappears.
Rasterising at the size of the photograph and shrinking afterwards gives the same masks (IoU .996) at a hundred
times the cost.

Masks are compared packed (`Overlaps.of_masks`), 64 pixels to a word: AND and a count of bits, only where both have
pixels, cost about a fifteenth of a matrix product of float masks and give the same whole numbers.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.instances import Instances
from armbench_segmentation.resize import Resize, resample
from armbench_segmentation.samples import Sample

Segmentation = list[Any] | dict[str, Any]
_FINER = 5  # odd, so that no pixel has exactly half of its parts covered
_COVERED = np.uint8(254)  # even, so that a pixel covered exactly by half is told from one covered by more
_WORDS_AT_ONCE = 1 << 13  # 64 kB: stays in the cache, and the allocator keeps it


def rasterize(
    segmentation: Segmentation, original_size: tuple[int, int], resize: Resize, mask_size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Draw one object's polygons, or its run-length encoding, on the mask grid.

    Parameters
    ----------
    segmentation : list or dict
        COCO polygons in pixels of the original, or a run-length encoding, compressed or not.
    original_size : (height, width)
        Of the original, pixels.
    resize : Resize
        How the original became the model input.
    mask_size : (h, w)
        Of the grid.

    Returns
    -------
    (h, w) bool

    Raises
    ------
    ValueError
        If a run-length encoding is not of `original_size` or cannot be decoded.

    Examples
    --------
    >>> plan = Resize.plan((8, 8), (8, 8), "stretch")
    >>> rasterize([[0, 0, 4, 0, 4, 8, 0, 8]], (8, 8), plan, (2, 2)).tolist()
    [[True, False], [True, False]]
    """
    draw = _draw_runs if isinstance(segmentation, dict) else _draw_polygons
    return draw(segmentation, original_size, resize, mask_size)


def gt_instances(sample: Sample, resize: Resize, mask_size: tuple[int, int]) -> Instances:
    """Ground truth of one image on the grid of the predictions; crowd regions are left out.

    Parameters
    ----------
    sample : Sample
        Its annotations are drawn.
    resize : Resize
        How the original becomes the model input.
    mask_size : (h, w)
        Of the prototype grid: a quarter of the input.

    Returns
    -------
    Instances
        In the order of the annotations, boxes in pixels of the model input.
    """
    objects = [annotation for annotation in sample.annotations if not annotation.is_crowd]
    if not objects:
        return Instances.empty(mask_size)
    x, y, width, height = np.array([annotation.box_xywh for annotation in objects], np.float64).T
    boxes = resize.to_input(np.stack([x, y, x + width, y + height], axis=1))
    masks = np.empty((len(objects), *mask_size), np.bool_)
    for mask, annotation, box in zip(masks, objects, boxes, strict=True):
        mask[:] = rasterize(annotation.segmentation, sample.size, resize, mask_size)
        if not mask.any():
            mask[_centre_pixel(box, resize, mask_size)] = True
    return Instances(
        boxes.astype(np.float32),
        np.ones(len(objects), np.float32),
        np.array([annotation.class_id for annotation in objects], np.int64),
        masks,
    )


def pack_masks(masks: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack (n, h, w) boolean masks to (n, words), 64 pixels to a word, zeros at the end."""
    packed = np.packbits(masks.reshape(len(masks), masks.shape[1] * masks.shape[2]), axis=1)
    spare = -packed.shape[1] % 8
    if spare:
        packed = np.pad(packed, ((0, 0), (0, spare)))
    return packed.view(np.uint64)


def packed_areas(packed: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Pixels of every packed mask, (n,)."""
    return np.asarray(np.bitwise_count(packed).sum(1, dtype=np.int64))


def packed_intersections(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Pixels that every mask of `first` shares with every mask of `second`, (n, m); both from `pack_masks`."""
    shared = np.zeros((len(first), len(second)), np.int64)
    # Most objects are far apart: only pairs that have a word in common are worth a look.
    meet = (first != 0).astype(np.float32) @ (second != 0).astype(np.float32).T
    rows, columns = np.nonzero(meet)
    step = max(1, _WORDS_AT_ONCE // max(1, first.shape[1]))
    for start in range(0, len(rows), step):
        i, j = rows[start : start + step], columns[start : start + step]
        shared[i, j] = np.bitwise_count(first[i] & second[j]).sum(1, dtype=np.int64)
    return shared


def _draw_polygons(
    polygons: Segmentation, original_size: tuple[int, int], resize: Resize, mask_size: tuple[int, int]
) -> NDArray[np.bool_]:
    from pycocotools import mask as coco_mask

    (height, width), (h, w) = original_size, mask_size
    scale = np.array([w / resize.input_size[1], h / resize.input_size[0]])
    outlines = [np.asarray(polygon, np.float64).reshape(-1, 2).clip(0, (width, height)) for polygon in polygons]
    outlines = [resize.to_input(points) * scale for points in outlines]
    everything = np.concatenate(outlines)
    # Only the part of the grid that the object touches is drawn, `_FINER` times finer.
    start = np.floor(everything.min(0)).astype(int).clip(0, (w - 1, h - 1))
    stop = np.ceil(everything.max(0)).astype(int).clip(start + 1, (w, h))
    columns, rows = (stop - start).tolist()
    drawn = [((points - start) * _FINER).ravel() for points in outlines]
    runs = coco_mask.merge(coco_mask.frPyObjects(drawn, rows * _FINER, columns * _FINER))
    mask = np.zeros(mask_size, np.bool_)
    # The decoded array is in column order: its transpose is what OpenCV reads without a copy.
    fine = coco_mask.decode(runs).T * _COVERED
    mask[start[1] : stop[1], start[0] : stop[0]] = _mostly_covered(fine, (rows, columns))
    return mask


def _draw_runs(
    runs: Any, original_size: tuple[int, int], resize: Resize, mask_size: tuple[int, int]
) -> NDArray[np.bool_]:
    from pycocotools import mask as coco_mask

    height, width = original_size
    if list(runs["size"]) != [height, width]:
        raise ValueError(
            f"A run-length encoding must have the size {[height, width]} of its image; got {runs['size']}."
        )
    packed = coco_mask.frPyObjects(runs, height, width) if isinstance(runs["counts"], list) else runs
    full = coco_mask.decode(packed).T * _COVERED
    inner_height, inner_width = resize.inner_size
    coverage = np.zeros(resize.input_size[::-1], np.uint8)
    top, left = int(resize.offset_y), int(resize.offset_x)
    coverage[left : left + inner_width, top : top + inner_height] = resample(full, (inner_width, inner_height))
    return _mostly_covered(coverage, mask_size)


def _mostly_covered(transposed: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Shrink a transposed mask of 0 and `_COVERED` to `size` = (rows, columns)."""
    import cv2

    return np.asarray(cv2.resize(transposed, size, interpolation=cv2.INTER_AREA).T > _COVERED // 2)


def _centre_pixel(box: NDArray[np.float64], resize: Resize, mask_size: tuple[int, int]) -> tuple[int, int]:
    (height, width), (h, w) = resize.input_size, mask_size
    row, column = (box[1] + box[3]) / 2 * h / height, (box[0] + box[2]) / 2 * w / width
    return min(max(int(row), 0), h - 1), min(max(int(column), 0), w - 1)
