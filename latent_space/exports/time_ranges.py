"""Samples that are stretches of a recording: whose, from when to when.

**Conventions**: columns of the table say it, or the sample's id does: ``machine3:2026-01-01T00:10:00`` is a stretch of
machine3 that ends then; where only the end is known, the start is None. Both ends belong to the stretch.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from latent_space.exports.columns import find_column, numbers, texts

if TYPE_CHECKING:
    import pandas as pd

    from latent_space.population import Population

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?"
_ID = re.compile(rf"(?P<series>.+):(?P<end>{_TIME})(?:#\d+)?", re.DOTALL)
_META = re.compile(r"^(meta|metric)_")


@dataclass(frozen=True)
class TimeRange:
    """A stretch of a recording.

    Attributes
    ----------
    sample_id : str
    series : str, optional
        Whose stretch it is.
    start, end : Timestamp
        `start` is None where nobody knows it.
    split, reason : str, optional
    loss : float, optional
    is_anomaly : bool, optional
        Whether the model found it anomalous.
    """

    sample_id: str
    series: str | None
    start: "pd.Timestamp | None"
    end: "pd.Timestamp"
    split: str | None = None
    reason: str | None = None
    loss: float | None = None
    is_anomaly: bool | None = None


def read_ranges(
    population: "Population",
    rows: Sequence[int],
    *,
    columns: Mapping[str, str] | None = None,
    reasons: Mapping[str, str] | None = None,
) -> list[TimeRange] | None:
    """Return the stretches that samples are, or None where one of them is none, or is a picture.

    Parameters
    ----------
    population : Population
    rows : sequence of int
        Of its table of samples, in the order wanted.
    columns : mapping, optional
        From roles (series, start, end) to columns, instead of guesses.
    reasons : mapping, optional
        From sample ids to why they were chosen.
    """
    table = population.samples.iloc[list(rows)]
    if find_column(table, "file_name", columns) is not None:
        return None
    from_ids = [_ID.fullmatch(sample_id) for sample_id in table["sample_id"]]
    ends = _times(texts(table, find_column(table, "end", columns)), [match and match["end"] for match in from_ids])
    starts = _times(texts(table, find_column(table, "start", columns)), [None] * len(table))
    series = texts(table, find_column(table, "series", columns))
    flags = numbers(table, find_column(table, "is_anomaly", columns))
    facts = zip(
        table["sample_id"],
        series,
        from_ids,
        starts,
        ends,
        texts(table, "split"),
        numbers(table, "loss"),
        flags,
        strict=True,
    )
    ranges = []
    for sample_id, name, match, start, end, split, loss, flag in facts:
        if end is None or (start is not None and start > end):
            return None
        name = name or (match["series"] if match else None)
        found = None if flag is None else flag > 0
        ranges.append(TimeRange(sample_id, name, start, end, split, (reasons or {}).get(sample_id), loss, found))
    return ranges


def series_name(population: "Population", columns: Mapping[str, str] | None = None) -> str:
    """Return how the data calls what its recordings are of: machine, say."""
    column = find_column(population.samples, "series", columns)
    return "series" if column is None else _META.sub("", column).rpartition("_")[2]


def _times(told: list[str | None], else_from: Sequence[str | None]) -> "list[pd.Timestamp | None]":
    import pandas as pd

    found: list[pd.Timestamp | None] = []
    for one, other in zip(told, else_from, strict=True):
        text = one or other
        time = pd.NaT if text is None else pd.to_datetime(text, errors="coerce")
        found.append(time if isinstance(time, pd.Timestamp) else None)
    return found
