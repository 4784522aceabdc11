"""A population -> the samples to label next, each with its predicted error and a reason, and the curve behind it.

**Conventions**: predicted errors are those of `target`: in the units of the measure, higher = worse, or the chance of a
failure. Without labelled samples there is no prediction and no curve, and the strategies that
need one are an error; `auto` is then coverage alone, and the notes say so.
"""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.curves import Curve, draw_curve, save_curves
from latent_space.labelling.accuracy import Accuracy, worst
from latent_space.labelling.choice import NEARLY_ALL, choose_target
from latent_space.labelling.prediction import LEAST_KNOWN, PredictedError, predict_error
from latent_space.labelling.ranking import rank_for_labelling
from latent_space.labelling.reasons import Reasons
from latent_space.labelling.replay import LEAST_FAILURES, LEAST_SAMPLES, replay
from latent_space.labelling.request import (
    Request,
    candidates,
    check_classes,
    check_groups,
    column,
    comparable_errors,
    is_labelled,
    known_columns,
    measured_errors,
)
from latent_space.labelling.target import Target
from latent_space.labelling.verdict import labelling_curves
from latent_space.measures import LOSS, Measure
from latent_space.population import Population
from latent_space.run_folder import CURVES_FILE, LABELLING_FILE, LABELLING_PICTURE, PROBE_PICTURE, replaced_files
from latent_space.space import Space, sample_space

_COLUMNS = {"predicted_error": "mean", "predicted_error_low": "low", "predicted_error_high": "high"}


@dataclass(frozen=True, eq=False)
class Labelling:
    """What to label next, and what speaks for it.

    Attributes
    ----------
    table : DataFrame
        rank (from 1), sample_id, predicted_error, predicted_error_low, predicted_error_high, reason.
    population : Population
        With the predicted error of every sample as columns, where there is one.
    accuracy : Accuracy, optional
        Of the prediction; None where nothing is predicted of the samples that may be picked.
    curves : tuple of Curve
        Of failures found, and of a probe; empty where nothing could be replayed.
    notes : tuple of str
        What the user should know: fewer picks than asked for, no prediction, no curve.
    measure : str, optional
        Column that says what went wrong.
    choice : str
        Which measure was chosen and why; empty where the request named it.
    """

    table: pd.DataFrame
    population: Population
    accuracy: Accuracy | None
    curves: tuple[Curve, ...]
    notes: tuple[str, ...]
    measure: str | None = None
    choice: str = ""

    def write(self, run_dir: str | os.PathLike[str]) -> Path:
        """Write `labelling.csv`, the curves with their pictures, and the samples' new columns; return the CSV.

        The table, the curves and the pictures change together, or all stay.
        """
        folder, pictures = Path(run_dir), (LABELLING_PICTURE, PROBE_PICTURE)
        with replaced_files() as temporary_name:
            self.table.to_csv(temporary_name(folder / LABELLING_FILE), index=False)
            save_curves(folder, "labelling", self.curves, path=temporary_name(folder / CURVES_FILE))
            for curve, name in zip(self.curves, pictures, strict=False):
                draw_curve(curve, temporary_name(folder / name))
        for name in pictures[len(self.curves) :]:
            (folder / name).unlink(missing_ok=True)
        self.population.save(folder)
        return folder / LABELLING_FILE


@dataclass(frozen=True, eq=False)
class _Case:
    """A request with what the population says to it: arrays are aligned to the rows of the space."""

    population: Population
    space: Space
    request: Request
    target: Target | None
    choice: str
    errors: npt.NDArray[np.float64]
    measured: npt.NDArray[np.float64]
    columns: npt.NDArray[np.float64] | None
    free: npt.NDArray[np.bool_]
    n_left_out: int

    def column(self, name: str, argument: str) -> npt.NDArray[Any]:
        return np.asarray(column(self.population, name, argument).to_numpy()[self.space.rows])


def recommend_labelling(population: Population, request: Request, *, space: Space | None = None) -> Labelling:
    """Choose the samples to label next, and measure whether choosing pays.

    Parameters
    ----------
    population : Population
        With latents.
    request : Request
        What to pick.
    space : Space, optional
        Of its samples, where it is known.

    Raises
    ------
    ValueError
        If nothing can be picked, or the request does not fit the population.
    """
    case = _case(population, request, space)
    predicted = None
    if np.isfinite(case.errors).any():
        groups = None if request.groups is None else case.column(request.groups, "groups")
        predicted = predict_error(
            case.space.latents, case.errors, columns=case.columns, groups=groups, random_state=request.random_state
        )
        predicted = predicted.where_known(case.measured)
    table = _table(case, predicted)
    needs_labels = not np.isfinite(case.measured[case.free]).any()
    curves = _curves(case) if needs_labels else []
    for name, values in {} if predicted is None else _figures(case, predicted).items():
        population = population.with_column(name, case.space.spread(values), replace=True)
    notes = _notes(case, predicted, table)
    if not curves and needs_labels and case.target is not None and predicted is not None:
        notes += [
            f"No curve: it takes {LEAST_SAMPLES} labelled samples whose {case.target.label} is not the same, "
            f"and {LEAST_FAILURES} failures."
        ]
    is_predicted = predicted is not None and np.isnan(case.measured[case.free]).any()
    accuracy = predicted.accuracy if predicted is not None and is_predicted else None
    measure = None if case.target is None else case.target.measure.column
    return Labelling(table, population, accuracy, tuple(curves), tuple(notes), measure=measure, choice=case.choice)


def _case(population: Population, request: Request, space: Space | None) -> _Case:
    free = candidates(population, request)
    choice = choose_target(population, request.measure)
    target, space = choice.target, space or sample_space(population)
    mine = free[space.rows]
    if not mine.any():
        raise ValueError("samples without a label must have finite latents; got none that has. Explore the run again.")
    errors, measured = np.full((2, len(space)), np.nan)
    columns = None if target is None else known_columns(population, target)
    columns = None if columns is None else columns[space.rows]
    if target is not None:
        errors = comparable_errors(population, target)[space.rows]
        measured = measured_errors(population, target)[space.rows]
    n_left_out = int(free.sum() - mine.sum())
    case = _Case(population, space, request, target, choice.sentence, errors, measured, columns, mine, n_left_out)
    if request.groups is not None:
        check_groups(case.column(request.groups, "groups"), mine, request)
    if request.classes is not None:
        check_classes(case.column(request.classes, "classes")[np.isfinite(errors)], request.classes)
    return case


def _figures(case: _Case, predicted: PredictedError) -> dict[str, npt.NDArray[np.float64]]:
    """Return what is told of a prediction: a chance is one between 0 and 1."""
    figures = {name: np.asarray(getattr(predicted, attribute)) for name, attribute in _COLUMNS.items()}
    is_chance = case.target is not None and case.target.is_binary
    return {name: np.clip(values, 0, 1) if is_chance else values for name, values in figures.items()}


def _table(case: _Case, predicted: PredictedError | None) -> pd.DataFrame:
    space, request = case.space, case.request
    labelled = is_labelled(case.population)[space.rows]
    picks = rank_for_labelling(
        space.latents,
        request.budget,
        strategy=request.strategy,
        labelled=labelled,
        candidates=case.free,
        predicted_error=predicted,
        groups=None if request.groups is None else case.column(request.groups, "groups"),
        floors={name: (case.column(name, "floor"), least) for name, least in request.floors.items()},
        graph=space.graph,
        random_state=request.random_state,
    )
    ids = case.population.samples["sample_id"].to_numpy()[space.rows]
    target = case.target or Target(Measure(LOSS, True))
    words = Reasons(space.graph, labelled, predicted, target).in_words(picks, ids)
    rows = np.array([row for row, _ in picks], np.int64)
    facts = {name: np.full(len(rows), np.nan) for name in _COLUMNS}
    if predicted is not None:
        facts = {name: values[rows] for name, values in _figures(case, predicted).items()}
    return pd.DataFrame({"rank": np.arange(1, len(rows) + 1), "sample_id": ids[rows], **facts, "reason": words})


def _curves(case: _Case) -> list[Curve]:
    usable = np.isfinite(case.errors)
    classes = None if case.request.classes is None else case.column(case.request.classes, "classes")
    if classes is not None:
        usable &= pd.notna(classes)
    known = np.flatnonzero(usable)
    errors = case.errors[known]
    if case.target is None or len(known) < LEAST_SAMPLES or np.ptp(errors) == 0 or worst(errors).sum() < LEAST_FAILURES:
        return []
    done = replay(
        case.space.latents[known],
        errors,
        columns=None if case.columns is None else case.columns[known],
        classes=None if classes is None else classes[known],
        random_state=case.request.random_state,
    )
    return labelling_curves(done, case.target.failures, strategy=case.request.strategy)


def _notes(case: _Case, predicted: PredictedError | None, table: pd.DataFrame) -> list[str]:
    request, n_free = case.request, int(case.free.sum())
    notes = []
    if case.n_left_out:
        notes.append(f"Left out, because their latents are not finite: {case.n_left_out:,}.")
    if len(table) < request.budget:
        why = "whole groups that fit" if n_free >= request.budget else "samples that can be picked"
        notes.append(f"{len(table):,} instead of {request.budget:,}: there are no more {why}.")
    if request.sample_ids is not None:
        n_known = len(set(request.sample_ids)) - n_free - case.n_left_out
        notes += [f"Of the chosen samples {n_known:,} have a label already."] if n_known else []
    if predicted is None:
        notes.append("No sample has a label, so nothing is predicted and no curve can be drawn: ranked without it.")
    elif predicted.accuracy.n_known < LEAST_KNOWN or np.ptp(predicted.mean[case.free]) == 0:
        notes.append("The labelled samples tell nothing about the error of the others: coverage alone ranks them.")
    if case.target is not None and np.isfinite(case.measured[case.free]).any():
        notes.append(
            f"The {case.target.label} of unlabelled samples is measured, not predicted: sorting by it takes no label, "
            "so there is no curve of labels saved."
        )
    n_labelled, n_judged = int(is_labelled(case.population)[case.space.rows].sum()), int(np.isfinite(case.errors).sum())
    if case.target is not None and n_judged < NEARLY_ALL * n_labelled:
        notes.append(
            f"The {case.target.label} is known for {n_judged:,} of {n_labelled:,} labelled samples; what is predicted "
            "holds for such samples only."
        )
    if len(case.space) > 1 and (case.space.latents == case.space.latents[0]).all():
        notes.append("All latents are the same: nothing tells the samples apart.")
    return notes


def as_facts(labelling: Labelling) -> dict[str, Any]:
    """Return everything but the population, for JSON."""
    return {
        "measure": labelling.measure,
        "choice": labelling.choice,
        "picks": labelling.table.to_dict("records"),
        "accuracy": None if labelling.accuracy is None else dataclasses.asdict(labelling.accuracy),
        "sentences": [curve.sentence for curve in labelling.curves],
        "notes": list(labelling.notes),
    }
