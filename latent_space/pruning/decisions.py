"""Prune a run: decide for every labelled training sample, with the check that shows what it costs.

**Conventions**: only labelled training samples are pruned: split training, loss finite (or a class, where a column
names classes), latents finite. `pruning.csv` has a row for each, those that are kept first; `rank` counts kept samples
from 1 and is empty for the others, and where all are kept. Rows of other samples are not in it. Its curve and the
picture of that change with it, or all stay.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.column_names import column_named
from latent_space.curves import Curve, draw_curve, save_curves
from latent_space.neighbors import build_graph
from latent_space.population import Population
from latent_space.pruning.check import FEWEST, FRACTIONS, N_SEEDS, TOLERANCE, check_pruning
from latent_space.pruning.choice import Pool
from latent_space.pruning.keeping import N_NEIGHBORS, check_strategy, choose, make_pool, n_kept
from latent_space.run_folder import CURVES_FILE, PRUNING_FILE, PRUNING_PICTURE, replaced_files
from latent_space.space import Space, sample_space


@dataclass(frozen=True, eq=False)
class Pruning:
    """What is kept of a run, and the check.

    Attributes
    ----------
    decisions : DataFrame
        A row per labelled training sample: `sample_id`, `decision` (keep or drop), `rank`, `reason`.
    fraction : float
        Share that is kept; 1 where nothing is dropped.
    curve : Curve, optional
        Of the check; None where there were too few samples for one.
    sentence : str
        What the check says.
    """

    decisions: pd.DataFrame
    fraction: float
    curve: Curve | None
    sentence: str

    @property
    def kept_ids(self) -> list[str]:
        """Ids of the samples that are kept, ranked."""
        return self._ids("keep")

    @property
    def dropped_ids(self) -> list[str]:
        """Ids of the samples that are dropped."""
        return self._ids("drop")

    def _ids(self, decision: str) -> list[str]:
        return [str(one) for one in self.decisions.loc[self.decisions["decision"] == decision, "sample_id"]]

    def write(self, run_dir: str | os.PathLike[str]) -> Path:
        """Write `pruning.csv`, the curve into `curves.json`, and its picture; return the path of the first."""
        folder = Path(run_dir)
        curves = [] if self.curve is None else [self.curve]
        with replaced_files() as temporary_name:
            self.decisions.to_csv(temporary_name(folder / PRUNING_FILE), index=False, lineterminator="\n")
            save_curves(folder, "pruning", curves, path=temporary_name(folder / CURVES_FILE))
            for curve in curves:
                draw_curve(curve, temporary_name(folder / PRUNING_PICTURE))
        if self.curve is None:
            (folder / PRUNING_PICTURE).unlink(missing_ok=True)
        return folder / PRUNING_FILE


def prune(
    population: Population,
    *,
    keep: float | None = None,
    strategy: str = "auto",
    classes: str | None = None,
    tolerance: float = TOLERANCE,
    n_seeds: int = N_SEEDS,
    random_state: int = 0,
    space: Space | None = None,
) -> Pruning:
    """Decide which labelled training samples of a population are kept.

    Parameters
    ----------
    population : Population
        With latents, and a loss or classes.
    keep : float, optional
        Share to keep; by default the smallest that the check allows, which may be all.
    strategy : str
        One of `latent_space.pruning.STRATEGIES`.
    classes : str, optional
        Column of the samples that holds their classes; its first parts may be left out.
    tolerance : float
        How far the check's score may fall below that of everything.
    n_seeds : int
        Repetitions of the check.
    random_state : int
        Seed.
    space : Space, optional
        Of the population, when it is known.

    Raises
    ------
    ValueError
        If nothing is labelled, the share or the strategy is none, or there is no such column.
    """
    check_strategy(strategy)
    if keep is not None:
        n_kept(1, keep)  # a wrong share is told before any work
    space = space or sample_space(population)
    pool = labelled_pool(population, classes=classes, random_state=random_state, space=space)
    check = None
    if len(pool) >= FEWEST:
        shares = {*FRACTIONS} if keep is None else {*FRACTIONS, keep}
        check = check_pruning(pool, strategy=strategy, fractions=[*shares], tolerance=tolerance, n_seeds=n_seeds)
    fraction = keep if keep is not None else check.proposed if check is not None else None
    n_out = len(population) - len(space)
    left_out = f" Left out, because their latents are not finite: {n_out:,}." if n_out else ""
    if check is None:
        few = f"Not checked: {len(pool)} labelled training samples are too few, {FEWEST} would do."
        curve, sentence = None, few + left_out
    else:
        curve = replace(check.curve, sentence=_told(check.curve, keep, strategy) + left_out)
        sentence = curve.sentence
    return Pruning(_decisions(pool, fraction, strategy, checked=check is not None), fraction or 1.0, curve, sentence)


def _told(curve: Curve, keep: float | None, strategy: str) -> str:
    """Return what the check says, what it measured at the share that the user asked for first."""
    if keep is None or curve.full is None:
        return curve.sentence
    place = curve.budgets.index(keep)
    own, chance = (curve.strategies[name]["mean"][place] for name in (strategy, "random"))
    if own is None or chance is None:
        return curve.sentence
    what = curve.y_label.partition(", ")[0]
    return (
        f"Keeping {100 * keep:.3g}%, as asked, gives a probe's {what} of {own:.3f}, everything {curve.full:.3f}, "
        f"as many at random {chance:.3f}. {curve.sentence}"
    )


def labelled_pool(
    population: Population, *, classes: str | None = None, random_state: int = 0, space: Space | None = None
) -> Pool:
    """Return the labelled training samples of a population, with what is known about them.

    Raises
    ------
    ValueError
        If there is none, or no such column of classes.
    """
    samples, space = population.samples, space or sample_space(population)
    if not len(space) and len(samples):
        raise ValueError("population must have samples with finite latents to be pruned; got none. Explore it again.")
    table = samples.iloc[space.rows]
    losses = table["loss"].to_numpy(np.float64, na_value=np.nan) if "loss" in table else np.full(len(table), np.nan)
    labels = None if classes is None else _class_column(table, classes)
    labelled = np.isfinite(losses) if labels is None else ~pd.isna(labels)
    if "split" in table:
        labelled &= (table["split"] == "training").to_numpy()
    own = np.flatnonzero(labelled)
    if not len(own):
        what = "a finite loss" if classes is None else f"a class in {classes}"
        raise ValueError(f"population must have training samples with {what} to be pruned; got none.")
    graph = space.graph if len(own) == len(space) else build_graph(space.latents[own], n_neighbors=N_NEIGHBORS)
    return make_pool(
        space.latents[own],
        graph=graph,
        labels=None if labels is None else labels[own],
        losses=losses[own],
        suspects=_suspects(table)[own],
        names=table["sample_id"].to_numpy(object)[own],
        random_state=random_state,
    )


def _class_column(table: pd.DataFrame, name: str) -> npt.NDArray[np.object_]:
    return table[column_named(table, name, "classes")].to_numpy(object)


def _suspects(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return which samples the insights call mislabelled; none before they have run."""
    if "is_mislabel" not in table:
        return np.zeros(len(table), bool)
    return (table["is_mislabel"] == True).to_numpy(bool)  # noqa: E712 (missing values are no suspects)


def _decisions(pool: Pool, fraction: float | None, strategy: str, *, checked: bool) -> pd.DataFrame:
    why = "the check finds nothing that can be dropped" if checked else "too few samples to check what can be dropped"
    kept, reasons, ranked = np.arange(len(pool)), np.full(len(pool), why, object), 0
    if fraction is not None:
        choice = choose(pool, fraction, strategy=strategy)
        kept, reasons, ranked = choice.kept, choice.reasons, len(choice.kept)
    dropped = np.setdiff1d(np.arange(len(pool)), kept)
    order = np.concatenate([kept, dropped])
    rank = [*range(1, ranked + 1), *[pd.NA] * (len(pool) - ranked)]
    return pd.DataFrame({
        "sample_id": pool.names[order],
        "decision": np.repeat(["keep", "drop"], [len(kept), len(dropped)]),
        "rank": pd.array(rank, dtype="Int64"),
        "reason": reasons[order],
    })  # fmt: skip
