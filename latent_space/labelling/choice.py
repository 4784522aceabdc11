"""The measure that labels are spent on: the one the user names, or the first that takes a label to know.

Where the loss of an unlabelled sample is unknown, it is the loss. A detector measures its loss without any label; then
a label tells something else, such as whether the verdict was right, and the first metric with a direction is taken that
is known for nearly all labelled samples and for no other. Without such a metric it is the loss again.

**Conventions**: metrics come in the order in which the run lists them.
"""

from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from latent_space.column_names import PREFIXES
from latent_space.labelling.request import is_labelled, measured_errors
from latent_space.labelling.target import Target
from latent_space.measures import LOSS, Measure, measures
from latent_space.population import Population

NEARLY_ALL = 0.9
_LISTED = 10


@dataclass(frozen=True)
class Choice:
    """What is predicted, and why.

    Attributes
    ----------
    target : Target, optional
        None where the loss is asked for and there is none.
    sentence : str
        Which measure it is and why; empty where the user named it, or there is none.
    """

    target: Target | None
    sentence: str


def choose_target(population: Population, name: str | None) -> Choice:
    """Return what a measure of that name is; without a name, the measure that takes a label to know.

    Raises
    ------
    ValueError
        If there is no such measure, or it has no two different values.
    """
    if name is not None:
        measure = _named(population, name)
        return Choice(None if measure is None else Target.of(population, measure), "")
    loss = _named(population, LOSS)
    if loss is None:
        return Choice(None, "")
    target = Target.of(population, loss)
    if not np.isfinite(measured_errors(population, target)).any():
        return Choice(target, f"Measure: {LOSS}, which takes a label to know.")
    found = next((one for one in measures(population) if _takes_a_label(population, one)), None)
    if found is None:
        return Choice(target, f"Measure: {LOSS}, since no metric is known for all labelled samples and for no other.")
    target = Target.of(population, found)
    meaning = f" ({int(found.higher_is_worse)} is a failure)" if target.is_binary else ""
    return Choice(
        target,
        f"Measure: {found.name}{meaning}, which takes a label to know; the {LOSS} of unlabelled samples is measured "
        f"already (--measure {LOSS} ranks by it).",
    )


def _takes_a_label(population: Population, measure: Measure) -> bool:
    """Tell whether a measure is known for nearly all labelled samples and for no other."""
    known = np.isfinite(measure.errors(population.samples))
    labelled = is_labelled(population)
    return not known[~labelled].any() and bool(known[labelled].mean() >= NEARLY_ALL)


def _named(population: Population, name: str) -> Measure | None:
    """Return the measure of a name, with or without its first part; None for a loss where there is none."""
    known = {one.column: one for one in measures(population)}
    found = next((known[prefix + name] for prefix in PREFIXES if prefix + name in known), None)
    if found is not None:
        return found
    if name == LOSS:
        return Measure(LOSS, True) if is_labelled(population).any() else None
    exists = any(prefix + name in population.samples for prefix in PREFIXES)
    why = ", which has no two different values, or no direction" if exists else ""
    listed = _closest(name, [one.name for one in known.values()])
    raise ValueError(f"measure must be one of {listed or 'none that this run has'}; got {name!r}{why}.")


def _closest(name: str, known: list[str]) -> str:
    """List at most ten names, those that are most like one first."""
    near = get_close_matches(name, known, n=_LISTED)
    listed = list(dict.fromkeys(near + known))
    more = f" and {len(listed) - _LISTED:,} more" if len(listed) > _LISTED else ""
    return ", ".join(listed[:_LISTED]) + more
