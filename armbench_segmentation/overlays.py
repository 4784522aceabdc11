"""Draw on a picture which objects were split into several, or which swallowed several.

**Conventions**: pictures are (H, W, 3) uint8 RGB, masks boolean on any coarser grid over the same area. Small pictures
are enlarged first, so that outlines and letters are readable at 128 pixels as well.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Masks = NDArray[np.bool_]
# Okabe and Ito's colours, which most colour-blind people can tell apart; the order keeps neighbours far apart.
PART_COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (204, 121, 167),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (0, 114, 178),
)
_READABLE_SIDE = 512
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def upsample(masks: Masks, size: tuple[int, int]) -> Masks:
    """Interpolate (n, h, w) masks to `size` = (height, width); a pixel is on above one half."""
    import cv2

    if masks.shape[1:] == size:
        return masks
    large = np.zeros((len(masks), *size), np.bool_)
    for mask, out in zip(masks, large, strict=True):
        out[:] = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    return large


def draw_splits(
    picture: Picture,
    wholes: Masks,
    parts: Sequence[Masks],
    *,
    part_labels: Sequence[Sequence[str]],
    caption: str,
) -> Picture:
    """Outline whole objects and fill their parts with contrasting colours, on a gray copy, above a caption.

    Parameters
    ----------
    picture : (H, W, 3) uint8
        Enlarged by a whole factor until it is readable; the result is larger than the input.
    wholes : (n, h, w) bool
        Outlined in white on black.
    parts : n arrays (m, h, w) bool
        Filled, every part of a whole in another colour.
    part_labels : n sequences of m str
        Written at the middle of each part.
    caption : str
        Written below the picture, made smaller until it fits.
    """
    import cv2

    factor = max(1, round(_READABLE_SIDE / max(picture.shape[:2])))
    height, width = picture.shape[0] * factor, picture.shape[1] * factor
    canvas = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    if len(wholes):
        canvas = _as_backdrop(canvas)
    colour = 0
    labels: list[tuple[Masks, str]] = []
    for whole, own, names in zip(upsample(wholes, (height, width)), parts, part_labels, strict=True):
        for part, name in zip(upsample(own, (height, width)), names, strict=True):
            _fill(canvas, part, PART_COLOURS[colour % len(PART_COLOURS)])
            labels.append((part, name))
            colour += 1
        _outline(canvas, whole, _BLACK, 6)
        _outline(canvas, whole, _WHITE, 3)
    for part, name in labels:
        _write_inside(canvas, part, name)
    return np.concatenate([canvas, _caption(caption, width)])


def _as_backdrop(canvas: Picture) -> Picture:
    """Gray, and stretched to the same middle brightness whatever the exposure, so that colours stand out."""
    import cv2

    gray = cv2.cvtColor(canvas, cv2.COLOR_RGB2GRAY).astype(np.float32)
    low, high = np.percentile(gray, [1, 99])
    stretched = 20 + 150 * ((gray - low) / max(high - low, 1)).clip(0, 1)
    return np.repeat(stretched[..., None], 3, axis=2).astype(np.uint8)


def _fill(canvas: Picture, mask: Masks, colour: tuple[int, int, int]) -> None:
    canvas[mask] = (canvas[mask] * 0.45 + np.array(colour) * 0.55).astype(np.uint8)
    _outline(canvas, mask, colour, 2)


def _outline(canvas: Picture, mask: Masks, colour: tuple[int, int, int], thickness: int) -> None:
    import cv2

    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, contours, -1, colour, thickness, cv2.LINE_AA)


def _write_inside(canvas: Picture, mask: Masks, text: str) -> None:
    """Write deep inside `mask`, as near to its middle as that allows, on a dark plate that stays on the canvas."""
    import cv2

    if not mask.any():
        return
    depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    deep = np.argwhere(depth >= 0.9 * depth.max())
    y, x = deep[((deep - np.argwhere(mask).mean(axis=0)) ** 2).sum(axis=1).argmin()].tolist()
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    left = min(max(x - width // 2, 3), max(canvas.shape[1] - width - 3, 3))
    base = min(max(y + height // 2, height + 3), canvas.shape[0] - 4)
    cv2.rectangle(canvas, (left - 3, base - height - 3), (left + width + 2, base + 3), _BLACK, cv2.FILLED)
    cv2.putText(canvas, text, (left, base), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _WHITE, 1, cv2.LINE_AA)


def _caption(text: str, width: int) -> Picture:
    import cv2

    strip = np.zeros((28, width, 3), np.uint8)
    (needed, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
    scale = 0.5 * min(1.0, (width - 12) / needed)
    cv2.putText(strip, text, (6, 19), cv2.FONT_HERSHEY_SIMPLEX, scale, _WHITE, 1, cv2.LINE_AA)
    return strip
