"""An object that the model found: its box, and its outline where the run knows one.

**Conventions**: places are shares of the picture, clipped to it. Pixels of the picture (`box_px`, `polygons_px`) go
before shares of the model's input (`box_rel`, `polygons_rel`), unless the picture is the run's thumbnail, which shows
the input. An outline is a tuple of rings as `latent_space.outlines` says; an object without a box takes its outline's.
One whose box has no area is none, and so is one without a label, for no format can hold it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.outlines import Ring, clip_ring, joined

Corners = tuple[float, float, float, float]
COLUMNS = ("label", "confidence", "box_rel", "box_px", "polygons_rel", "polygons_px")
_WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Box:
    """An object that the model found.

    Attributes
    ----------
    label : str
    corners : tuple of float
        x1, y1, x2, y2 as shares of the picture.
    confidence : float, optional
    outline : tuple of (n, 2) arrays
        Its rings as shares of the picture; empty where nobody knows it.
    """

    label: str
    corners: Corners
    confidence: float | None
    outline: tuple[Ring, ...] = field(default=(), compare=False)

    def pixels(self, width: int, height: int) -> Corners:
        """Return the corners in pixels.

        Examples
        --------
        >>> Box("cup", (0.0, 0.25, 0.5, 1.0), None).pixels(200, 100)
        (0.0, 25.0, 100.0, 100.0)
        """
        x1, y1, x2, y2 = self.corners
        return x1 * width, y1 * height, x2 * width, y2 * height

    def rings(self, width: int, height: int) -> list[Ring]:
        """Return the outline in pixels, rounded to hundredths."""
        return [np.round(ring * (width, height), 2) for ring in self.outline]

    def polygon(self) -> Ring:
        """Return the outline as one ring, or the box as one where there is no outline.

        Examples
        --------
        >>> Box("cup", (0.0, 0.25, 0.5, 1.0), None).polygon().tolist()
        [[0.0, 0.25], [0.5, 0.25], [0.5, 1.0], [0.0, 1.0]]
        """
        if self.outline:
            return joined(self.outline)
        x1, y1, x2, y2 = self.corners
        return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])


def read_box(row: Mapping[str, Any], size: tuple[int, int] | None) -> Box | None:
    """Read an object of the table of instances; None where it is none.

    Parameters
    ----------
    row : mapping
        Some of `COLUMNS`.
    size : (width, height), optional
        Of the picture; None where that is not the data's, or of unknown size.
    """
    rings, corners = _rings(row.get("polygons_rel"), (1, 1)), _corners(row.get("box_rel"))
    if size is not None:
        rings = _rings(row.get("polygons_px"), size) or rings
        pixels = _corners(row.get("box_px"))
        corners = corners if pixels is None else pixels / (*size, *size)
    if corners is None and rings:
        points = np.concatenate(rings)
        corners = np.concatenate([points.min(0), points.max(0)])
    label = row["label"]
    if corners is None or label is None or label != label:  # NaN
        return None
    x1, y1, x2, y2 = (float(edge) for edge in corners.clip(0, 1))
    if x2 <= x1 or y2 <= y1:
        return None
    told = row.get("confidence")
    confidence = np.nan if told is None else float(told)
    known = confidence if np.isfinite(confidence) else None
    return Box(str(label), (x1, y1, x2, y2), known, tuple(rings))


def _corners(value: Any) -> npt.NDArray[np.float64] | None:
    if value is None or np.shape(value) != (4,):
        return None
    corners = np.asarray(value, np.float64)
    return corners if np.isfinite(corners).all() else None


def _rings(value: Any, size: tuple[int, int]) -> list[Ring]:
    """Read flat rings as shares of the picture; what is no ring is left out."""
    if not isinstance(value, list | np.ndarray):
        return []
    flat = [np.asarray(ring, np.float64).ravel() for ring in value]
    rings = [ring.reshape(-1, 2) / size for ring in flat if len(ring) % 2 == 0 and len(ring) >= 6]
    clipped = [clip_ring(ring, _WHOLE) for ring in rings if np.isfinite(ring).all()]
    return [ring for ring in clipped if ring is not None]
