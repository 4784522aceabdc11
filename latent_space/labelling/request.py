"""What a user asks for: the measure, the candidates, groups and floors, found in the columns of a population.

**Conventions**: a sample is labelled where its loss is finite and its split is not called unlabeled: a detector's loss
needs no label. Such a measured error of an unlabelled sample takes the place of a prediction, and teaches nothing about
others, for what is predicted is what goes wrong where the truth is known. A column may be named without its first
parts. The model has learned from the training split, so errors there are too small: they are moved, rank
by rank, to the values of the other labelled samples, which are what an unlabelled sample will be like; with fewer than
20 labelled samples on either side they are left as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.column_names import PREFIXES, column_named
from latent_space.labelling.strategies import STRATEGIES
from latent_space.measures import LOSS, Measure, measures
from latent_space.population import Population

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
_LEAST_COMPARABLE = 20


@dataclass(frozen=True)
class Request:
    """What to pick, and by what.

    Attributes
    ----------
    budget : int
        Samples to pick, at least 1.
    strategy : str
        One of `STRATEGIES`.
    measure : str
        Column that says what went wrong: the loss, or a metric with a direction.
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
    measure: str = LOSS
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
    if LOSS not in population.samples:
        return np.zeros(len(population), bool)
    return np.isfinite(Measure(LOSS, True).errors(population.samples)) & ~_is_new(population)


def measured_errors(population: Population, measure: Measure) -> Floats:
    """Return the errors of unlabelled samples that could be measured without a label, NaN for all others."""
    return np.where(_is_new(population), measure.errors(population.samples), np.nan)


def known_columns(population: Population, measure: Measure) -> Floats | None:
    """Return the metadata and metrics that are numbers for every sample, labelled or not, (n, n_columns).

    None where there is no such column, or where the measure itself needs no label: then they might tell it away.
    """
    if np.isfinite(measured_errors(population, measure)).any():
        return None
    samples = population.samples
    names = [name for name in samples if str(name).startswith(PREFIXES[1:]) and name != measure.column]
    columns = [samples[name].to_numpy(np.float64) for name in names if samples[name].dtype.kind in "fiub"]
    full = [values for values in columns if np.isfinite(values).all() and np.ptp(values) > 0]
    return np.column_stack(full) if full else None


def _is_new(population: Population) -> Flags:
    """Tell which samples are of the unlabelled split."""
    if "split" not in population.samples:
        return np.zeros(len(population), bool)
    return (population.samples["split"] == "unlabeled").to_numpy(bool)


def chosen_measure(population: Population, name: str) -> Measure | None:
    """Return the measure of a name; None if the loss is asked for and there is none.

    Raises
    ------
    ValueError
        If there is no such measure, or it has no two different values.
    """
    known = {one.column: one for one in measures(population)}
    found = next((known[prefix + name] for prefix in PREFIXES if prefix + name in known), None)
    if found is not None:
        return found
    if name == LOSS:
        return Measure(LOSS, True) if is_labelled(population).any() else None
    exists = any(prefix + name in population.samples for prefix in PREFIXES)
    why = ", which has no two different values, or no direction" if exists else ""
    raise ValueError(f"measure must be one of {', '.join(known) or 'none that this run has'}; got {name!r}{why}.")


def comparable_errors(population: Population, measure: Measure) -> Floats:
    """Return one error per labelled sample, higher = worse, those of training as if the model had not seen them."""
    errors = np.where(_is_new(population), np.nan, measure.errors(population.samples))
    if "split" not in population.samples:
        return errors
    known = np.isfinite(errors)
    seen = known & (population.samples["split"] == "training").to_numpy(bool)
    unseen = known & ~seen
    if min(seen.sum(), unseen.sum()) < _LEAST_COMPARABLE:
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
