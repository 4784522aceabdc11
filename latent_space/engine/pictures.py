"""Small pictures of samples: from what an integration's visualizers return, or from an input that looks like an image.

**Conventions**: images are (H, W, 3) uint8 RGB. As on the platform, the float values of a `LeapImage` are 0..255, those
of masks and heatmaps are stretched from their minimum to their maximum, and boxes are relative with x, y their centre.
A picture is at most `SIDE` pixels on its longer side and never enlarged beyond it; curves of an input are drawn on a
strip, each stretched to its own range, those of a graph share one axis. Names that are too long lose their middle; of
more bars than have a line the last line says how many are missing. Drawings, of which two colours make up more
than half, may be twice as large, for lines suffer from shrinking, and are PNG; photographs are JPEG. Text has no
picture.
"""

import hashlib
import io
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from latent_space.lettering import fitted

Image = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]
SIDE = 160
_STRIP = (48, 160)
_CHART = (160, 320)
_BAR_HEIGHT, _THICKEST_BAR = 12, 32
_TEXT, _AXIS, _TEXT_SCALE = (60, 60, 60), (205, 205, 205), 0.36
_LINE, _ENDS = 14, 80  # pixels: of a line of text, and for what stands at the ends of an axis
_JPEG_QUALITY = 82
_PALETTE_BITS = 4
_MAX_NAME = 120
_COLORS = ((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (140, 86, 75), (23, 190, 207))


def picture(payload: Any) -> Image | None:
    """Draw what a visualizer returned, small; None for what is no picture."""
    draw = _DRAWERS.get(type(payload).__name__)
    return None if draw is None else draw(payload)


def picture_of_input(array: Array) -> Image | None:
    """Draw an encoded input: an image (HWC or CHW with 1, 3 or 4 channels) or a curve; None for anything else."""
    if array.ndim == 3 and min(array.shape[1:]) >= 8 and array.shape[0] in (1, 3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 3 and min(array.shape[:2]) >= 8 and array.shape[2] in (1, 3, 4):
        return shrink(_to_bytes(array[:, :, :3], unit=float(np.max(array)) <= 1.0))
    if array.ndim == 2 and min(array.shape) > 32:
        return shrink(_stretch(array[:, :, None]))
    if array.ndim in (1, 2) and array.dtype.kind in "fiu" and max(array.shape) >= 8:
        return curves(array if array.ndim == 2 and array.shape[0] >= array.shape[1] else np.atleast_2d(array).T)
    return None


def shrink(image: Image) -> Image:
    """Bring an image to at most `SIDE` pixels, averaging areas."""
    import cv2

    scale = (2 * SIDE if is_drawing(image) else SIDE) / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def is_drawing(image: Image) -> bool:
    """Whether two colours make up more than half of an image, looking at some pixels of each row and column.

    Examples
    --------
    >>> is_drawing(np.zeros((20, 20, 3), np.uint8))
    True
    """
    step = max(1, min(image.shape[:2]) // 40)
    some = image[::step, ::step].reshape(-1, image.shape[2]).astype(np.int64)
    _, counts = np.unique(some @ (256 ** np.arange(image.shape[2])), return_counts=True)
    return bool(np.sort(counts)[-2:].sum() > len(some) / 2)


def curves(values: Array, *, size: tuple[int, int] = _STRIP, shared: bool = False) -> Image:
    """Draw the columns of (n_steps, n_channels) values as curves, each stretched to its own range or all to one."""
    import cv2

    height, width = size
    canvas = np.full((height, width, 3), 255, np.uint8)
    values = np.asarray(values, np.float64)
    x = np.linspace(1, width - 2, len(values))
    everything = values[np.isfinite(values)]
    for channel in range(min(values.shape[1], len(_COLORS))):
        column = values[:, channel]
        finite = np.isfinite(column)
        if finite.sum() < 2:
            continue
        part = everything if shared else column[finite]
        low, high = part.min(), part.max()
        y = 2 + (height - 5) * (1 - (column[finite] - low) / (high - low if high > low else 1.0))
        points = np.stack([x[finite], y], 1).round().astype(np.int32)
        cv2.polylines(canvas, [points.reshape(-1, 1, 2)], False, _COLORS[channel], 1, cv2.LINE_AA)
    return canvas


def encode_picture(image: Image) -> tuple[bytes, str]:
    """Encode a drawing as PNG, a photograph as JPEG; returns the bytes and the suffix."""
    import cv2

    if is_drawing(image):
        return _encode_drawing(image), ".png"
    done, content = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise ValueError(f"image must be (H, W, 3) uint8; got {image.shape} {image.dtype}.")
    return content.tobytes(), ".jpg"


def _encode_drawing(image: Image) -> bytes:
    """Write a PNG, with a palette where 256 colours do: those that agree in the high bits of each channel are one."""
    from PIL import Image as Pictures

    red, green, blue = np.moveaxis(image >> _PALETTE_BITS, 2, 0).astype(np.uint16)
    codes = red << 8 | green << 4 | blue
    first = np.full(16**3, -1)
    first[codes.ravel()[::-1]] = np.arange(codes.size)[::-1]  # the first pixel of each code is written last
    found = np.flatnonzero(first >= 0)
    if len(found) <= 256:
        numbers = np.zeros(16**3, np.uint8)
        numbers[found] = np.arange(len(found))
        drawing = Pictures.fromarray(numbers[codes])
        drawing.putpalette(image.reshape(-1, 3)[first[found]].tobytes())
    else:
        drawing = Pictures.fromarray(image)
    buffer = io.BytesIO()
    drawing.save(buffer, "PNG")
    return buffer.getvalue()


def file_name(sample_id: str) -> str:
    """Give a name for files about a sample: its id where that is a short, plain file name, else one made from it.

    Examples
    --------
    >>> file_name("tote_1"), file_name("a/b")
    ('tote_1', 'a%2Fb')
    """
    name = quote(sample_id, safe=" ()[]@+,=")
    plain = 0 < len(name) <= _MAX_NAME and not name.startswith(".")
    return name if plain else f"{name[:40].lstrip('.')}-{hashlib.sha256(sample_id.encode()).hexdigest()[:16]}"


def _to_bytes(image: Array, *, unit: bool) -> Image:
    """Clip to 0..255 bytes with three channels; `unit` says that floats run to 1."""
    if image.dtype != np.uint8:
        image = np.nan_to_num(np.asarray(image, np.float32) * (255 if unit and image.dtype.kind == "f" else 1))
        image = np.clip(np.round(image), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(image, 3, 2) if image.shape[2] == 1 else image[:, :, :3])


def _stretch(image: Array) -> Image:
    values = np.nan_to_num(np.asarray(image, np.float32))
    values = values - values.min()
    return _to_bytes(values * (255 / max(float(values.max()), 1e-5)), unit=False)


def _draw_image(payload: Any) -> Image:
    return shrink(_to_bytes(np.asarray(payload.data), unit=False))


def _draw_video(payload: Any) -> Image:
    frames = np.asarray(payload.data)
    return shrink(_to_bytes(frames[len(frames) // 2], unit=True))


def _draw_boxes(payload: Any) -> Image:
    import cv2

    image = shrink(_to_bytes(np.asarray(payload.data), unit=False)).copy()
    height, width = image.shape[:2]
    labels = sorted({str(box.label) for box in payload.bounding_boxes})
    for box in payload.bounding_boxes:
        corners = np.array(
            [box.x - box.width / 2, box.y - box.height / 2, box.x + box.width / 2, box.y + box.height / 2]
        )
        if not np.isfinite(corners).all():
            continue
        x1, y1, x2, y2 = (np.clip(corners, -1, 2) * [width, height, width, height]).round().astype(int).tolist()
        cv2.rectangle(image, (x1, y1), (x2, y2), _COLORS[labels.index(str(box.label)) % len(_COLORS)], 1)
    return image


def _draw_mask(payload: Any) -> Image:
    import cv2

    image = shrink(_stretch(np.asarray(payload.image))).copy()
    mask = np.asarray(payload.mask)
    mask = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    colors = np.array([_COLORS[k % len(_COLORS)] for k in range(256)], np.float32)
    blended = 0.5 * image + 0.5 * colors[np.asarray(mask, np.int64) - 1]
    return np.where((mask > 0)[:, :, None], blended, image).astype(np.uint8)


def _draw_heatmap(payload: Any) -> Image:
    import cv2

    image = shrink(_stretch(np.asarray(payload.image)))
    heat = np.asarray(payload.heatmaps)
    if not len(heat):
        return image
    heat = _stretch(heat.max(0)[:, :, None])[:, :, 0]
    heat = cv2.resize(heat, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    colored = cv2.applyColorMap(heat, cv2.COLORMAP_JET)[:, :, ::-1]
    return np.asarray(0.5 * image + 0.5 * colored, np.uint8)


def _draw_graph(payload: Any) -> Image:
    """Draw curves, above them the legend in their colours, below them what the axis says."""
    height, width = _CHART
    canvas = np.full((height, width, 3), 255, np.uint8)
    top, bottom, x = 0, height, 4
    if payload.legend:
        top, room = _LINE, width // len(payload.legend) - 8
        for text, color in zip(payload.legend, _COLORS, strict=False):
            x += _write(canvas, text, (x, 10), color=color, room=room) + 12
    if payload.x_range is not None:
        bottom, (first, last) = height - _LINE, (f"{value:g}" for value in payload.x_range)
        canvas[bottom] = _AXIS
        start = 4 + _write(canvas, first, (4, height - 3), room=_ENDS)
        end = width - 4 - _fitted(last, _ENDS)[1]
        _write(canvas, last, (end, height - 3), room=_ENDS)
        label, room = payload.x_label or "", end - start - 16
        _write(canvas, label, ((start + end - _fitted(label, room)[1]) // 2, height - 3), room=room)
    canvas[top:bottom] = curves(np.asarray(payload.data), size=(bottom - top, width), shared=True)
    return canvas


def _draw_bars(payload: Any) -> Image:
    """Draw bars from the left, or from where zero is; the last line says how many there is no room for."""
    import cv2

    height, width = _CHART
    canvas = np.full((height, width, 3), 255, np.uint8)
    n_lines = min(len(payload.body), height // _BAR_HEIGHT)
    n_bars = n_lines - (n_lines < len(payload.body))
    body, labels = np.nan_to_num(np.asarray(payload.body, np.float64))[:n_bars], list(payload.labels)[:n_bars]
    low, high = min(body.min(initial=0), 0), max(body.max(initial=0), 0)
    left = 10 + max((_fitted(str(label), width // 2)[1] for label in labels), default=0)
    scale = (width - left - 6) / ((high - low) or 1)
    pitch = min(height / max(n_lines, 1), _THICKEST_BAR)
    for row, (value, label) in enumerate(zip(body, labels, strict=False)):
        middle = (row + 0.5) * pitch
        start, end = sorted(round(left + scale * (edge - low)) for edge in (0.0, value))
        top, bottom = round(middle - 0.35 * pitch), round(middle + 0.35 * pitch)
        cv2.rectangle(canvas, (start, top), (end, bottom), _COLORS[0], -1)
        _write(canvas, label, (4, round(middle + 4)), room=width // 2)
    if n_bars < n_lines:
        _write(canvas, f"+ {len(payload.body) - n_bars} more", (4, round((n_bars + 0.5) * pitch + 4)), room=width)
    return canvas


def _fitted(text: str, room: int) -> tuple[str, int]:
    return fitted(text, room, _TEXT_SCALE)


def _write(canvas: Image, text: str, at: tuple[int, int], *, room: int, color: tuple[int, int, int] = _TEXT) -> int:
    """Write into the room at a place, the lower left corner; returns the pixels that the text took."""
    import cv2

    short, width = _fitted(str(text), room)
    cv2.putText(canvas, short, at, cv2.FONT_HERSHEY_SIMPLEX, _TEXT_SCALE, color, 1, cv2.LINE_AA)
    return width


_DRAWERS = {
    "LeapImage": _draw_image,
    "LeapVideo": _draw_video,
    "LeapImageWithBBox": _draw_boxes,
    "LeapImageMask": _draw_mask,
    "LeapImageWithHeatmap": _draw_heatmap,
    "LeapGraph": _draw_graph,
    "LeapHorizontalBar": _draw_bars,
}
