"""Pictures of one sample: its objects as boxes and as masks, and where one object became several or several one.

`to_picture`, `bounding_boxes` and `instance_map` are pure functions of arrays; `show_*` put their results, and those of
`overlays.py`, into the classes that code-loader's visualizers return.

**Conventions**: pictures are (H, W, 3) uint8 RGB. Boxes of `Instances` are pixels of the model input, which is the
picture; masks lie on the coarser prototype grid and are interpolated to the picture. Objects are numbered from 1, in
the order of `Instances`. Inputs are never written to.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.instances import Instances
from armbench_segmentation.matching import Matching
from armbench_segmentation.overlays import Picture, draw_splits, upsample

if TYPE_CHECKING:
    from code_loader.contract.responsedataclasses import BoundingBox
    from code_loader.contract.visualizer_classes import LeapImage, LeapImageMask, LeapImageWithBBox

Kind = Literal["over", "under"]
_MOST_IN_MAP = 255
_MOST_IN_CAPTION = 6


def to_picture(image: NDArray[Any]) -> Picture:
    """Turn a model input into a picture.

    Parameters
    ----------
    image : (3, H, W), (H, W, 3) or either with a batch axis of 1
        uint8, or float in 0..1.

    Raises
    ------
    ValueError
        If the shape is another one.

    Examples
    --------
    >>> to_picture(np.ones((1, 3, 2, 4), np.float32)).shape
    (2, 4, 3)
    """
    picture = image[0] if image.ndim == 4 and len(image) == 1 else image
    if picture.ndim == 3 and picture.shape[0] == 3 and picture.shape[2] != 3:
        picture = picture.transpose(1, 2, 0)
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"image must be (3, H, W) or (H, W, 3), with a batch axis of 1 or none; got {image.shape}.")
    if picture.dtype == np.uint8:
        return np.ascontiguousarray(picture)
    scaled = np.nan_to_num(picture.astype(np.float32)).clip(0, 1) * 255
    return np.ascontiguousarray(scaled.round(), np.uint8)


def bounding_boxes(
    instances: Instances, *, image_size: tuple[int, int], categories: Sequence[str]
) -> list["BoundingBox"]:
    """Boxes as code-loader wants them: centre and size relative to the picture, clipped to it.

    Parameters
    ----------
    instances : Instances
        Any number of objects.
    image_size : (height, width)
        Of the picture, pixels.
    categories : sequence of str
        Names; the label of each box.
    """
    from code_loader.contract.responsedataclasses import BoundingBox

    height, width = image_size
    boxes = (instances.boxes_xyxy.astype(np.float64) / [width, height, width, height]).clip(0, 1)
    return [
        BoundingBox(
            x=(x1 + x2) / 2, y=(y1 + y2) / 2, width=x2 - x1, height=y2 - y1, confidence=score, label=categories[k]
        )
        for (x1, y1, x2, y2), score, k in zip(
            boxes.tolist(), instances.confidence.tolist(), instances.class_ids.tolist(), strict=True
        )
    ]


def instance_map(
    instances: Instances, *, image_size: tuple[int, int], categories: Sequence[str]
) -> tuple[NDArray[np.uint8], list[str]]:
    """All masks in one array: one value per *object*, since one per class would hide where touching objects part.

    Parameters
    ----------
    instances : Instances
        Of more than 255 objects, the most confident 255 are shown.
    image_size : (height, width)
        Of the picture, pixels.
    categories : sequence of str
        Names.

    Returns
    -------
    mask : (height, width) uint8
        0 is background, k the object of ``labels[k - 1]``; smaller objects lie on top of larger ones.
    labels : list of str
        Category and number, with the confidence of a prediction: "Object 2 .87".

    Examples
    --------
    >>> found = Instances(np.zeros((1, 4)), np.array([0.5]), np.array([0]), np.eye(2, dtype=bool)[None])
    >>> instance_map(found, image_size=(2, 2), categories=["Object"])
    (array([[1, 0],
           [0, 1]], dtype=uint8), ['Object 1 .50'])
    """
    kept = np.sort(np.argsort(-instances.confidence, kind="stable")[:_MOST_IN_MAP])
    shown = instances[kept]
    masks = upsample(shown.masks, image_size)
    areas = masks.sum(axis=(1, 2))
    result = np.zeros(image_size, np.uint8)
    for index in np.argsort(-areas, kind="stable").tolist():
        result[masks[index]] = index + 1
    labels = [
        f"{categories[k]} {number + 1}{_percent(score)}"
        for number, k, score in zip(kept.tolist(), shown.class_ids.tolist(), shown.confidence.tolist(), strict=True)
    ]
    return result, labels


def show_image(image: NDArray[Any]) -> "LeapImage":
    """Show the picture alone."""
    from code_loader.contract.visualizer_classes import LeapImage

    return LeapImage(to_picture(image))


def show_boxes(image: NDArray[Any], instances: Instances, categories: Sequence[str]) -> "LeapImageWithBBox":
    """Show the picture with a box per object."""
    from code_loader.contract.visualizer_classes import LeapImageWithBBox

    picture = to_picture(image)
    return LeapImageWithBBox(picture, bounding_boxes(instances, image_size=_size(picture), categories=categories))


def show_masks(image: NDArray[Any], instances: Instances, categories: Sequence[str]) -> "LeapImageMask":
    """Show the picture with a mask per object; see `instance_map`."""
    from code_loader.contract.visualizer_classes import LeapImageMask

    picture = to_picture(image)
    mask, labels = instance_map(instances, image_size=_size(picture), categories=categories)
    return LeapImageMask(mask, picture, labels)


def show_over_segmentation(
    image: NDArray[Any], gt: Instances, pred: Instances, matching: Matching, categories: Sequence[str]
) -> "LeapImage":
    """Show every ground truth that became several predictions (outlined), and those predictions (filled)."""
    return _show("over", image, (gt, pred), matching, categories)


def show_under_segmentation(
    image: NDArray[Any], gt: Instances, pred: Instances, matching: Matching, categories: Sequence[str]
) -> "LeapImage":
    """Show every prediction that swallowed several ground truths (outlined), and those ground truths (filled)."""
    return _show("under", image, (gt, pred), matching, categories)


def _show(
    kind: Kind,
    image: NDArray[Any],
    gt_and_pred: tuple[Instances, Instances],
    matching: Matching,
    categories: Sequence[str],
) -> "LeapImage":
    from code_loader.contract.visualizer_classes import LeapImage

    wholes, parts = gt_and_pred if kind == "over" else gt_and_pred[::-1]
    is_split, members = (
        (matching.over_segmented, matching.over_parts)
        if kind == "over"
        else (matching.under_segmented, matching.under_parts)
    )
    indices = np.flatnonzero(is_split).tolist()
    picture = draw_splits(
        to_picture(image),
        wholes.masks[indices],
        [parts.masks[members[i]] for i in indices],
        part_labels=[
            [f"{_letter(order)}{k + 1}{_percent(float(parts.confidence[j]))}" for k, j in enumerate(members[i])]
            for order, i in enumerate(indices)
        ],
        caption=_describe(kind, [(categories[wholes.class_ids[i]], len(members[i])) for i in indices]),
    )
    return LeapImage(picture)


def _describe(kind: Kind, wholes: list[tuple[str, int]]) -> str:
    """Say in one line which object (its category, number of parts) became several or swallowed several."""
    if not wholes:
        return f"No {kind}-segmentation."
    whole, part = ("ground truth", "predictions") if kind == "over" else ("prediction", "ground truths")
    if len(wholes) == 1:
        [(name, n)] = wholes
        return f"A: {whole} ({name}) {'became' if kind == 'over' else 'covers'} {n} {part}"
    counts = [f"{_letter(order)} {n}" for order, (_, n) in enumerate(wholes)]
    shown = ", ".join(counts[:_MOST_IN_CAPTION] + ["..."] * (len(counts) > _MOST_IN_CAPTION))
    return f"{len(wholes)} {whole}s {'became' if kind == 'over' else 'cover'} several {part}: {shown}"


def _letter(order: int) -> str:
    return chr(ord("A") + order % 26) * (1 + order // 26)


def _percent(confidence: float) -> str:
    """Confidence as " .87"; nothing for a ground truth, which is certain."""
    return "" if confidence >= 1 else f" .{min(round(confidence * 100), 99):02d}"


def _size(picture: Picture) -> tuple[int, int]:
    return picture.shape[0], picture.shape[1]
