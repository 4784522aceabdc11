"""What lies in a synthetic tote, seen from above: cartons, books, cards, mailers, pouches, cloth, cans, clear bags.

**Conventions**: a surface is drawn flat, as (h, w, 3) float32 RGB in 0..255, and laid into the picture later by
`drawing`. Its outline is a polygon in relative coordinates (0..1, x then y). ``opacity`` is absent for what cannot be
seen through. All randomness comes from the generator passed in; `size` is (h, w) in pixels of the drawing canvas.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from armbench_segmentation.synthetic.textures import (
    CARTON,
    CLOTH,
    FILM,
    PALE,
    VIVID,
    Array,
    Size,
    barcode_label,
    ink_on,
    pick,
    picture,
    plain,
    rectangle,
    scalar,
    small_print,
    smooth_noise,
    three,
    title,
    to_pixels,
    wrinkles,
)

RECTANGLE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)


@dataclass(frozen=True)
class Surface:
    """One side of an object, as seen from above.

    Attributes
    ----------
    rgb : (h, w, 3) float32
        Colour, 0..255.
    outline : (k, 2) float32
        Silhouette in relative coordinates.
    side : tuple of float, optional
        RGB of the side faces; absent: limp or round, without any.
    opacity : (h, w) float32, optional
        0 (invisible) to 1; absent: opaque.
    pages : bool
        Whether the sides are the cut edges of pages.
    """

    rgb: Array
    outline: Array
    side: tuple[float, float, float] | None = None
    opacity: Array | None = None
    pages: bool = False


def soft_outline(rng: Generator, wave: float, *, corner: float = 0.06) -> Array:
    """Outline a limp rectangle: rounded corners, sides that wave by `wave` of its width."""
    turns = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    exponent = 1 / max(corner * 4, 0.05)
    cos, sin = np.cos(turns), np.sin(turns)
    radius = (np.abs(cos) ** (2 * exponent) + np.abs(sin) ** (2 * exponent)) ** (-1 / (2 * exponent))
    ripple = sum(rng.normal(0, wave / k) * np.sin(k * turns + rng.uniform(0, 7)) for k in (2, 3, 5, 8))
    radius = radius * (1 + ripple)
    points = np.stack([0.5 + 0.49 * radius * cos, 0.5 + 0.49 * radius * sin], axis=1)
    return np.clip(points, 0, 1).astype(np.float32)


def _place(rgb: Array, patch: Array, top_left: tuple[int, int]) -> None:
    y, x = top_left
    rgb[y : y + patch.shape[0], x : x + patch.shape[1]] = patch


def box_top(rng: Generator, size: Size) -> Surface:
    """Draw the lid of a box: carton with tape, or a printed package."""
    style = rng.choice(["white", "carton", "print"], p=[0.38, 0.2, 0.42])
    colour = pick(rng, {"white": PALE, "carton": CARTON, "print": VIVID + PALE}[str(style)])
    rgb = plain(rng, size, colour)
    ink = ink_on(rng, colour)
    if style == "print":
        band, other = rng.uniform(0.2, 0.45), pick(rng, VIVID + PALE)
        rectangle(rgb, (0, 0, 1, band) if rng.random() < 0.5 else (0, 0, band, 1), other)
        if rng.random() < 0.6:
            patch = picture(rng, (int(size[0] * 0.45), int(size[1] * 0.5)))
            _place(rgb, patch, (int(size[0] * 0.5), int(size[1] * rng.uniform(0.05, 0.45))))
        title(rng, rgb, (0.08, 0.07, 0.8, 0.24), ink_on(rng, other))
        small_print(rng, rgb, (0.1, 0.33, 0.6, 0.46), ink)
    elif style == "carton":
        rectangle(rgb, (0, 0.42, 1, 0.56), colour * 0.86 + 22)
        cv2.line(rgb, (0, size[0] // 2), (size[1], size[0] // 2), scalar(colour * 0.6), 1)
    elif rng.random() < 0.6:
        title(rng, rgb, (0.1, 0.12, 0.6, 0.3), pick(rng, VIVID))
        small_print(rng, rgb, (0.1, 0.4, 0.55, 0.6), ink)
    if rng.random() < 0.65:
        barcode_label(rng, rgb, (rng.uniform(0.3, 0.75), rng.uniform(0.6, 0.85)), rng.uniform(0.3, 0.5))
    return Surface(rgb, RECTANGLE, scalar(colour))


def book_cover(rng: Generator, size: Size) -> Surface:
    """Draw a cover: colour, picture, bars with titles, the groove along the spine."""
    colour = pick(rng, VIVID + PALE)
    rgb = plain(rng, size, colour)
    if rng.random() < 0.7:
        top = rng.uniform(0.3, 0.5)
        _place(rgb, picture(rng, (int(size[0] * 0.48), int(size[1] * 0.8))), (int(size[0] * top), int(size[1] * 0.12)))
    bar = pick(rng, VIVID + PALE)
    for _ in range(int(rng.integers(0, 3))):
        y = rng.uniform(0, 0.9)
        rectangle(rgb, (0, y, 1, y + rng.uniform(0.03, 0.12)), bar)
    ink = ink_on(rng, colour)
    title(rng, rgb, (0.1, 0.06, 0.9, 0.17), ink)
    title(rng, rgb, (0.1, 0.2, 0.75, 0.28), ink)
    small_print(rng, rgb, (0.14, 0.88, 0.8, 0.95), ink)
    rgb[:, int(size[1] * 0.045) : int(size[1] * 0.065) + 1] *= 0.72
    return Surface(rgb, RECTANGLE, (216.0, 206.0, 182.0), pages=True)


def card(rng: Generator, size: Size) -> Surface:
    """Draw a flat greeting card or leaflet, divided by a diagonal."""
    colour, other = pick(rng, PALE), pick(rng, CARTON + VIVID + PALE)
    rgb = plain(rng, size, colour)
    h, w = size
    corners = np.array([(w, 0), (w, h), (0 if rng.random() < 0.7 else w // 2, h)])
    cv2.fillConvexPoly(rgb, corners, scalar(other))
    title(rng, rgb, (0.12, 0.12, 0.5, 0.2), ink_on(rng, colour))
    return Surface(rgb, RECTANGLE, scalar(colour))


def _pillow(rgb: Array, outline: Array, depth: float) -> Array:
    """Darken towards the outline, as the edge of a filled bag turns away from the light."""
    h, w = rgb.shape[:2]
    inside = np.zeros((h, w), np.uint8)
    cv2.fillPoly(inside, [to_pixels(outline * (w - 1, h - 1))], 1)
    inside[[0, -1]] = 0
    inside[:, [0, -1]] = 0
    reach = cv2.distanceTransform(inside, cv2.DIST_L2, 3) / (0.12 * min(h, w))
    return np.asarray(rgb * three(1 - depth * np.exp(-reach)), np.float32)


def _glossy(rgb: Array, slope: Array, *, shade: float, gloss: float) -> Array:
    shine = gloss * np.clip(slope - 1.1, 0, 1.6) ** 2
    return np.asarray(np.clip(rgb * three(1 + shade * np.clip(slope, -2.5, 2)) + three(shine), 0, 255), "f4")


def mailer(rng: Generator, size: Size) -> Surface:
    """Draw a poly mailer: pale film with wrinkles, a sealed flap, a shipping label."""
    outline = soft_outline(rng, 0.012, corner=0.03)
    colour = pick(rng, FILM, 6)
    rgb = plain(rng, size, colour)
    cv2.line(rgb, (int(size[1] * 0.06), 0), (int(size[1] * 0.06), size[0]), scalar(colour * 0.8), 2)
    rgb[:, int(size[1] * 0.86) :] *= 0.95
    if rng.random() < 0.8:
        barcode_label(rng, rgb, (rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7)), rng.uniform(0.25, 0.5))
    if rng.random() < 0.4:
        small_print(rng, rgb, (0.2, 0.78, 0.7, 0.9), colour * 0.5)
    rgb = _glossy(rgb, wrinkles(rng, size, int(rng.integers(2, 4))), shade=0.04, gloss=14)
    return Surface(_pillow(rgb, outline, 0.3), outline)


def pouch(rng: Generator, size: Size) -> Surface:
    """Draw a printed snack bag: picture, title, crimped ends, strong gloss."""
    outline = soft_outline(rng, 0.018, corner=0.05)
    colour = pick(rng, VIVID)
    rgb = plain(rng, size, colour)
    patch = picture(rng, (int(size[0] * 0.4), int(size[1] * 0.7)))
    _place(rgb, patch, (int(size[0] * 0.48), int(size[1] * 0.15)))
    rectangle(rgb, (0.08, 0.16, 0.92, 0.4), pick(rng, PALE + VIVID))
    title(rng, rgb, (0.14, 0.2, 0.86, 0.34), ink_on(rng, colour))
    for y in (0.03, 0.055, 0.945, 0.97):
        rectangle(rgb, (0, y, 1, y + 0.008), colour * 0.7)
    rgb = _glossy(rgb, wrinkles(rng, size, int(rng.integers(2, 5))), shade=0.09, gloss=60)
    return Surface(_pillow(rgb, outline, 0.45), outline)


def garment(rng: Generator, size: Size) -> Surface:
    """Draw folded cloth."""
    outline = soft_outline(rng, 0.02, corner=0.08)
    colour = pick(rng, CLOTH, 5)
    folds = smooth_noise(rng, size, (2, 5)) * 0.5 + wrinkles(rng, size, 1) * 0.5
    weave = rng.standard_normal(size, dtype=np.float32) * 0.05
    rgb = plain(rng, size, colour) * (1 + 0.16 * np.clip(folds, -2, 2.5) + weave)[..., None]
    return Surface(_pillow(np.asarray(rgb, np.float32), outline, 0.4), outline)


def clear_bag(rng: Generator, size: Size) -> Surface:
    """Draw something packed in transparent film: see-through margins, streaks of reflected light."""
    outline = soft_outline(rng, 0.02, corner=0.03)
    maker = (garment, card, box_top, book_cover)[int(rng.integers(4))]
    content = maker(rng, (int(size[0] * 0.74), int(size[1] * 0.74)))
    rgb = plain(rng, size, np.array([188, 194, 200], np.float32))
    opacity = np.full(size, 0.3, np.float32)
    y, x = int(size[0] * rng.uniform(0.08, 0.18)), int(size[1] * rng.uniform(0.08, 0.18))
    h, w = content.rgb.shape[:2]
    inside = np.zeros((h, w), np.uint8)
    cv2.fillPoly(inside, [to_pixels(content.outline * (w - 1, h - 1))], 1)
    rgb[y : y + h, x : x + w][inside > 0] = content.rgb[inside > 0]
    opacity[y : y + h, x : x + w][inside > 0] = 0.97
    slope = wrinkles(rng, size, int(rng.integers(3, 6)))
    streaks = np.clip((cv2.blur(slope, (5, 5)) - 1.5) * 0.9, 0, 1)
    for _ in range(int(rng.integers(5, 12))):
        path = rng.uniform(0.05, 0.95, 2) + np.cumsum(rng.normal(0, 0.045, (5, 2)) + rng.normal(0, 0.03, 2), axis=0)
        cv2.polylines(
            streaks, [to_pixels(path * size[::-1])], False, float(rng.uniform(0.4, 1)), int(rng.integers(1, 4))
        )
    rgb = _glossy(rgb, slope, shade=0.09, gloss=30)
    rgb += (252 - rgb) * (0.85 * streaks)[..., None]
    cv2.polylines(rgb, [to_pixels(outline * (size[1] - 1, size[0] - 1))], True, (222.0, 228.0, 232.0), 3)
    cv2.polylines(opacity, [to_pixels(outline * (size[1] - 1, size[0] - 1))], True, 0.75, 3)
    return Surface(rgb, outline, opacity=np.maximum(opacity, 0.9 * streaks))


def blister(rng: Generator, size: Size) -> Surface:
    """Draw a blister pack: a printed card, a product under a clear dome, reflections at its edges."""
    colour = pick(rng, VIVID + PALE)
    rgb = plain(rng, size, colour)
    title(rng, rgb, (0.1, 0.05, 0.7, 0.16), ink_on(rng, colour))
    rectangle(rgb, (0, 0.2, 1, 0.23), pick(rng, VIVID))
    rectangle(rgb, (0.1, 0.28, 0.9, 0.94), colour * 0.45 + 110)
    body = pick(rng, ((244, 244, 242), (40, 42, 46), (220, 222, 224)))
    rectangle(rgb, (0.2, 0.36, 0.8, 0.86), body)
    rectangle(rgb, (0.32, 0.44, 0.68, 0.6), np.array([110, 118, 124], np.float32))
    rectangle(rgb, (0.1, 0.28, 0.9, 0.94), np.array([226, 232, 234], np.float32), line=2)
    h, w = size
    for _ in range(4):
        start = (int(w * rng.uniform(0.1, 0.9)), int(h * rng.uniform(0.28, 0.94)))
        end = (start[0] + int(w * rng.normal(0, 0.16)), start[1] + int(h * rng.normal(0, 0.16)))
        cv2.line(rgb, start, end, (252.0, 254.0, 255.0), int(rng.integers(1, 4)))
    return Surface(rgb, RECTANGLE, scalar(colour * 0.8))


def tube(rng: Generator, size: Size) -> Surface:
    """Draw a can or roll that lies on its side, its axis along x."""
    colour = pick(rng, VIVID + PALE)
    rgb = plain(rng, size, colour)
    for _ in range(int(rng.integers(1, 4))):
        x = rng.uniform(0.1, 0.85)
        rectangle(rgb, (x, 0, x + rng.uniform(0.03, 0.15), 1), pick(rng, VIVID + PALE))
    title(rng, rgb, (0.2, 0.4, 0.75, 0.62), ink_on(rng, colour))
    rectangle(rgb, (0, 0, 0.03, 1), np.array([205, 208, 210], np.float32))
    rectangle(rgb, (0.97, 0, 1, 1), np.array([205, 208, 210], np.float32))
    y = np.linspace(-1, 1, size[0], dtype=np.float32)
    shade = 0.35 + 0.75 * np.sqrt(np.clip(1 - y**2, 0, 1))
    shine = 90 * np.exp(-(((y + 0.3) / 0.12) ** 2))
    rgb = np.clip(rgb * shade[:, None, None] + shine[:, None, None], 0, 255)
    outline = np.array([(0.015, 0), (0.985, 0), (1, 0.25), (1, 0.75), (0.985, 1), (0.015, 1), (0, 0.75), (0, 0.25)])
    return Surface(np.asarray(rgb, np.float32), outline.astype(np.float32))


def can_top(rng: Generator, size: Size) -> Surface:
    """Draw the lid of a standing can or jar."""
    colour = pick(rng, (*PALE, *VIVID, (196, 200, 204), (196, 200, 204)))
    rgb = plain(rng, size, colour)
    h, w = size
    centre = (w // 2, h // 2)
    for radius, shade in ((0.46, 1.2), (0.42, 0.62), (0.39, 1.08), (0.2, 0.85)):
        axes = (int(w * radius), int(h * radius))
        cv2.ellipse(rgb, centre, axes, 0, 0, 360, scalar(np.clip(colour * shade, 0, 255)), max(1, min(size) // 36))
    title(rng, rgb, (0.3, 0.42, 0.7, 0.56), ink_on(rng, colour))
    turns = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    outline = np.stack([0.5 + 0.5 * np.cos(turns), 0.5 + 0.5 * np.sin(turns)], axis=1).astype(np.float32)
    return Surface(rgb, outline, scalar(pick(rng, VIVID + PALE) * 0.9))


SURFACES: dict[str, Callable[[Generator, Size], Surface]] = {
    "box": box_top,
    "book": book_cover,
    "card": card,
    "mailer": mailer,
    "pouch": pouch,
    "garment": garment,
    "clear_bag": clear_bag,
    "blister": blister,
    "tube": tube,
    "can": can_top,
}
