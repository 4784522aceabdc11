"""What a user asks for: the measure, the candidates, groups and floors, found in the columns of a population.

**Conventions**: a sample is labelled where its loss is finite and its split is not called unlabeled. A detector's loss
needs no label: where that of the unlabelled split is finite, a sample is labelled if it has a value of some metric that
none of that split has, as training windows may lack labels too. A measured error of an unlabelled sample takes the
place of a prediction, and teaches nothing about others, for what is predicted is what goes wrong where the truth is
known. A column may be named without its first
parts. The model has learned from the training split, so errors there are too small: they are moved, rank
by rank, to the values of the other labelled samples, which are what an unlabelled sample will be like; with fewer than
20 labelled samples on either side they are left as they are, and so is what is 0 or 1: that a sample failed stays true.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.column_names import PREFIXES, column_named
from latent_space.labelling.chances import are_binary
from latent_space.labelling.order import group_codes
from latent_space.labelling.strategies import STRATEGIES
from latent_space.labelling.target import Target
from latent_space.measures import LOSS, Measure
from latent_space.population import Population

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
_LEAST_COMPARABLE = 20
_FEW_CLASSES, _LEAST_PER_CLASS = 10, 5


@dataclass(frozen=True)
class Request:
    """What to pick, and by what.

    Attributes
    ----------
    budget : int
        Samples to pick, at least 1.
    strategy : str
        One of `STRATEGIES`.
    measure : str, optional
        Column that says what went wrong: the loss, or a metric with a direction; by default what takes a label to know,
        see `choice`.
    sample_ids : sequence of str, optional
        Only these may be picked.
    groups : str, optional
        Column; samples of equal value stay together.
    floors : dict
        From a column to the least number of picks of each of its values.
    classes : str, optional
        Column with the classes of the labelled samples, for the curve of a probe.
    random_state : int
        Seed of everything drawn at random.
    """

    budget: int
    strategy: str = "auto"
    measure: str | None = None
    sample_ids: Sequence[str] | None = None
    groups: str | None = None
    floors: dict[str, int] = field(default_factory=dict)
    classes: str | None = None
    random_state: int = 0

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise ValueError(f"budget must be at least 1; got {self.budget}.")
        if self.strategy not in STRATEGIES:
            raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}; got {self.strategy!r}.")


def is_labelled(population: Population) -> Flags:
    """Tell which samples have a finite loss and do not count as unlabelled."""
    samples = population.samples
    if LOSS not in samples:
        return np.zeros(len(population), bool)
    new, known = _is_new(population), np.isfinite(Measure(LOSS, True).errors(samples))
    if not known[new].any():
        return known & ~new
    values = [samples[name].to_numpy(np.float64) for name in samples if _is_metric(samples, name)]
    judged = [np.isfinite(one) for one in values if not np.isfinite(one[new]).any() and np.isfinite(one).any()]
    return known & ~new & np.logical_or.reduce(judged) if judged else known & ~new


def _is_metric(samples: pd.DataFrame, name: Any) -> bool:
    return str(name).startswith(PREFIXES[2]) and samples[name].dtype.kind in "fiub"


def measured_errors(population: Population, target: Target) -> Floats:
    """Return the errors of unlabelled samples that could be measured without a label, NaN for all others."""
    return np.where(is_labelled(population), np.nan, target.errors(population.samples))


def known_columns(population: Population, target: Target) -> Floats | None:
    """Return the metadata, metrics and loss that are numbers for every sample, labelled or not, (n, n_columns).

    None where there is no such column, or where the measure itself needs no label: then they might tell it away. A loss
    that a metric repeats counts once.
    """
    if np.isfinite(measured_errors(population, target)).any():
        return None
    samples = population.samples
    names = [name for name in samples if str(name).startswith(PREFIXES[1:]) and name != target.measure.column]
    columns = [samples[name].to_numpy(np.float64) for name in names if samples[name].dtype.kind in "fiub"]
    full = [values for values in columns if np.isfinite(values).all() and np.ptp(values) > 0]
    loss = Measure(LOSS, True).errors(samples) if LOSS in samples else np.full(len(samples), np.nan)
    if np.isfinite(loss).all() and np.ptp(loss) > 0 and not any(np.allclose(loss, values) for values in full):
        full.append(loss)
    return np.column_stack(full) if full else None


def _is_new(population: Population) -> Flags:
    """Tell which samples are of the unlabelled split."""
    if "split" not in population.samples:
        return np.zeros(len(population), bool)
    return (population.samples["split"] == "unlabeled").to_numpy(bool)


def comparable_errors(population: Population, target: Target) -> Floats:
    """Return one error per labelled sample, higher = worse, those of training as if the model had not seen them."""
    errors = np.where(is_labelled(population), target.errors(population.samples), np.nan)
    if "split" not in population.samples:
        return errors
    known = np.isfinite(errors)
    seen = known & (population.samples["split"] == "training").to_numpy(bool)
    unseen = known & ~seen
    if min(seen.sum(), unseen.sum()) < _LEAST_COMPARABLE or are_binary(errors[known]):
        return errors
    ranks = pd.Series(errors[seen]).rank().to_numpy() - 0.5
    moved = errors.copy()
    moved[seen] = np.quantile(errors[unseen], ranks / seen.sum())
    return moved


def candidates(population: Population, request: Request) -> Flags:
    """Tell which unlabelled samples may be picked.

    Raises
    ------
    ValueError
        If there are none, or a sample id is unknown.
    """
    free = ~is_labelled(population)
    if not free.any():
        raise ValueError(f"run must have samples without a label; got {len(population):,} samples that all have one.")
    if request.sample_ids is None:
        return free
    ids = population.samples["sample_id"]
    unknown = sorted(set(request.sample_ids) - set(ids))
    if unknown:
        more = f" and {len(unknown) - 1:,} more" if len(unknown) > 1 else ""
        raise ValueError(f"sample_ids must be of this run; got {unknown[0]!r}{more}, which it does not have.")
    wanted = ids.isin(set(request.sample_ids)).to_numpy(bool)
    if not (wanted & free).any():
        raise ValueError(f"sample_ids must name samples without a label; got {len(request.sample_ids):,} without any.")
    chosen: Flags = wanted & free
    return chosen


def column(population: Population, name: str, argument: str) -> pd.Series:
    """Return a column of the samples by its name, with or without its first parts.

    Raises
    ------
    ValueError
        If there is none, or several fit.
    """
    return population.samples[column_named(population.samples, name, argument)]


def check_classes(values: npt.NDArray[Any], name: str) -> None:
    """Refuse what are no classes of labelled samples: decimals, one value alone, or too many for a probe to learn."""
    known = pd.Series(values).dropna()
    n_classes, most = known.nunique(), max(_FEW_CLASSES, len(known) // _LEAST_PER_CLASS)
    if pd.api.types.is_float_dtype(known) and not np.array_equal(known, np.round(known)):
        got = "numbers with decimals"
    elif len(values) and not 2 <= n_classes <= most:
        got = f"{n_classes:,} different values"
    else:
        return
    raise ValueError(
        f"classes must be a column of 2 to {most:,} classes, for {len(known):,} labelled samples; got {name!r}, {got}."
    )


def check_groups(groups: npt.ArrayLike, free: Flags, request: Request) -> None:
    """Refuse a budget that no group of the samples that may be picked fits."""
    codes = group_codes(groups, len(free))[free]
    smallest = int(np.unique(codes, return_counts=True)[1].min())
    if smallest > request.budget:
        raise ValueError(
            f"budget must be at least {smallest:,}, the size of the smallest group of {request.groups!r}; got "
            f"{request.budget:,}. Raise it, or pick without groups."
        )
