"""What a replay says in words and curves: how many labels a strategy saves, or that it saves none.

**Conventions**: the target is what random reaches, on average over the seeds: of failures with the largest budget; of
accuracy, which soon levels off, with the middle one. Labels needed to reach it are interpolated between budgets. A
difference at the target counts where it is not 0, seed by seed, by Student's t at 95 %; seeds repeat the draw of the
start and of random, not of the samples.
"""

import numpy as np
import numpy.typing as npt

from latent_space.curves import Curve, summary
from latent_space.labelling.replay import Replay

Floats = npt.NDArray[np.float64]
DEFAULT = "auto"
_CONFIDENCE = 0.975


def labelling_curves(replay: Replay, failures: str, *, strategy: str = DEFAULT) -> list[Curve]:
    """Return the curve of failures found and, where there are classes, of a probe's accuracy.

    Parameters
    ----------
    replay : Replay
        With `random` and `auto` among its strategies.
    failures : str
        Which samples are failures, in words.
    strategy : str
        The one to tell about; of `random` there is nothing to tell, so it is `auto` then.
    """
    own = DEFAULT if strategy == "random" else strategy
    n_seeds = len(next(iter(replay.found.values())))
    of_all = "" if replay.n_samples == replay.n_known else f"{replay.n_samples:,} of "
    held_out = ", a quarter of them held out for the probe" if replay.accuracy else ""
    where = f"replayed {n_seeds} times on {of_all}{replay.n_known:,} labelled samples{held_out}"
    found = Curve(
        "Failures found per label",
        "labels spent",
        f"failures found ({failures}), %",
        replay.budgets.tolist(),
        {name: summary(scores) for name, scores in replay.found.items()},
        n_seeds,
        f"{saving_in_words(replay.budgets, replay.found, f'failures ({failures})', own=own)} ({where})",
        100.0,
    )
    if not replay.accuracy:
        return [found]
    middle = len(replay.budgets) // 2
    told = saving_in_words(replay.budgets, replay.accuracy, "accuracy of a linear probe", own=own, at=middle)
    probe = Curve(
        "Accuracy of a probe per label",
        "labels spent",
        "accuracy of a linear probe on held-out samples, %",
        replay.budgets.tolist(),
        {name: summary(scores) for name, scores in replay.accuracy.items()},
        n_seeds,
        f"{told} ({where})",
    )
    return [found, probe]


def saving_in_words(
    budgets: npt.NDArray[np.int64], scores: dict[str, Floats], what: str, *, own: str = DEFAULT, at: int = -1
) -> str:
    """Say how many labels a strategy, `auto` by default, saves against `random`.

    Examples
    --------
    >>> scores = {"random": np.array([[9.0, 20, 40], [9, 21, 41]]), "auto": np.array([[9.0, 40, 60], [9, 42, 60]])}
    >>> saving_in_words(np.array([10, 20, 40]), scores, "failures")
    'auto needs 20 labels for the failures that random reaches with 40 (40 %): 50 % fewer'
    """
    mine, chance = scores[own], scores["random"]
    spent, reached = int(budgets[at]), float(chance[:, at].mean())
    verdict = compared(mine[:, at], chance[:, at])
    needed = labels_needed(budgets, mine, reached)
    with_last = f"with {spent:,} labels it reaches {mine[:, at].mean():.0f} %, random {reached:.0f} %"
    if verdict > 0:
        fewer = 100 * (spent - needed) / spent
        return (
            f"{own} needs {needed:,.0f} labels for the {what} that random reaches with {spent:,} "
            f"({reached:.0f} %): {fewer:.0f} % fewer{_no_better_below(budgets[:at], mine, chance)}"
        )
    if verdict == 0:
        return (
            f"{own} saves no labels here that could be told from chance; {what}: {with_last}{_better(scores, own, at)}"
        )
    return f"{own} saves no labels here, it is worse than random; {what}: {with_last}{_better(scores, own, at)}"


def labels_needed(budgets: npt.NDArray[np.int64], scores: Floats, target: float) -> float:
    """Return with how many labels the mean over the seeds first reaches a target; infinite where it never does.

    Examples
    --------
    >>> float(labels_needed(np.array([10, 20, 40]), np.array([[0.0, 10.0, 30.0]]), 20.0))
    30.0
    """
    mean = np.maximum.accumulate(scores.mean(axis=0))
    if mean[-1] < target:
        return float("inf")
    after = int(np.argmax(mean >= target))
    if after == 0:
        return float(budgets[0])
    share = (target - mean[after - 1]) / (mean[after] - mean[after - 1])
    return float(budgets[after - 1] + share * (budgets[after] - budgets[after - 1]))


def compared(scores: Floats, others: Floats) -> int:
    """Return 1 where scores are higher than others beyond chance, -1 where lower, 0 where nobody can tell."""
    from scipy.stats import t

    difference = scores - others
    if len(difference) < 2:
        return 0
    error = difference.std(ddof=1) / np.sqrt(len(difference)) * t.ppf(_CONFIDENCE, len(difference) - 1)
    return int(np.sign(difference.mean())) if abs(difference.mean()) > error else 0


def _no_better_below(budgets: npt.NDArray[np.int64], mine: Floats, chance: Floats) -> str:
    """Say up to how many labels, the start left out, a strategy is no better than random beyond chance."""
    alike = [int(n) for place, n in enumerate(budgets) if place and compared(mine[:, place], chance[:, place]) <= 0]
    return f", but up to {max(alike):,} labels it is no better than random" if alike else ""


def _better(scores: dict[str, Floats], own: str, at: int) -> str:
    """Name the strategy that did best, if it beat random beyond chance."""
    name = max(scores, key=lambda one: (float(scores[one][:, at].mean()), one))
    if name in ("random", own) or compared(scores[name][:, at], scores["random"][:, at]) <= 0:
        return ""
    return f"; {name} did best here ({scores[name][:, at].mean():.0f} %), chosen after looking"
