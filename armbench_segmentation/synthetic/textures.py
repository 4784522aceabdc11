"""What surfaces are made of: colours, noise, wrinkles, print, pictures, barcode labels.

**Conventions**: patches are (h, w, 3) float32 RGB in 0..255 and are drawn on in place; boxes are x1, y1, x2, y2
relative to the patch (0..1); `size` is (h, w) in pixels. All randomness comes from the generator passed in.
"""

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[np.float32]
Size = tuple[int, int]

# fmt: off
_WORDS = (
    "ORGANIC", "HOME", "GUIDE", "DELUXE", "NATURAL", "CLASSIC", "GARDEN", "TRAVEL", "KIDS", "PREMIUM", "COFFEE",
    "SPORT", "CARE", "FRESH", "BASIC", "STUDIO", "WILD", "PLANTS", "STORIES", "ALPINE", "NORTH", "LUMA", "VELO",
    "TERRA", "NOVA", "ORBIT", "PIXEL", "HARBOR", "MAPLE", "SOLAR",
)
# fmt: on
VIVID = (
    (178, 38, 40),
    (28, 84, 160),
    (24, 118, 84),
    (232, 176, 40),
    (206, 92, 34),
    (96, 52, 128),
    (30, 150, 170),
    (214, 84, 120),
    (52, 58, 70),
    (140, 190, 70),
)  # fmt: skip
PALE = ((238, 236, 230), (228, 224, 214), (240, 240, 240), (224, 230, 236), (243, 214, 190), (236, 226, 196))
CARTON = ((188, 148, 102), (172, 132, 90), (202, 166, 122))
FILM = ((236, 238, 240), (226, 230, 236), (206, 212, 220), (150, 160, 172), (238, 234, 226))
CLOTH = ((28, 28, 32), (44, 40, 40), (36, 44, 70), (120, 30, 36), (72, 78, 70), (150, 140, 128))
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX)


def smooth_noise(rng: Generator, size: Size, cells: int | tuple[int, int]) -> Array:
    """Draw a smooth random field of unit spread with `cells` bumps along the longer side, or (down, across)."""
    longest = max(size)
    wanted = cells if isinstance(cells, tuple) else (cells * size[0] / longest, cells * size[1] / longest)
    grid = (max(2, round(wanted[0])) + 1, max(2, round(wanted[1])) + 1)
    field = rng.standard_normal(grid, dtype=np.float32)
    return np.asarray(cv2.resize(field, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def wrinkles(rng: Generator, size: Size, cells: int) -> Array:
    """Draw how much each point of a crumpled film faces the light: zero mean, unit spread, long sharp creases."""
    half = (max(size[0] // 2, 4), max(size[1] // 2, 4))
    relief = np.zeros(half, np.float32)
    for octave, weight in ((1, 1.0), (2, 0.55), (4, 0.3)):
        for stretched in ((2, 5), (5, 2)):
            grid = (cells * octave * stretched[0] // 4, cells * octave * stretched[1] // 4)
            relief -= weight * np.abs(smooth_noise(rng, half, grid))
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * cv2.Sobel(relief, cv2.CV_32F, 1, 0) + np.sin(angle) * cv2.Sobel(relief, cv2.CV_32F, 0, 1)
    slope = cv2.resize(slope - slope.mean(), size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(slope / (slope.std() + 1e-6), np.float32)


def pick(rng: Generator, colours: tuple[tuple[int, int, int], ...], spread: float = 9) -> Array:
    """Pick a colour and vary it a little."""
    return np.asarray(np.clip(np.array(rng.choice(colours)) + rng.normal(0, spread, 3), 8, 250), np.float32)


def plain(rng: Generator, size: Size, colour: Array, grain: float = 2) -> Array:
    """Fill with one colour, a gentle slope of light and some grain."""
    y, x = np.linspace(-1, 1, size[0], dtype=np.float32), np.linspace(-1, 1, size[1], dtype=np.float32)
    light = 1 + rng.normal(0, 0.05) * y[:, None] + rng.normal(0, 0.05) * x + smooth_noise(rng, size, 5) * grain / 255
    return np.asarray(three(light) * colour, np.float32)


def scalar(colour: Array) -> tuple[float, float, float]:
    """Return a colour as OpenCV's drawing functions take it."""
    return float(colour[0]), float(colour[1]), float(colour[2])


def to_pixels(points: NDArray[np.floating]) -> NDArray[np.int32]:
    """Round points (k, 2) to pixels."""
    return np.asarray(np.round(points), np.int32)


def three(gray: NDArray[Any]) -> Array:
    """Repeat (h, w) over the three colours; much faster to compute with than a broadcast last axis."""
    return np.asarray(cv2.cvtColor(np.asarray(gray, np.float32), cv2.COLOR_GRAY2RGB), np.float32)


def ink_on(rng: Generator, paper: Array) -> Array:
    """Pick a gray that can be read on `paper`."""
    dark = paper.mean() > 120
    return np.array(rng.choice([12, 30, 60]) if dark else rng.choice([235, 250, 215]), np.float32) * np.ones(3, "f4")


def rectangle(rgb: Array, box: tuple[float, float, float, float], colour: Array, *, line: int = -1) -> None:
    """Draw a rectangle given in relative x1, y1, x2, y2; filled unless `line` is a thickness in pixels."""
    h, w = rgb.shape[:2]
    corners = (round(box[0] * w), round(box[1] * h)), (round(box[2] * w), round(box[3] * h))
    cv2.rectangle(rgb, *corners, scalar(colour), line)


def title(rng: Generator, rgb: Array, box: tuple[float, float, float, float], colour: Array) -> None:
    """Print one random word, as large as fits the relative box."""
    h, w = rgb.shape[:2]
    width, height = (box[2] - box[0]) * w, (box[3] - box[1]) * h
    word, font = str(rng.choice(_WORDS)), int(rng.choice(_FONTS))
    (text_w, text_h), _ = cv2.getTextSize(word, font, 1, 1)
    scale = min(width / text_w, height / text_h)
    if scale * text_h < 3:
        return
    thick = max(1, round(scale * rng.uniform(1, 3)))
    origin = (round(box[0] * w), round(box[1] * h + scale * text_h))
    cv2.putText(rgb, word, origin, font, scale, scalar(colour), thick)


def small_print(rng: Generator, rgb: Array, box: tuple[float, float, float, float], colour: Array) -> None:
    """Print lines too small to read: rows of dashes of the length of words."""
    h, w = rgb.shape[:2]
    x1, y1, x2, y2 = box[0] * w, box[1] * h, box[2] * w, box[3] * h
    step = max(4.0, 0.035 * min(h, w))
    for y in np.arange(y1, y2, step)[:14]:
        x, end = x1, x1 + (x2 - x1) * rng.uniform(0.55, 1)
        while x < end:
            word = step * rng.uniform(0.6, 2.6)
            cv2.line(
                rgb, (round(x), round(y)), (round(min(x + word, end)), round(y)), scalar(colour), max(1, int(step / 4))
            )
            x += word + step * 0.6


def barcode_label(rng: Generator, rgb: Array, centre: tuple[float, float], width: float) -> None:
    """Stick a white label with a barcode and two lines of print; `width` relative to the shorter side."""
    h, w = rgb.shape[:2]
    half_w = width * min(h, w) / 2
    half_h = half_w * rng.uniform(0.5, 0.8)
    x1, x2 = int(centre[0] * w - half_w), int(centre[0] * w + half_w)
    y1, y2 = int(centre[1] * h - half_h), int(centre[1] * h + half_h)
    x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, w - 1), min(y2, h - 1)
    if x2 - x1 < 8 or y2 - y1 < 6:
        return
    cv2.rectangle(rgb, (x1, y1), (x2, y2), (246.0, 246.0, 242.0), -1)
    inner, top, bottom = x2 - x1 - 4, y1 + (y2 - y1) // 6, y1 + (y2 - y1) * 2 // 3
    bars = np.repeat(rng.random(max(inner // 2, 3)) < 0.5, 2)[:inner]
    rgb[top:bottom, x1 + 2 : x1 + 2 + len(bars)][:, bars] = 18
    for y in (bottom + 3, bottom + 7):
        if y < y2:
            cv2.line(rgb, (x1 + 3, y), (int(x1 + 3 + inner * rng.uniform(0.4, 0.9)), y), (90.0, 90.0, 90.0), 1)


def picture(rng: Generator, size: Size) -> Array:
    """Invent a printed picture: a photograph out of focus, sometimes with leaves or a disc in front."""
    palette = np.array([pick(rng, VIVID + PALE + CLOTH, 25) for _ in range(4)])
    field = smooth_noise(rng, size, 3) + 0.5 * smooth_noise(rng, size, 8) + 0.25 * smooth_noise(rng, size, 20)
    field += np.linspace(-1, 1, size[0], dtype=np.float32)[:, None] * rng.normal(0, 1)
    depth = np.clip((field + 2.2) / 4.4, 0, 0.999) * 3
    level = depth.astype(np.intp)
    rgb = palette[level] + (palette[level + 1] - palette[level]) * (depth - level)[..., None]
    rgb = np.ascontiguousarray(rgb, np.float32)
    if rng.random() < 0.5:
        _leaves(rng, rgb, pick(rng, VIVID + PALE, 25))
    return rgb


def _leaves(rng: Generator, rgb: Array, colour: Array) -> None:
    h, w = rgb.shape[:2]
    unit, root = min(h, w), np.array([w * rng.uniform(0.2, 0.8), h * rng.uniform(0.5, 0.9)])
    for turn in rng.uniform(np.pi, 2 * np.pi, int(rng.integers(3, 9))):
        tip = root + unit * rng.uniform(0.2, 0.5) * np.array([np.cos(turn), np.sin(turn)])
        middle, reach = (root + tip) / 2, float(np.linalg.norm(tip - root)) / 2
        shade = scalar(np.clip(colour * rng.uniform(0.7, 1.2), 0, 255))
        axes = (int(reach) + 1, int(reach * 0.28) + 1)
        cv2.ellipse(rgb, (int(middle[0]), int(middle[1])), axes, float(np.degrees(turn)), 0, 360, shade, -1)
