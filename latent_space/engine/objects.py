"""Rows about the objects in a sample, from the integration's own door or from code-loader's element instances.

`describe_instances(sample_id, inputs, gt, predictions)`, where the entry module has it, gives one flat row per object.
code-loader's element instances (a mask per object) give rows too, with the values of the instance metrics; so do false
positives. A row's `box_rel` says where the object is, and the latent feature map is pooled there.

**Conventions**: `kind` is ``gt`` or ``pred``; `box_rel` is ``x1, y1, x2, y2`` in 0..1 of the model's input, `box_px`
the same in pixels of the picture in the data, where the integration tells; `area_rel` is a share of the input's area.
`polygons_rel` is the object's outline in 0..1 of the input: rings as `latent_space.outlines` says, each (n, 2) or flat
``x, y, x, y, ...``. `polygons_px`, in pixels of the picture, is for inputs that are not the whole picture stretched.
Both are kept flat, to a 16,384th of the input and an eighth of a pixel.
`instance_id` is ``<sample>:<number>``, by position. An object without a box takes the vector of the whole sample.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.engine.calls import Batch
from latent_space.engine.encoding import Encoded
from latent_space.engine.failures import HandlerError, calling
from latent_space.engine.integration import Integration
from latent_space.engine.latents import LatentTensor
from latent_space.engine.wiring import Call
from latent_space.outlines import trace_outline

Array = npt.NDArray[Any]
Row = dict[str, Any]
_TITLE = "describe_instances"
_STEPS = {"polygons_rel": 2.0**14, "polygons_px": 8.0}  # few different values, which Parquet keeps small
_FARTHEST = 1.0  # a share of the input that is farther outside is no share


def has_objects(integration: Integration) -> bool:
    """Whether the integration gives rows about objects."""
    setup = integration.setup
    found = integration.describe_instances or setup.instance_masks or setup.false_positive_instances
    return found is not None and bool(found)


def described_rows(integration: Integration, sample: Encoded, outputs: list[Array]) -> list[Row]:
    """Rows from the integration's `describe_instances`.

    Raises
    ------
    HandlerError
        If it fails or returns what is no list of flat rows.
    """
    function = integration.describe_instances
    if function is None:
        return []
    with calling(_TITLE):
        rows = function(sample.sample_id, dict(sample.inputs), dict(sample.gt), list(outputs))
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise HandlerError(_TITLE, f"must return a list of dicts; got {type(rows).__name__}")
    return [_checked(dict(row)) for row in rows]


def _checked(row: Row) -> Row:
    for key, value in row.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if key in ("box_rel", "box_px"):
            row[key] = None if plain is None else [float(edge) for edge in plain]
            if plain is not None and (len(row[key]) != 4 or not np.isfinite(row[key]).all()):
                raise HandlerError(_TITLE, f"must give {key} as four finite numbers; got {plain!r}")
        elif key in _STEPS:
            row[key] = _flat_rings(key, plain)
        elif plain is None or isinstance(plain, str | bool | int | float):
            row[key] = float(plain) if isinstance(plain, int) and not isinstance(plain, bool) else plain
        else:
            raise HandlerError(_TITLE, f"must give numbers or strings; got {type(value).__name__} for {key!r}")
    return row


def _flat_rings(key: str, rings: Any) -> list[list[float]] | None:
    """Check an outline; return its rings flat and rounded, or None where there are none."""
    if rings is None:
        return None
    if not isinstance(rings, list | tuple | np.ndarray):
        raise HandlerError(_TITLE, f"must give {key} as a list of rings; got {type(rings).__name__}")
    return [_flat_ring(key, ring) for ring in rings] or None


def _flat_ring(key: str, ring: Any) -> list[float]:
    try:
        points = np.asarray(ring, np.float64)
    except (TypeError, ValueError) as error:
        raise HandlerError(_TITLE, f"must give {key} as rings of x, y; got {ring!r}: {error}") from error
    if points.ndim not in (1, 2) or points.size % 2 or (points.ndim == 2 and points.shape[1] != 2):
        raise HandlerError(_TITLE, f"must give {key} as rings of x, y; got one of shape {points.shape}")
    if points.size < 6 or not np.isfinite(points).all():
        raise HandlerError(_TITLE, f"must give {key} as rings of at least three finite points; got {ring!r}")
    if key.endswith("_rel") and (points.min() < -_FARTHEST or points.max() > 1 + _FARTHEST):
        raise HandlerError(_TITLE, f"must give {key} in 0..1 of the model's input; got {np.abs(points).max():g}")
    rounded: list[float] = (np.rint(points.ravel() * _STEPS[key]) / _STEPS[key]).tolist()
    return rounded


def element_rows(integration: Integration, batch: Batch, row: int) -> list[Row]:
    """Rows of code-loader's element instances of one sample, with the values of the instance metrics.

    Raises
    ------
    HandlerError
        If a handler fails.
    """
    sample = batch.samples[row]
    metrics = _instance_metrics(integration, batch, row)
    rows = []
    for number in range(integration.instance_count(batch.split, sample.sample_id)):
        for handler in integration.setup.instance_masks:
            with calling(f"instances {handler.name!r}"):
                element = handler.function(sample.sample_id, batch.response, number)
            if element is not None:
                rows.append(_element_row("gt", element) | metrics.get(number, {}))
    return rows + _false_positives(integration, batch, row)


def _element_row(kind: str, element: Any) -> Row:
    mask = np.asarray(element.mask)
    row: Row = {"kind": kind, "label": str(element.name), "box_rel": None, "area_rel": float((mask != 0).mean())}
    grid = np.squeeze(mask)
    if grid.ndim == 3:
        grid = (grid != 0).any(int(np.argmin(grid.shape)))
    if grid.ndim == 2 and (grid != 0).any():
        ys, xs = np.nonzero(grid)
        height, width = grid.shape
        row["box_rel"] = [xs.min() / width, ys.min() / height, (xs.max() + 1) / width, (ys.max() + 1) / height]
        row["box_rel"] = [float(edge) for edge in row["box_rel"]]
        rings = [ring / (width, height) for ring in trace_outline(grid != 0)]
        row["polygons_rel"] = _flat_rings("polygons_rel", rings)
    for key, value in (element.instance_metadata or {}).items():
        row[f"meta_{key}"] = value.item() if isinstance(value, np.generic) else value
    for key, value in (element.instance_metrics or {}).items():
        row[f"metric_{key}"] = float(value)
    return row


def _instance_metrics(integration: Integration, batch: Batch, row: int) -> dict[int, Row]:
    """Instance number -> metric columns, of one sample."""
    found: dict[int, Row] = {}
    for call in integration.wiring.of("instance metric"):
        if batch.split == "unlabeled" and call.reads_gt:
            continue
        with calling(call.title):
            result = call.function(**batch.arguments_of_one(call, row, stored=True))
        _add_instance_metric(found, call, result)
    return found


def _add_instance_metric(found: dict[int, Row], call: Call, result: Any) -> None:
    if not isinstance(result, Mapping):
        raise HandlerError(call.title, f"must return a dict of instance -> values; got {type(result).__name__}")
    for number, values in result.items():
        with calling(call.title):
            flat = np.asarray(values, np.float64).reshape(-1)
        if flat.shape != (1,):
            raise HandlerError(call.title, f"must return one value per sample and instance; got {flat.shape}")
        found.setdefault(int(number), {})[f"metric_{call.name}"] = float(flat[0])


def _false_positives(integration: Integration, batch: Batch, row: int) -> list[Row]:
    handler = integration.setup.false_positive_instances
    if handler is None:
        return []
    names = [prediction.name for prediction in integration.setup.prediction_types]
    sample_id, outputs = batch.samples[row].sample_id, batch.outputs[row]
    with calling(f"false positives {handler.name!r}"):
        elements = handler.function(sample_id, batch.response, dict(zip(names, outputs, strict=False)))
        return [_element_row("pred", element) | {"verdict": "background"} for element in elements]


def object_vectors(rows: list[Row], tensor: LatentTensor, features: Array) -> npt.NDArray[np.float32]:
    """Pool the feature map inside each object's box.

    Returns
    -------
    (n_rows, n_features) float32 array
    """
    boxes = np.array([row.get("box_rel") or (0.0, 0.0, 1.0, 1.0) for row in rows], np.float64).reshape(-1, 4)
    return tensor.pool_boxes(features, boxes)
