"""Which columns of a population say how well the model did, and which way is worse.

**Conventions**: a measure is the loss, or a column of a metric whose direction the integration declared. `errors` turns
any of them so that higher = worse; NaN stays where a sample has no value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.population import Population

LOSS = "loss"
_METRIC = "metric_"


@dataclass(frozen=True)
class Measure:
    """A column that judges samples.

    Attributes
    ----------
    column : str
        Of the table of samples.
    higher_is_worse : bool
        As the integration declared; true for the loss.
    """

    column: str
    higher_is_worse: bool

    @property
    def label(self) -> str:
        """The column's name in words.

        Examples
        --------
        >>> Measure("metric_panoptic_quality", False).label
        'panoptic quality'
        """
        return self.name.replace("_", " ")

    @property
    def name(self) -> str:
        """The column without `metric_`, as a user asks for it."""
        return self.column.removeprefix(_METRIC)

    def errors(self, samples: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return one number per sample, higher = worse, NaN where there is none."""
        values = pd.to_numeric(samples[self.column], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        values = np.where(np.isfinite(values), values, np.nan)
        return values if self.higher_is_worse else -values


def measures(population: Population) -> list[Measure]:
    """List the measures of a population, the loss first.

    Metrics without a declared direction, and columns without two different values, are no measures.
    """
    samples = population.samples
    directions = {f"{_METRIC}{name}": word for name, word in _directions(population.run.get("metrics"))}
    found = [Measure(LOSS, True)] if LOSS in samples else []
    found += [Measure(name, word == "Downward") for name, word in directions.items() if name in samples]
    return [one for one in found if _varies(samples[one.column])]


def _directions(metrics: Any) -> list[tuple[str, str]]:
    """Flatten what `run.json` says of metrics: a word for a metric of one value, a mapping for one of several."""
    if not isinstance(metrics, Mapping):
        return []
    flat: list[tuple[str, str]] = []
    for name, content in metrics.items():
        pairs = content.items() if isinstance(content, Mapping) else [(name, content)]
        flat += [(str(key), word) for key, word in pairs if word in ("Upward", "Downward")]
    return flat


def _varies(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and column.nunique() > 1
