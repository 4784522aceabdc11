"""What is known of a sample besides the model's answer: named scalars by which failures can be told apart.

**Conventions**: every sample has the same keys; the types are those of `image_types` and `object_types`, or None where
a value does not exist: a mean of nothing, anything about the objects of an unlabelled image. Pixels are those of the
model input without its padding, so that values of pictures of different sizes compare. ``_share`` is a share of the
picture's area, gray levels lie in 0..255, standard deviations are those of the population. Objects overlap "much" when
two of one category have a box IoU above `BOX_OVERLAP` or a mask IoU above `MASK_OVERLAP`: a tote that holds an
object does not overlap it in this sense.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.instances import Instances
from armbench_segmentation.overlaps import Overlaps, box_iou
from armbench_segmentation.resize import Resize
from armbench_segmentation.samples import Sample, Scalar

BOX_OVERLAP, MASK_OVERLAP = 0.2, 0.1
CANNY_LOW, CANNY_HIGH = 50, 150
Metadata = dict[str, Scalar | None]
Types = dict[str, type[Scalar]]

_IMAGE_TYPES: Types = {
    "id": str,
    "file_name": str,
    "width_px": int,
    "height_px": int,
    "brightness": float,
    "contrast": float,
    "blur": float,
    "clutter": float,
}
_OBJECT_TYPES: Types = {
    "n_instances": int,
    "n_cut": int,
    "n_crowd": int,
    "n_boxes": int,
    "mean_area_share": float,
    "std_area_share": float,
    "mean_box_area_share": float,
    "mean_box_aspect_ratio": float,
    "background_share": float,
    "n_duplicate_boxes": int,
    "n_small_boxes": int,
    "n_box_overlaps": int,
    "mean_box_overlaps": float,
    "n_mask_overlaps": int,
}
_CATEGORY_TYPES: Types = {
    "n_{}": int,
    "mean_area_share_{}": float,
    "std_area_share_{}": float,
    "mean_brightness_{}": float,
    "std_brightness_{}": float,
}


def condition_types(samples: Iterable[Sample]) -> Types:
    """Find the conditions that the data set records anywhere, and the one type that fits all values of each.

    Whole and broken numbers together are float; numbers and text together, or truth values with either, are text.

    Examples
    --------
    >>> from pathlib import Path
    >>> dark = Sample("1", Path("1.jpg"), 8, 8, conditions={"light": 1, "tote": "blue"})
    >>> bright = Sample("2", Path("2.jpg"), 8, 8, conditions={"light": 2.5})
    >>> condition_types([dark, bright])
    {'light': <class 'float'>, 'tote': <class 'str'>}
    """
    found: dict[str, set[type[Scalar]]] = {}
    for sample in samples:
        for name, value in sample.conditions.items():
            found.setdefault(name, set()).add(type(value))
    return {name: _common_type(types) for name, types in sorted(found.items())}


def image_types(conditions: Mapping[str, type[Scalar]]) -> Types:
    """Type of every key of `image_metadata`."""
    keys = _unique_keys([f"condition_{name}" for name in conditions], taken=())
    return {**_IMAGE_TYPES, **dict(zip(keys, conditions.values(), strict=True))}


def object_types(categories: Sequence[str]) -> Types:
    """Type of every key of `object_metadata`."""
    types = dict(_OBJECT_TYPES)
    for key in category_keys(categories):
        types |= {pattern.format(key): kind for pattern, kind in _CATEGORY_TYPES.items()}
    return types


def image_metadata(
    sample: Sample, pixels: NDArray[np.uint8], resize: Resize, *, conditions: Mapping[str, type[Scalar]]
) -> Metadata:
    """Describe the picture; needs no annotations.

    Parameters
    ----------
    sample : Sample
        Its file and conditions.
    pixels : (H, W, 3) uint8
        The model input, RGB.
    resize : Resize
        Tells the picture from its padding.
    conditions : Mapping
        What the data set records, from `condition_types`; None where this sample lacks one.

    Returns
    -------
    dict
        ``brightness`` and ``contrast``: mean and standard deviation of the gray levels. ``blur``: variance of the
        Laplacian, *lower* is more blurred. ``clutter``: share of the pixels on an edge (Canny). ``id``: as
        text, for ids are no quantities. The rest says itself.

    References
    ----------
    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000 (variance of the Laplacian).
    Canny, "A computational approach to edge detection", PAMI 1986.
    """
    import cv2

    gray = cv2.cvtColor(_picture(pixels, resize), cv2.COLOR_RGB2GRAY)
    mean, spread = cv2.meanStdDev(gray)
    keys = list(image_types(conditions))[len(_IMAGE_TYPES) :]
    return {
        "id": None if sample.image_id is None else str(sample.image_id),
        "file_name": sample.file_name or sample.path.name,
        "width_px": sample.width,
        "height_px": sample.height,
        "brightness": float(mean[0, 0]),
        "contrast": float(spread[0, 0]),
        "blur": float(cv2.meanStdDev(cv2.Laplacian(gray, cv2.CV_16S))[1][0, 0] ** 2),
        "clutter": cv2.countNonZero(cv2.Canny(gray, CANNY_LOW, CANNY_HIGH)) / gray.size,
    } | {
        key: _as_type(sample.conditions.get(name), kind)
        for key, (name, kind) in zip(keys, conditions.items(), strict=True)
    }


def object_metadata(
    sample: Sample,
    gt: Instances,
    pixels: NDArray[np.uint8],
    resize: Resize,
    *,
    categories: Sequence[str],
    small_area: float = 3e-4,
) -> Metadata:
    """Describe the annotated objects: how many, how large, how bright and how much they overlap.

    Parameters
    ----------
    sample : Sample
        Unlabelled ones have None under every key.
    gt : Instances
        Its ground truth on the prototype grid.
    pixels : (H, W, 3) uint8
        The model input, RGB.
    resize : Resize
        Between the original and the model input.
    categories : sequence of str
        Every category has its own keys, made of its name.
    small_area : float
        Boxes below this share of the picture are small.

    Returns
    -------
    dict
        ``n_instances`` counts the annotated objects, ``n_boxes`` those in the ground truth, ``n_cut`` what the cap on
        instances took away. ``n_duplicate_boxes``: boxes that repeat another one to the pixel.
        ``n_box_overlaps`` and ``n_mask_overlaps`` count pairs, ``mean_box_overlaps`` partners per object.
        ``mean_brightness_<category>`` and ``std_...``: gray levels under the masks of that category, taken together.
    """
    types = object_types(categories)
    if not sample.is_labeled:
        return dict.fromkeys(types)
    areas = gt.masks.sum((1, 2)) / _picture_pixels(resize, gt.masks.shape[1:])
    sides = (gt.boxes_xyxy[:, 2:] - gt.boxes_xyxy[:, :2]) / (resize.scale_x, resize.scale_y)
    box_areas = sides.prod(1) / (sample.width * sample.height)
    n_box_overlaps, n_mask_overlaps = _overlapping_pairs(gt)
    covered = float(gt.masks.any(0).sum() / _picture_pixels(resize, gt.masks.shape[1:]))
    values: Metadata = {
        "n_instances": len(gt) + sample.n_cut,
        "n_cut": sample.n_cut,
        "n_crowd": len(sample.annotations) - sample.n_objects,
        "n_boxes": len(gt),
        "mean_area_share": _mean(areas),
        "std_area_share": _std(areas),
        "mean_box_area_share": _mean(box_areas),
        "mean_box_aspect_ratio": _mean(sides[:, 0] / np.maximum(sides[:, 1], 1e-9)),
        "background_share": min(max(1 - covered, 0.0), 1.0),
        "n_duplicate_boxes": len(gt) - len(np.unique(gt.boxes_xyxy.round(), axis=0)),
        "n_small_boxes": int((box_areas < small_area).sum()),
        "n_box_overlaps": n_box_overlaps,
        "mean_box_overlaps": 2 * n_box_overlaps / len(gt) if len(gt) else None,
        "n_mask_overlaps": n_mask_overlaps,
    }
    gray = _gray_on_grid(pixels, gt.masks.shape[1:])
    for class_id, key in enumerate(category_keys(categories)):
        mine = gt.class_ids == class_id
        levels = gray[gt.masks[mine].any(0)]
        found = (int(mine.sum()), _mean(areas[mine]), _std(areas[mine]), _mean(levels), _std(levels))
        values |= {pattern.format(key): value for pattern, value in zip(_CATEGORY_TYPES, found, strict=True)}
    return {key: values[key] for key in types}


def category_keys(categories: Sequence[str]) -> list[str]:
    """Make one key of every category's name: lower case, letters, digits and ``_`` only, no two alike.

    Examples
    --------
    >>> category_keys(["Object", "Card Box", "card-box", "?"])
    ['object', 'card_box', 'card_box_2', 'category']
    """
    # No category may take a name under which all objects are counted: n_boxes and the like.
    taken = [key.removeprefix("n_") for key in _OBJECT_TYPES if key.startswith("n_")]
    return _unique_keys(categories, taken=taken)


def _unique_keys(names: Iterable[str], *, taken: Iterable[str]) -> list[str]:
    used, keys = set(taken), []
    for name in names:
        stem = re.sub(r"\W+", "_", name.casefold()).strip("_") or "category"
        key, number = stem, 1
        while key in used:
            number += 1
            key = f"{stem}_{number}"
        used.add(key)
        keys.append(key)
    return keys


def _common_type(types: set[type[Scalar]]) -> type[Scalar]:
    if len(types) == 1:
        return next(iter(types))
    return float if types == {int, float} else str


def _as_type(value: Scalar | None, kind: type[Scalar]) -> Scalar | None:
    return None if value is None else kind(value)


def _picture(pixels: NDArray[np.uint8], resize: Resize) -> NDArray[np.uint8]:
    (height, width), top, left = resize.inner_size, int(resize.offset_y), int(resize.offset_x)
    return pixels[top : top + height, left : left + width]


def _picture_pixels(resize: Resize, mask_size: tuple[int, ...]) -> float:
    """Pixels of the mask grid that the picture covers; a fraction where its edge cuts one."""
    (height, width), (input_height, input_width) = resize.inner_size, resize.input_size
    return mask_size[0] * mask_size[1] * (height * width) / (input_height * input_width)


def _gray_on_grid(pixels: NDArray[np.uint8], mask_size: tuple[int, ...]) -> NDArray[np.uint8]:
    import cv2

    height, width = mask_size
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def _overlapping_pairs(gt: Instances) -> tuple[int, int]:
    same = np.triu(gt.class_ids[:, None] == gt.class_ids, k=1)
    boxes = box_iou(gt.boxes_xyxy, gt.boxes_xyxy) > BOX_OVERLAP
    masks = Overlaps.of_masks(gt.masks, gt.masks).iou > MASK_OVERLAP
    return int((boxes & same).sum()), int((masks & same).sum())


def _mean(values: NDArray[np.generic]) -> float | None:
    return float(np.mean(values.astype(np.float64))) if values.size else None


def _std(values: NDArray[np.generic]) -> float | None:
    return float(np.std(values.astype(np.float64))) if values.size else None
