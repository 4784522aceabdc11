"""Readable conditions on metadata, such as `tote_colour = yellow` or `clutter > 14`, and which samples meet them.

**Conventions**: a condition is one column with one bound or one value; a sample without a value meets none. Bounds lie
at deciles and are rounded to what a person would write, before samples are compared with them. Ids explain nothing:
texts that are nearly unique, whole numbers that are all different, and columns without two values are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Bools = npt.NDArray[np.bool_]

_QUANTILES = np.arange(0.1, 0.95, 0.1)
_FEW_VALUES = 8
_MOST_TEXTS = 20
_UNIQUE_SHARE = 0.5
_SHARED_BY = 3
_STATISTICS = {"n", "mean", "std", "min", "max", "median", "avg", "sum", "slope", "peak", "hz"}


@dataclass(frozen=True)
class Condition:
    """One bound or value of one column.

    Attributes
    ----------
    column : str
        Of the metadata; empty for a region of latent space.
    text : str
        As a person reads it.
    """

    column: str
    text: str


def conditions(metadata: pd.DataFrame, *, smallest: int) -> tuple[list[Condition], Bools]:
    """List the conditions that at least `smallest` samples meet, and as many do not.

    Parameters
    ----------
    metadata : DataFrame
        A row per sample.
    smallest : int
        Fewest samples on either side.

    Returns
    -------
    list of Condition, (n, n_conditions) bool array
        Which samples meet them; no two conditions hold for the same samples.
    """
    names = short_names([str(column) for column in metadata.columns])
    found: list[Condition] = []
    masks: list[Bools] = []
    known: set[bytes] = set()
    for column, name in zip(metadata.columns, names, strict=True):
        for text, mask in _of_column(metadata[column]):
            if smallest <= mask.sum() <= len(mask) - smallest and mask.tobytes() not in known:
                known.add(mask.tobytes())
                found.append(Condition(str(column), f"{name} {text}"))
                masks.append(mask)
    empty = np.zeros((len(metadata), 0), bool)
    return found, np.stack(masks, axis=1) if masks else empty


def explaining_columns(metadata: pd.DataFrame) -> list[str]:
    """Return the columns that can explain something: those that `conditions` uses."""
    return [str(column) for column in metadata.columns if next(_of_column(metadata[column]), None) is not None]


def _of_column(column: pd.Series) -> Iterator[tuple[str, Bools]]:
    if isinstance(column, pd.DataFrame) or pd.api.types.is_datetime64_any_dtype(column):
        return
    if pd.api.types.is_bool_dtype(column):
        column = column.astype(object).where(column.notna(), None)
    if pd.api.types.is_numeric_dtype(column):
        yield from _of_numbers(column.to_numpy(np.float64, na_value=np.nan))
    else:
        yield from _of_texts(column)


def _of_numbers(values: npt.NDArray[np.float64]) -> Iterator[tuple[str, Bools]]:
    finite = values[np.isfinite(values)]
    different = np.unique(finite)
    if len(different) < 2 or _is_id(finite, different):
        return
    if len(different) <= _FEW_VALUES:
        for value in different:
            yield f"= {_written(value)}", values == value
        bounds = different[:-1]
    else:
        bounds = np.unique([_rounded(bound, finite) for bound in np.quantile(finite, _QUANTILES)])
    for bound in bounds:
        yield f"> {_written(bound)}", values > bound
        yield f"<= {_written(bound)}", values <= bound


def _is_id(finite: npt.NDArray[np.float64], different: npt.NDArray[np.float64]) -> bool:
    return len(different) == len(finite) > _MOST_TEXTS and bool((different == np.round(different)).all())


def _of_texts(column: pd.Series) -> Iterator[tuple[str, Bools]]:
    texts = column.astype(object).where(column.notna(), None).to_numpy()
    given = pd.Series([str(value) for value in texts if value is not None], dtype=object)
    counts = given.value_counts()
    if len(counts) < 2 or (len(counts) > _MOST_TEXTS and len(counts) > _UNIQUE_SHARE * len(given)):
        return
    as_text = np.array([None if value is None else str(value) for value in texts], object)
    for value in sorted(counts.index[:_MOST_TEXTS]):
        yield f"= {yes_no(value)}", np.asarray(as_text == value, bool)


def yes_no(value: str) -> str:
    """Write truth values as words; other texts stay."""
    return {"True": "yes", "False": "no"}.get(value, value)


def _rounded(bound: float, finite: npt.NDArray[np.float64]) -> float:
    """Round a bound to as few digits as its distance to the next quantiles allows."""
    spread = np.subtract(*np.quantile(finite, [0.9, 0.1])) / 20 or np.ptp(finite) / 20
    if not np.isfinite(spread) or spread <= 0:
        return float(bound)
    return float(round(float(bound), int(-np.floor(np.log10(spread)))))


def _written(value: float) -> str:
    """Write a number without needless digits.

    Examples
    --------
    >>> _written(14.0), _written(0.25), _written(1234567.0), _written(-0.0)
    ('14', '0.25', '1234567', '0')
    """
    value = float(value) + 0.0
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"


def short_names(columns: Sequence[str]) -> list[str]:
    """Return the columns without `meta_` and the prefixes that several share, as far as they stay apart.

    Examples
    --------
    >>> short_names(["meta_image_blur", "meta_image_clutter", "meta_image_size", "meta_size"])
    ['blur', 'clutter', 'image_size', 'size']
    >>> short_names(["meta_axis_0", "meta_axis_1", "meta_axis_2"])
    ['axis_0', 'axis_1', 'axis_2']
    """
    plain = [column.removeprefix("meta_") for column in columns]
    prefixes = [
        "_".join(parts[:n]) + "_" for parts in (name.split("_") for name in plain) for n in range(1, len(parts))
    ]
    shared = {
        prefix
        for prefix in set(prefixes)
        if prefix.split("_")[-2] not in _STATISTICS and sum(name.startswith(prefix) for name in plain) >= _SHARED_BY
    }
    choices = [
        sorted({name, *(cut for cut in map(name.removeprefix, shared) if any(map(str.isalpha, cut)))}, key=len)
        for name in plain
    ]
    counts: dict[str, int] = {}
    for own in choices:
        for choice in own:
            counts[choice] = counts.get(choice, 0) + 1
    return [next((choice for choice in own if counts[choice] == 1), own[-1]) for own in choices]
