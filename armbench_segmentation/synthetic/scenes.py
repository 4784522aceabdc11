"""Plan synthetic tote scenes: which objects lie where, at what height, under what light and conditions.

**Conventions**: the camera looks straight down. World coordinates x, y are in units of the picture's width, with the
camera above the origin; height z is 0 on the tote's floor and 1 at its rim. What lies lower looks smaller:
``picture = centre + world / (1 + perspective * (1 - z))``. A scene knows no pixels: one scene can be drawn at any size.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Scalar = bool | int | float | str
Conditions = Mapping[str, Scalar]
Points = NDArray[np.float64]

CONDITION_VALUES: dict[str, tuple[tuple[Scalar, ...], tuple[float, ...]]] = {
    "tote_colour": (("blue", "yellow"), (0.5, 0.5)),
    "lighting": (("dim", "normal", "bright"), (0.25, 0.5, 0.25)),
    "clutter": (("sparse", "normal", "crowded"), (0.2, 0.5, 0.3)),
    "transparent_bags": ((False, True), (0.72, 0.28)),
    "stacked_equal_boxes": ((False, True), (0.75, 0.25)),
    "rim_sticker": ((False, True), (0.8, 0.2)),
    "scuffed_floor": ((False, True), (0.7, 0.3)),
    "warm_light": ((False, True), (0.8, 0.2)),
}
BRIGHTNESS = {"dim": 0.66, "normal": 1.0, "bright": 1.25}
_COUNT = {"sparse": (4, 7), "normal": (8, 12), "crowded": (12, 17)}
_MAP = 48  # cells along a side of the height map on which objects come to rest
_TRIALS = 7  # random places of which an object takes the one where it hides the least


@dataclass(frozen=True)
class Kind:
    """How often a kind of object lies in a tote, and its ranges of long side, aspect and thickness."""

    weight: float
    length: tuple[float, float]
    aspect: tuple[float, float]
    thickness: tuple[float, float]


KINDS = {
    "box": Kind(0.30, (0.18, 0.38), (0.45, 1.0), (0.12, 0.7)),
    "book": Kind(0.17, (0.24, 0.38), (0.62, 0.78), (0.05, 0.16)),
    "card": Kind(0.04, (0.20, 0.28), (0.65, 0.75), (0.01, 0.03)),
    "mailer": Kind(0.14, (0.28, 0.48), (0.62, 0.9), (0.05, 0.15)),
    "pouch": Kind(0.11, (0.22, 0.36), (0.62, 0.8), (0.1, 0.22)),
    "garment": Kind(0.05, (0.24, 0.36), (0.7, 0.95), (0.1, 0.2)),
    "blister": Kind(0.08, (0.22, 0.36), (0.5, 0.75), (0.06, 0.2)),
    "tube": Kind(0.06, (0.2, 0.34), (0.28, 0.42), (0.15, 0.3)),
    "can": Kind(0.05, (0.11, 0.16), (1.0, 1.0), (0.25, 0.6)),
    "clear_bag": Kind(0.0, (0.26, 0.42), (0.6, 0.85), (0.06, 0.16)),
}


@dataclass(frozen=True)
class Item:
    """One object: a kind of surface on a block of `size` (width, height) and `thickness` that rests at height `z`."""

    kind: str
    centre: tuple[float, float]
    size: tuple[float, float]
    angle: float
    z: float
    thickness: float
    tilt: tuple[float, float]
    surface_seed: int

    def corners(self) -> Points:
        """Return the four corners of its footprint, (4, 2), in world coordinates."""
        return self.place(np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64))

    def place(self, relative: Points) -> Points:
        """Carry relative surface coordinates (k, 2) in 0..1 to world coordinates."""
        local = (relative - 0.5) * self.size
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.asarray(local @ np.array([[cos, sin], [-sin, cos]]) + self.centre)

    def top(self, relative: Points) -> Points:
        """Return the height of its upper side at relative surface coordinates (k, 2)."""
        return np.asarray(self.z + self.thickness + (relative - 0.5) @ np.array(self.tilt))


@dataclass(frozen=True)
class Scene:
    """All there is to draw.

    Attributes
    ----------
    conditions : mapping
        The named conditions, one scalar each.
    items : tuple of Item
        From the bottom up.
    half : (float, float)
        Half the width and height of the tote's opening.
    rim, perspective, centre
        Width of the rim, strength of the perspective, where the camera's axis meets the picture.
    wash : float
        0..1: how far the objects' colours run into one another (what makes the planted slice hard).
    seed : int
        Of everything decided while drawing.
    """

    conditions: Conditions
    items: tuple[Item, ...]
    half: tuple[float, float]
    rim: float
    perspective: float
    centre: tuple[float, float]
    wash: float
    seed: int

    def project(self, world: Points, z: Points | float) -> Points:
        """Return where world points (k, 2) at height `z` fall in the picture, in units of its side."""
        scale = 1 / (1 + self.perspective * (1 - np.asarray(z, np.float64)))
        return np.asarray(world * np.reshape(scale, (-1, 1)) + self.centre)


def draw_conditions(rng: Generator) -> dict[str, Scalar]:
    """Draw every condition independently."""
    return {name: values[int(rng.choice(len(values), p=shares))] for name, (values, shares) in CONDITION_VALUES.items()}


def plan_scene(conditions: Conditions, rng: Generator, *, wash: float = 0.0) -> Scene:
    """Lay out a tote that fulfils `conditions`."""
    half_x = rng.uniform(0.42, 0.45)
    half = (half_x, min(half_x * rng.uniform(0.86, 1.0), 0.44))
    low, high = _COUNT[str(conditions["clutter"])]
    n = int(rng.integers(low, high + 1))
    pile = _Pile(rng, half, size_factor=1.25 * float(np.clip((9 / n) ** 0.35, 0.82, 1.15)))
    kinds = [name for name in KINDS if KINDS[name].weight]
    weights = np.array([KINDS[name].weight for name in kinds])
    n_stack = int(rng.integers(2, 4)) if conditions["stacked_equal_boxes"] else 0
    n_bags = int(rng.integers(1, 4)) if conditions["transparent_bags"] else 0
    names = [str(rng.choice(kinds, p=weights / weights.sum())) for _ in range(max(n - n_stack - n_bags, 1))]
    for name in names:
        pile.drop(name)
    for _ in range(n_bags):
        pile.drop("clear_bag")
    if n_stack:
        pile.drop_stack(n_stack)
    return Scene(
        conditions=dict(conditions),
        items=tuple(pile.items),
        half=half,
        rim=rng.uniform(0.035, 0.05),
        perspective=rng.uniform(0.24, 0.34),
        centre=(0.5 + rng.normal(0, 0.006), 0.5 + rng.normal(0, 0.008)),
        wash=wash,
        seed=int(rng.integers(2**31)),
    )


class _Pile:
    """Objects in a tote so far, and the height of the pile under each cell of the opening."""

    def __init__(self, rng: Generator, half: tuple[float, float], *, size_factor: float) -> None:
        self.rng, self.half, self.size_factor = rng, np.array(half), size_factor
        self.items: list[Item] = []
        self._height = np.zeros((_MAP, _MAP), np.float32)
        self._covered = np.zeros((_MAP, _MAP), np.float32)

    def drop(self, kind: str) -> None:
        """Drop one object of `kind` where it hides the least."""
        rng, ranges = self.rng, KINDS[kind]
        length = rng.uniform(*ranges.length) * self.size_factor
        size = (length, length * rng.uniform(*ranges.aspect))
        if kind in ("book", "mailer", "pouch", "blister", "card") and rng.random() < 0.8:
            size = size[::-1]
        angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.3 else rng.integers(4) * np.pi / 2 + rng.normal(0, 0.25)
        thickness, seed = rng.uniform(*ranges.thickness), int(rng.integers(2**31))
        places = [self._free_centre(size, float(angle)) for _ in range(_TRIALS)]
        trials = [Item(kind, p, size, float(angle), 0.0, thickness, self._tilt(), seed) for p in places]
        self._rest(min(trials, key=self._hidden_by))

    def drop_stack(self, n: int) -> None:
        """Drop `n` boxes of one size and print, each leaning on the one before, where they hide the least."""
        rng = self.rng
        length = rng.uniform(0.19, 0.25) * self.size_factor
        size = (length, length * rng.uniform(0.65, 0.9))
        thickness, seed = rng.uniform(0.12, 0.25), int(rng.integers(2**31))
        angle = float(rng.integers(4) * np.pi / 2 + rng.normal(0, 0.2))
        rows = [self._row(n, size, angle) for _ in range(_TRIALS)]
        trials = [[Item("box", p, size, a, 0.0, thickness, (0, 0), seed) for p, a in row] for row in rows]
        for item in min(trials, key=lambda items: sum(self._hidden_by(item) for item in items)):
            self._rest(item)

    def _row(self, n: int, size: tuple[float, float], angle: float) -> list[tuple[tuple[float, float], float]]:
        """Return centres and angles of `n` boxes in a row that keeps inside the tote."""
        rng, turns = self.rng, np.clip(self.rng.normal(0, 0.05, n), -0.15, 0.15)
        limit = np.min([self._limit(size, angle + turn) for turn in turns], axis=0)
        heading = angle + int(rng.integers(4)) * np.pi / 2
        reach = size[0] if np.isclose(np.sin(heading - angle), 0, atol=1e-6) else size[1]
        step = reach * rng.uniform(0.88, 1.0) * np.array([np.cos(heading), np.sin(heading)])
        start = np.array(self._free_centre(size, angle))
        start = np.clip(start, -limit - np.minimum((n - 1) * step, 0), limit - np.maximum((n - 1) * step, 0))
        centres = [np.clip(start + k * step, -limit, limit) for k in range(n)]
        return [((float(x), float(y)), angle + float(turn)) for (x, y), turn in zip(centres, turns, strict=True)]

    def _tilt(self) -> tuple[float, float]:
        return float(self.rng.normal(0, 0.06)), float(self.rng.normal(0, 0.06))

    def _limit(self, size: tuple[float, float], angle: float) -> Points:
        cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
        reach = np.array([size[0] * cos + size[1] * sin, size[0] * sin + size[1] * cos]) / 2
        return np.asarray(np.maximum(self.half * 0.97 - reach, 0.0))

    def _free_centre(self, size: tuple[float, float], angle: float) -> tuple[float, float]:
        x, y = np.clip(self.rng.uniform(-1.15, 1.15, 2), -1, 1) * self._limit(size, angle)
        return float(x), float(y)

    def _footprint(self, item: Item) -> NDArray[np.bool_]:
        cells = (item.corners() / self.half + 1) / 2 * _MAP
        mask = np.zeros((_MAP, _MAP), np.uint8)
        cv2.fillConvexPoly(mask, np.round(cells).astype(np.int32), 1)
        return mask > 0

    def _hidden_by(self, item: Item) -> float:
        return float(self._covered[self._footprint(item)].sum())

    def _rest(self, item: Item) -> None:
        cells = self._footprint(item)
        below = self._height[cells]
        z = float(np.clip(0.9 * np.quantile(below, 0.7) if below.size else 0.0, 0, 1.05 - item.thickness))
        resting = Item(item.kind, item.centre, item.size, item.angle, z, item.thickness, item.tilt, item.surface_seed)
        self._height[cells] = z + item.thickness
        self._covered[cells] = 1
        self.items.append(resting)
