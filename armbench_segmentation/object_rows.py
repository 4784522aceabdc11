"""What the local engine is told of each object: a flat row, with the outline where the model found it.

**Conventions**: `box_rel` and `polygons_rel` are shares of the model input; `box_px` and `polygons_px` are pixels of
the picture, clipped to it. Where the input is the whole picture stretched, shares of one are shares of the other, and
`polygons_px` is left out. Outlines are those of `latent_space.outlines`: separate parts are rings of their own,
holes are left out through a slit, and holes and parts smaller than one point of the prototype grid are not drawn.
Ground truth has no outlines here: the data has better ones, and no export reads them.

Masks are drawn as `decode` does for a picture, interpolated and cut at the box, on `_FINER` pixels per pixel of the
input where that stays within `_LARGEST`: outlines of the prototype grid itself would be a quarter as fine.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.heads import PROTOTYPE_STRIDE
from armbench_segmentation.instances import Instances
from armbench_segmentation.resize import Resize
from armbench_segmentation.task import SegmentationTask
from latent_space.outlines import Ring, clip_ring, trace_outline

Row = dict[str, Any]
_FINER = 2
_LARGEST = 1024  # pixels: finer masks of large inputs would cost memory and no eye would see them
_TOLERANCE = 1.0  # pixels of those masks


def object_rows(
    kind: str,
    instances: Instances,
    verdicts: Sequence[str | None],
    *,
    fit: Resize,
    categories: Sequence[str],
    outlines: Sequence[list[Ring]] | None = None,
) -> list[Row]:
    """Describe the objects of one picture.

    Parameters
    ----------
    kind : {"gt", "pred"}
    instances : Instances
        n objects.
    verdicts : sequence of n str
        None where there is nothing to judge by.
    fit : Resize
        How the picture became the model input.
    categories : sequence of str
    outlines : sequence of n lists of rings, optional
        In shares of the model input.
    """
    height, width = fit.input_size
    boxes_rel = (instances.boxes_xyxy / np.array([width, height, width, height], np.float32)).clip(0, 1)
    areas_rel = instances.masks.mean((1, 2)) if len(instances) else []
    size = np.array(fit.original_size[::-1] * 2, np.float64)
    boxes_px = fit.to_original(instances.boxes_xyxy.astype(np.float64)).clip(0, size)
    columns = (instances.class_ids, instances.confidence, boxes_rel, boxes_px, areas_rel, verdicts)
    rows: list[Row] = [
        {
            "kind": kind,
            "label": categories[class_id],
            "confidence": float(confidence),
            "box_rel": box.tolist(),
            "box_px": pixels.tolist(),
            "area_rel": float(area),
            "verdict": verdict,
        }
        for class_id, confidence, box, pixels, area, verdict in zip(*columns, strict=True)
    ]
    if outlines is None:
        return rows
    return [row | _outlined(rings, fit) for row, rings in zip(rows, outlines, strict=True)]


def predicted_outlines(task: SegmentationTask, outputs: Sequence[NDArray[Any]]) -> list[list[Ring]]:
    """Draw the outline of every object found in one picture, in the order of `task.decode`.

    Parameters
    ----------
    task : SegmentationTask
    outputs : sequence of (1, ...) arrays
        Of the model, for one picture.

    Returns
    -------
    list of lists of (n, 2) arrays
        In shares of the model input; an object without a mask has no rings.
    """
    finer = _FINER if _FINER * max(task.input_size) <= _LARGEST else 1
    height, width = (finer * length for length in task.input_size)
    found = task.decode(outputs, stretched_to=(height, width))[0]
    smallest = (PROTOTYPE_STRIDE * finer) ** 2
    outlines = (trace_outline(mask, tolerance=_TOLERANCE, smallest=smallest) for mask in found.masks)
    return [[ring / (width, height) for ring in rings] for rings in outlines]


def _outlined(rings: list[Ring], fit: Resize) -> Row:
    shares = [ring.tolist() for ring in rings] or None
    if fit.inner_size == fit.input_size:
        return {"polygons_rel": shares}
    picture = (0.0, 0.0, float(fit.original_size[1]), float(fit.original_size[0]))
    pixels = (clip_ring(fit.to_original(ring * fit.input_size[::-1]), picture) for ring in rings)
    inside = [ring.tolist() for ring in pixels if ring is not None] or None
    return {"polygons_rel": shares if inside else None, "polygons_px": inside}
