"""Draw the empty tote of a scene: dark surroundings, rim, walls, floor, a sticker.

**Conventions**: a canvas is (side, side, 3) float32 RGB in 0..255 beside a map of who owns each pixel (0: nobody,
`TOTE`, later the objects). Shades are multiples of the tote's colour.
"""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.synthetic.scenes import Points, Scene
from armbench_segmentation.synthetic.textures import Array, barcode_label, scalar, smooth_noise, three

TOTE = 1
_COLOUR = {"blue": (22.0, 66.0, 196.0), "yellow": (226.0, 214.0, 16.0)}
_EDGE = ((-1, -1), (1, -1), (1, 1), (-1, 1))


class Canvas:
    """What is being drawn on, and the scene's projection in canvas pixels."""

    def __init__(self, scene: Scene, side: int) -> None:
        self.scene, self.side = scene, side
        self.rng = np.random.default_rng(scene.seed)
        self.rgb = np.zeros((side, side, 3), np.float32)
        self.owner = np.zeros((side, side), np.uint8)
        self.colour = np.array(_COLOUR[str(scene.conditions["tote_colour"])], np.float32)

    def points(self, world: Points, z: Points | float) -> NDArray[np.int32]:
        """Return where world points fall on the canvas."""
        return np.round(self.scene.project(world, z) * self.side).astype(np.int32)

    def fill(self, points: NDArray[np.int32], colour: Array) -> None:
        """Fill a polygon of canvas points."""
        cv2.fillPoly(self.rgb, [points], scalar(colour))

    def line(self, points: NDArray[np.int32], colour: Array, width: float, *, closed: bool = False) -> None:
        """Draw a line whose `width` is in thousandths of the picture's side."""
        cv2.polylines(self.rgb, [points], closed, scalar(colour), max(1, round(width * self.side / 1000)))


def _rounded(half: tuple[float, float], radius: float) -> Points:
    turns = np.linspace(0, np.pi / 2, 6)
    arc = np.stack([np.cos(turns), np.sin(turns)], axis=1) * radius
    corners = []
    for quarter, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        spin = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), quarter)
        corners.append(arc @ spin + np.array([sx * (half[0] - radius), sy * (half[1] - radius)]))
    return np.concatenate(corners)


def draw_surroundings(canvas: Canvas) -> None:
    """Dark conveyor: rails and bolts that hardly show."""
    rng, side = canvas.rng, canvas.side
    canvas.rgb += 9 + 4 * smooth_noise(rng, (side, side), 6)[..., None]
    for _ in range(int(rng.integers(2, 6))):
        y = int(rng.choice([rng.uniform(0, 0.08), rng.uniform(0.92, 1)]) * side)
        shade = np.array([1, 1, 1.2], np.float32) * rng.uniform(14, 46)
        cv2.line(canvas.rgb, (0, y), (side, y + int(rng.normal(0, 3))), scalar(shade), int(rng.integers(1, 7)))
    for _ in range(int(rng.integers(2, 7))):
        centre = (int(rng.uniform(0, side)), int(rng.choice([0.025, 0.975]) * side))
        cv2.circle(canvas.rgb, centre, side // 110, (70.0, 66.0, 60.0), -1)
        cv2.circle(canvas.rgb, centre, side // 220, (16.0, 16.0, 16.0), -1)


def draw_tote(canvas: Canvas) -> None:
    """Draw the tote and make it the owner of its pixels."""
    scene = canvas.scene
    outer = _rounded((scene.half[0] + scene.rim, scene.half[1] + scene.rim), 0.035)
    points = canvas.points(outer, 1.0)
    cv2.fillPoly(canvas.owner, [points], TOTE)
    canvas.fill(points, canvas.colour * 0.9)
    _draw_rim(canvas)
    _draw_walls(canvas)
    _draw_floor(canvas)
    if scene.conditions["rim_sticker"]:
        _draw_sticker(canvas)


def _draw_rim(canvas: Canvas) -> None:
    """Bevelled frame: bright and dark rings, ribs across, bolt holes, reinforced corners."""
    scene, rng, colour = canvas.scene, canvas.rng, canvas.colour
    for share, shade, width in ((0.97, 0.45, 3), (0.9, 1.25, 3), (0.62, 0.55, 3), (0.56, 1.1, 4), (0.12, 1.3, 4)):
        half = (scene.half[0] + scene.rim * share, scene.half[1] + scene.rim * share)
        canvas.line(canvas.points(_rounded(half, 0.03), 1.0), np.clip(colour * shade + 6, 0, 255), width, closed=True)
    inner, outer = np.array(scene.half) + scene.rim * 0.64, np.array(scene.half) + scene.rim * 0.95
    count = int(rng.integers(5, 10))
    for t in np.linspace(-0.92, 0.92, count):
        for sign in (-1, 1):
            across = np.array([(t * inner[0], sign * inner[1]), (t * inner[0], sign * outer[1])])
            along = np.array([(sign * inner[0], t * inner[1]), (sign * outer[0], t * inner[1])])
            for rib in (across, along):
                canvas.line(canvas.points(rib, 1.0), colour * 0.42, 4)
                canvas.line(canvas.points(rib + 0.004, 1.0), np.clip(colour * 1.2 + 10, 0, 255), 2)
    for sx, sy in _EDGE:
        for t in (0.35, 0.88):
            hole = canvas.points(np.array([(sx * t * inner[0], sy * (inner[1] - scene.rim * 0.32))]), 1.0)[0]
            cv2.circle(canvas.rgb, (int(hole[0]), int(hole[1])), max(1, canvas.side // 200), scalar(colour * 0.18), -1)


def _draw_walls(canvas: Canvas) -> None:
    """Inner walls from rim to floor in strips that darken downwards, each side in its own light, with ribs."""
    scene, rng, colour = canvas.scene, canvas.rng, canvas.colour
    half = np.array(scene.half)
    corners = half * _EDGE
    sides = rng.permutation([0.42, 0.55, 0.68, 0.5])
    heights = np.linspace(1, 0, 25)
    for side, light in enumerate(sides):
        edge = np.array([corners[side], corners[(side + 1) % 4]])
        for upper, lower in pairwise(heights):
            strip = np.concatenate([canvas.points(edge, upper), canvas.points(edge[::-1], lower)])
            canvas.fill(strip, colour * light * (0.62 + 0.5 * upper))
        _draw_ribs(canvas, edge, light)
    for corner in corners:
        seam = canvas.points(np.array([corner, corner]), np.array([1.0, 0.0]))
        canvas.line(seam, colour * 0.3, 5)
    canvas.line(canvas.points(_rounded(scene.half, 0.01), 1.0), np.clip(colour * 1.15, 0, 255), 3, closed=True)
    canvas.line(canvas.points(_rounded(scene.half, 0.01), 0.9), colour * 0.34, 4, closed=True)


def _draw_ribs(canvas: Canvas, edge: Points, light: float) -> None:
    """Draw stiffening ribs, and on yellow totes the recesses of the handles."""
    colour, rng = canvas.colour, canvas.rng
    where = np.linspace(0.1, 0.9, int(rng.integers(3, 6)))
    for t in where:
        foot = edge[0] + t * (edge[1] - edge[0])
        rib = np.array([foot, foot])
        canvas.line(canvas.points(rib, np.array([0.9, 0.1])), colour * light * 0.66, 4)
        canvas.line(canvas.points(rib + 0.005, np.array([0.9, 0.1])), np.clip(colour * light * 1.16, 0, 255), 3)
    if canvas.scene.conditions["tote_colour"] == "yellow":
        for low, high in ((0.16, 0.27), (0.73, 0.84)):
            ends = edge[0] + np.array([[low], [high], [high - 0.02], [low + 0.02]]) * (edge[1] - edge[0])
            recess = canvas.points(ends, np.array([0.95, 0.95, 0.4, 0.4]))
            canvas.fill(recess, colour * light * 0.6)
            canvas.line(recess, np.clip(colour * light * 1.12, 0, 255), 2, closed=True)


def _draw_floor(canvas: Canvas) -> None:
    """Floor with drain holes, wear, and the shade that gathers where it meets the walls."""
    scene, rng, colour, side = canvas.scene, canvas.rng, canvas.colour, canvas.side
    half = (scene.half[0] * 0.985, scene.half[1] * 0.985)
    points = canvas.points(_rounded(half, 0.02), 0.0)
    x, y, w, h = cv2.boundingRect(points)
    floor = np.zeros((h, w), np.uint8)
    cv2.fillPoly(floor, [points - (x, y)], 1)
    reach = cv2.distanceTransform(floor, cv2.DIST_L2, 3) / np.float32(0.05 * side)
    shade = (0.74 + 0.05 * smooth_noise(rng, (h, w), 6)) * (1 - 0.4 * np.exp(-reach))
    view = canvas.rgb[y : y + h, x : x + w]
    np.copyto(view, three(shade) * colour, where=floor[..., None] > 0)
    canvas.line(points, np.clip(colour * 0.95, 0, 255), 2, closed=True)
    for row in (-0.3, 0.35):
        for t in np.linspace(-0.7, 0.7, 6):
            hole = canvas.points(np.array([(t * half[0], row * half[1])]), 0.0)[0]
            cv2.circle(canvas.rgb, (int(hole[0]) + 1, int(hole[1]) + 1), side // 150, scalar(colour * 1.1), -1)
            cv2.circle(canvas.rgb, (int(hole[0]), int(hole[1])), side // 150, (8.0, 8.0, 10.0), -1)
    if scene.conditions["scuffed_floor"]:
        _scuff(canvas, half)


def _scuff(canvas: Canvas, half: tuple[float, float]) -> None:
    rng, side = canvas.rng, canvas.side
    marks = np.zeros((side, side), np.float32)
    for _ in range(int(rng.integers(40, 80))):
        start = rng.uniform(-1, 1, 2) * half
        path = start + np.cumsum(rng.normal(0, 0.012, (4, 2)) + rng.normal(0, 0.02, 2), axis=0)
        path = np.clip(path, -np.array(half), half)
        cv2.polylines(marks, [canvas.points(path, 0.0)], False, float(rng.uniform(0.15, 0.6)), 1)
    wear = np.clip(smooth_noise(rng, (side, side), 9) - 0.8, 0, 1) * 0.25
    points = canvas.points(_rounded(half, 0.02), 0.0)
    x, y, w, h = cv2.boundingRect(points)
    floor = np.zeros((h, w), np.float32)
    cv2.fillPoly(floor, [points - (x, y)], 0.75)
    view = canvas.rgb[y : y + h, x : x + w]
    view += (np.maximum(marks, wear)[y : y + h, x : x + w] * floor)[..., None] * (235 - view)


def _draw_sticker(canvas: Canvas) -> None:
    """Stick a barcode label on the inside of the wall, just below the rim."""
    scene, rng = canvas.scene, canvas.rng
    label = np.full((60, 110, 3), 244, np.float32)
    barcode_label(rng, label, (0.5, 0.5), 1.4)
    sign, t = rng.choice([-1, 1]), rng.uniform(-0.6, 0.6)
    y = sign * scene.half[1]
    world = np.array([(t - 0.12, y), (t + 0.12, y), (t + 0.12, y), (t - 0.12, y)]) * (scene.half[0], 1)
    quad = scene.project(world, np.array([0.95, 0.95, 0.35, 0.35])[:: int(sign) or 1]) * canvas.side
    _paste(canvas, label, quad.astype(np.float32))


def _paste(canvas: Canvas, patch: Array, quad: Array) -> None:
    h, w = patch.shape[:2]
    frame = cv2.getPerspectiveTransform(np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float32), quad)
    size = (canvas.side, canvas.side)
    warped = cv2.warpPerspective(patch, frame, size, flags=cv2.INTER_LINEAR)
    mask = np.zeros(size, np.uint8)
    cv2.fillConvexPoly(mask, np.round(quad).astype(np.int32), 1)
    canvas.rgb[mask > 0] = warped[mask > 0]
