"""Run an integration's encoders and metadata functions on samples, one sample (or one group) at a time.

**Conventions**: arrays have no batch axis. Ground truth of the unlabelled split is empty: its encoders are not called.
Metadata is flat: ``<handler>`` for a scalar, ``<handler>_<key>`` for a dict; None, NaN and infinities are None, numpy
scalars are Python's. A grouped data set hands its encoders lists of ids of one group and takes a list back.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.engine.failures import HandlerError, IntegrationError, calling
from latent_space.engine.integration import Integration, SampleId

Array = npt.NDArray[Any]
Scalar = str | bool | float | None
UNLABELED = "unlabeled"
_BUILT_IN = "builtin_instance_"


@dataclass
class Encoded:
    """What an integration knows of one sample before the model runs.

    Attributes
    ----------
    sample_id : str or int
    inputs, gt, spaces : dict of arrays
        By encoder; `spaces` are the latent spaces that need no model.
    metadata : dict
        By flat key.
    """

    sample_id: SampleId
    inputs: dict[str, Array] = field(default_factory=dict)
    gt: dict[str, Array] = field(default_factory=dict)
    spaces: dict[str, Array] = field(default_factory=dict)
    metadata: dict[str, Scalar] = field(default_factory=dict)


def encode(
    integration: Integration, split: str, sample_ids: Sequence[SampleId]
) -> tuple[list[Encoded], dict[SampleId, HandlerError]]:
    """Encode samples; those on which a handler fails are returned apart with what happened."""
    encoded: list[Encoded] = []
    failed: dict[SampleId, HandlerError] = {}
    for group in _read_together(integration, split, sample_ids):
        try:
            encoded += _encode_group(integration, split, group)
        except HandlerError as error:
            for sample_id in group:
                try:
                    encoded += _encode_group(integration, split, [sample_id]) if len(group) > 1 else _failing(error)
                except HandlerError as alone:
                    failed[sample_id] = alone
    return encoded, failed


def _failing(error: HandlerError) -> list[Encoded]:
    raise error


def _read_together(integration: Integration, split: str, sample_ids: Sequence[SampleId]) -> Iterable[list[SampleId]]:
    """Split ids into runs of one group; single ids where the data set has no groups."""
    response = integration.responses[split]
    if not response.is_grouped:
        return ([sample_id] for sample_id in sample_ids)
    return (list(run) for _, run in groupby(sample_ids, key=integration.group_numbers(split).__getitem__))


def _encode_group(integration: Integration, split: str, group: list[SampleId]) -> list[Encoded]:
    setup = integration.setup
    samples = [Encoded(sample_id) for sample_id in group]
    spaces = [
        handler
        for handler in setup.custom_latent_spaces.values()
        if handler.computed_at.value == "dataset" and not handler.instance_aware
    ]
    for kind, handlers, target in (
        ("input", setup.inputs, "inputs"),
        ("ground truth", setup.ground_truths if split != UNLABELED else (), "gt"),
        ("latent space", spaces, "spaces"),
    ):
        for handler in handlers:
            for sample, array in zip(samples, _arrays(integration, split, handler, kind, group), strict=True):
                getattr(sample, target)[handler.name] = array
    for handler in setup.metadata:
        if not handler.name.startswith(_BUILT_IN):
            rows = _results(integration, split, handler, f"metadata {handler.name!r}", group)
            for sample, row in zip(samples, rows, strict=True):
                _add_metadata(sample.metadata, handler.name, row)
    return samples


def _arrays(integration: Integration, split: str, handler: Any, kind: str, group: list[SampleId]) -> list[Array]:
    title = f"{kind} {handler.name!r}"
    arrays = [np.asarray(value) for value in _results(integration, split, handler, title, group)]
    if any(array.dtype == object for array in arrays):
        raise HandlerError(title, "must return an array of numbers; got an array of objects or None")
    return arrays


def _results(integration: Integration, split: str, handler: Any, title: str, group: list[SampleId]) -> list[Any]:
    response = integration.responses[split]
    with calling(title):
        if not response.is_grouped:
            return [handler.function(group[0], response)]
        results = list(handler.function(group, response))
    if len(results) != len(group):
        raise HandlerError(title, f"must return one value per sample of the group, {len(group)}; got {len(results)}")
    return results


def _add_metadata(metadata: dict[str, Scalar], name: str, result: Any) -> None:
    values = {f"{name}_{key}": value for key, value in result.items()} if isinstance(result, dict) else {name: result}
    twice = next((key for key in values if key in metadata), None)
    if twice is not None:
        raise IntegrationError(f"metadata {name!r} and another metadata function both give {twice!r}: rename one.")
    for key, value in values.items():
        metadata[key] = _scalar(value, f"metadata {name!r}", key)


def _scalar(value: Any, title: str, key: str) -> Scalar:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if isinstance(value, str) and not is_text(value):
        raise HandlerError(title, f"must return strings that are valid Unicode; got {value!r} for {key!r}")
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    raise HandlerError(title, f"must return numbers, strings, booleans or None; got {type(value).__name__} for {key!r}")


def is_text(value: str) -> bool:
    r"""Whether a string can be written as UTF-8, which halves of surrogate pairs cannot.

    Examples
    --------
    >>> is_text("é"), is_text("\udcff")
    (True, False)
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def clashing_ids(ids_by_split: dict[str, list[SampleId]]) -> bool:
    """Whether two splits use the same id, so that an id alone does not tell a sample.

    Examples
    --------
    >>> clashing_ids({"training": [0, 1], "validation": [1]})
    True
    """
    counts = Counter(str(sample_id) for ids in ids_by_split.values() for sample_id in set(ids))
    return any(count > 1 for count in counts.values())
