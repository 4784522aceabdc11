"""Draw a planned tote scene: picture and, for every pixel, the object that owns it.

**Conventions**: drawn on a float32 RGB canvas at twice the wanted size and averaged down, so edges are smooth. In the
owner map 0 is the surroundings, 1 the tote, 2 + i the i-th item; the last drawn owns a pixel, so masks are visible
parts only and disjoint.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.synthetic.scenes import BRIGHTNESS, Item, Points, Scene
from armbench_segmentation.synthetic.surfaces import SURFACES, Surface
from armbench_segmentation.synthetic.textures import Array, scalar, three
from armbench_segmentation.synthetic.totes import Canvas, draw_surroundings, draw_tote

FIRST_ITEM = 2
_WASH_COLOUR = np.array([205, 200, 186], np.float32)
_UNIT = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
_SUPERSAMPLED_UP_TO = 1024


@dataclass(frozen=True)
class Drawing:
    """A drawn scene.

    Attributes
    ----------
    rgb : (size, size, 3) uint8
        The picture.
    owner : (size, size) uint8
        Who owns each pixel.
    full_area : (n_items,) float64
        Area of each item's whole silhouette, hidden parts included, in pixels of `owner`.
    """

    rgb: NDArray[np.uint8]
    owner: NDArray[np.uint8]
    full_area: NDArray[np.float64]


def draw_scene(scene: Scene, image_size: int) -> Drawing:
    """Draw `scene` as a square picture of `image_size` pixels."""
    factor = 2 if image_size <= _SUPERSAMPLED_UP_TO else 1
    canvas = Canvas(scene, image_size * factor)
    draw_surroundings(canvas)
    draw_tote(canvas)
    areas = [_draw_item(canvas, item, FIRST_ITEM + i) for i, item in enumerate(scene.items)]
    rgb = _expose(canvas, image_size)
    owner = cv2.resize(canvas.owner, (image_size, image_size), interpolation=cv2.INTER_NEAREST)
    return Drawing(rgb, np.asarray(owner, np.uint8), np.array(areas, np.float64) / factor**2)


def _draw_item(canvas: Canvas, item: Item, index: int) -> float:
    """Draw shadow, sides and upper side of one object; return the area of its silhouette in canvas pixels."""
    scene, side = canvas.scene, canvas.side
    scale = side / (1 + scene.perspective * (1 - item.z - item.thickness))
    size = (max(12, round(item.size[1] * scale)), max(12, round(item.size[0] * scale)))
    surface = SURFACES[item.kind](np.random.default_rng(item.surface_seed), size)
    relative = surface.outline.astype(np.float64)
    world = item.place(relative)
    base = scene.project(world, item.z) * side
    top = scene.project(world, item.top(relative)) * side
    both = np.concatenate([base, top])
    margin = 0.045 * side
    x1, y1 = np.clip(np.floor(both.min(axis=0) - margin), 0, side).astype(int)
    x2, y2 = np.clip(np.ceil(both.max(axis=0) + margin), 0, side).astype(int)
    roi = (slice(y1, y2), slice(x1, x2))
    view, offset = canvas.rgb[roi], np.array([x1, y1])
    base, top = base - offset, top - offset
    quad = scene.project(item.corners(), item.top(_UNIT)) * side - offset
    upper = np.zeros(view.shape[:2], np.uint8)
    cv2.fillPoly(upper, [np.round(top).astype(np.int32)], 1)
    silhouette = upper.copy()
    rigid = surface.side is not None
    if rigid:
        for polygon in _side_polygons(base, top):
            cv2.fillPoly(silhouette, [polygon], 1)
    _cast_shadow(canvas, view, silhouette, item)
    if rigid:
        _draw_sides(view, base, top, surface, scene.wash)
    _lay(canvas, view, upper > 0, quad, surface=surface, item=item)
    canvas.owner[roi][silhouette > 0] = index
    return float(silhouette.sum())


def _side_polygons(base: Points, top: Points) -> list[NDArray[np.int32]]:
    following = np.roll(np.arange(len(base)), -1)
    quads = np.stack([base, base[following], top[following], top], axis=1)
    return list(np.round(quads).astype(np.int32))


def _draw_sides(view: Array, base: Points, top: Points, surface: Surface, wash: float) -> None:
    colour = np.array(surface.side or (0, 0, 0), np.float32)
    following = np.roll(np.arange(len(base)), -1)
    normal = np.stack([(base[following] - base)[:, 1], -(base[following] - base)[:, 0]], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    light = 0.62 + 0.2 * (normal @ np.array([0.5, 0.85]))
    for k, polygon in enumerate(_side_polygons(base, top)):
        cv2.fillPoly(view, [polygon], scalar(colour * (light[k] + wash * 0.6 * (1 - light[k]))))
        if surface.pages:
            for t in (0.25, 0.5, 0.75):
                ends = np.stack([base[k], base[following[k]]]) * (1 - t) + np.stack([top[k], top[following[k]]]) * t
                cv2.polylines(view, [np.round(ends).astype(np.int32)], False, scalar(colour * light[k] * 0.8), 1)


def _cast_shadow(canvas: Canvas, view: Array, silhouette: NDArray[np.uint8], item: Item) -> None:
    """Darken what lies around: a soft shadow that grows with the thickness, and a tight one at the contact."""
    side = canvas.side
    strength = (1 - canvas.scene.wash) * (0.5 if item.kind == "clear_bag" else 1.0)
    shape = silhouette.astype(np.float32)
    wide = int(side * (0.012 + 0.03 * item.thickness)) | 1
    soft = cv2.blur(cv2.blur(shape, (wide, wide)), (wide, wide))
    shift = np.array([[1, 0, 0.3 * wide], [0, 1, 0.45 * wide]], np.float32)
    soft = cv2.warpAffine(soft, shift, soft.shape[::-1])
    tight_size = max(3, side // 90) | 1
    tight = cv2.blur(shape, (tight_size, tight_size))
    dark = (1 - 0.55 * strength * soft) * (1 - 0.5 * strength * tight)
    if item.kind == "clear_bag":
        dark[silhouette > 0] = 1 - 0.12 * strength
    view *= three(dark)


def _lay(canvas: Canvas, view: Array, upper: NDArray[np.bool_], quad: Points, *, surface: Surface, item: Item) -> None:
    """Lay the upper side into the picture."""
    h, w = surface.rgb.shape[:2]
    frame = cv2.getPerspectiveTransform((_UNIT * (w, h) - 0.5).astype(np.float32), (quad - 0.5).astype(np.float32))
    target = view.shape[1::-1]
    rgb = cv2.warpPerspective(surface.rgb, frame, target, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    depth = 0.8 + 0.2 * min(item.z + item.thickness, 1.0) + 0.4 * sum(item.tilt)
    new = np.asarray(rgb * np.float32(depth), np.float32)
    if canvas.scene.wash:
        new += np.float32(canvas.scene.wash) * (_WASH_COLOUR - new)
    if surface.opacity is not None:
        opacity = three(cv2.warpPerspective(surface.opacity, frame, target, flags=cv2.INTER_LINEAR))
        new = opacity * new + (1 - opacity) * view
    np.copyto(view, new, where=upper[..., None])
    if surface.side is not None and len(surface.outline) == 4:
        edge = scalar(np.clip(np.array(surface.side) * (0.9 + canvas.rng.uniform(-0.35, 0.2)), 0, 255))
        cv2.polylines(view, [np.round(quad).astype(np.int32)], True, edge, 1)


def _expose(canvas: Canvas, image_size: int) -> NDArray[np.uint8]:
    """Light the scene and take the picture: uneven light, vignette, lens blur, sensor noise."""
    scene, rng = canvas.scene, canvas.rng
    rgb = cv2.resize(canvas.rgb, (image_size, image_size), interpolation=cv2.INTER_AREA)
    axis = np.linspace(-1, 1, image_size, dtype=np.float32)
    lamp_x, lamp_y = rng.uniform(-0.35, 0.35), rng.uniform(-0.35, 0.35)
    falloff = 1.06 - 0.22 * ((axis[:, None] - lamp_y) ** 2 + (axis - lamp_x) ** 2)
    light = BRIGHTNESS[str(scene.conditions["lighting"])] * rng.uniform(0.95, 1.05) * falloff
    tone = np.array([1.1, 1.0, 0.78] if scene.conditions["warm_light"] else [1.0, 1.0, 1.0], np.float32)
    rgb = _develop(rgb * three(light) * tone)
    rgb = cv2.GaussianBlur(rgb, (0, 0), image_size / 256 * rng.uniform(0.3, 0.5))
    noise = rng.standard_normal(rgb.shape, dtype=np.float32)
    noisy = rgb + noise * (1.2 + 0.12 * np.sqrt(np.clip(rgb, 0, 255)))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _develop(rgb: Array) -> Array:
    """Roll bright values off softly, as a sensor near saturation does."""
    over = np.clip(rgb - 165, 0, None)
    return np.asarray(np.minimum(rgb, 165) + 88 * (1 - np.exp(-over / 88)), np.float32)
