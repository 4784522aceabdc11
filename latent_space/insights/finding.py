"""All insights of a run: clusters, slices and checks, as findings for people and as columns for every later stage.

**Conventions**: columns have one value per row of the table; rows without latents have NaN, -1 or False. Findings come
in the order of `insight.KINDS`. The same population and `random_state` give the same findings.
"""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.clustering import CLUSTER_METHODS, Clusters, cluster, subgroups
from latent_space.insights import checks
from latent_space.insights.conditions import short_names, yes_no
from latent_space.insights.copies import Looks, find_copies
from latent_space.insights.domains import DomainGap, find_domain_gaps
from latent_space.insights.doubts import find_doubts
from latent_space.insights.explanations import explain
from latent_space.insights.insight import FAILING, UNUSUAL, Insight, Insights, written
from latent_space.insights.performance import Judged, find_failing, find_overfitting
from latent_space.insights.slices import SliceFinder
from latent_space.measures import measures
from latent_space.population import Population
from latent_space.space import Space

_MOST_NOISE = 0.3
_LARGEST_CLUSTER = 0.9
_MOST_GAPS = 10
_META = "meta_"
_LABEL = re.compile(r"_(label|class|category|target)(_|$)")

TITLES = {
    "mislabel": "ground truths in doubt",
    "leak": "shared by training and validation or test",
    "near_duplicate": "near-duplicates",
    "outlier": "far from everything else",
    "over_represented": "over-represented region",
}
_TEXTS = {
    "leak": "{n} samples are near-duplicates across splits: scores on them flatter the model.",
    "near_duplicate": "{n} samples in {groups} groups are all but the same, for the model or to the eye.",
    "outlier": "{n} samples lie farther from their neighbours than chance explains (up to {worst} times the usual).",
    "over_represented": "{n} samples lie at most half as far apart as is usual: they say much the same.",
}


def find_insights(
    population: Population,
    space: Space,
    *,
    clusters: dict[str, Clusters] | None = None,
    looks: Looks | None = None,
    random_state: int = 0,
) -> Insights:
    """Find where and why the model fails, and what is wrong with the data.

    Parameters
    ----------
    population : Population
        With latents.
    space : Space
        Of its samples.
    clusters : dict, optional
        Per method, where they are known.
    looks : (n_samples, 192) array, optional
        Of `latent_space.insights.copies.read_looks`: samples that look the same are near-duplicates, too.
    random_state : int
        Seed of clusters, regions and permutations.

    Returns
    -------
    Insights
        Findings, and the columns `cluster_id` (the one to show), `cluster_id_<method>`, `distance_to_center`,
        `subgroup_id`, `near_duplicate_group`, and per check `<name>_score` (higher = more suspicious) and `is_<name>`;
        of the instances `mislabel_score`, where they were judged.
    """
    rows = population.samples.iloc[space.rows].reset_index(drop=True)
    if clusters is None:
        clusters = {name: cluster(space, method=name, random_state=random_state) for name in CLUSTER_METHODS}
    shown = _shown(clusters)
    groups = subgroups(space.latents, clusters[shown].cluster_ids, random_state=random_state)
    columns: dict[str, npt.NDArray[Any]] = {
        "cluster_id": _spread(space, clusters[shown].cluster_ids),
        **{f"cluster_id_{name}": _spread(space, one.cluster_ids) for name, one in clusters.items()},
        "distance_to_center": space.spread(clusters[shown].distances_to_center),
        "subgroup_id": _spread(space, groups),
    }
    doubts = find_doubts(rows, population.instances, space, _splits(rows), random_state=random_state)
    copies = find_copies(space.latents, None if looks is None else looks[space.rows], graph=space.graph)
    found_checks = _checks(rows, space, groups, doubts.check, copies)
    duplicate_groups = copies["near_duplicate_group"].to_numpy(np.int64)
    columns["near_duplicate_group"] = _spread(space, duplicate_groups)
    judged = _judged(population, rows, space, [one.cluster_ids for one in clusters.values()], random_state)
    slices, overfitting = find_failing(judged), find_overfitting(judged)
    failing, unusual = ([one for one in slices if one.kind == kind] for kind in (FAILING, UNUSUAL))
    found_checks[FAILING] = _low_performance(judged, space, failing)
    for name, check in found_checks.items():
        columns[f"{name}_score"] = space.spread(check.score)
        columns[f"is_{name}"] = _spread(space, check.verdict.astype(np.int64), fill=0).astype(bool)
    listed = [name for name in TITLES if name in found_checks]
    texts = {name: _text(name, found_checks[name], duplicate_groups) for name in listed} | {"mislabel": doubts.text}
    about_samples = [one for name in listed for one in _about(name, found_checks[name], rows, texts[name])]
    gaps = find_domain_gaps(space.graph, _domain_table(rows), random_state=random_state)
    names = dict(
        zip(_domain_table(rows).columns, short_names(list(map(str, _domain_table(rows).columns))), strict=True)
    )
    about_domains = [_gap_insight(number, gap, rows, names) for number, gap in enumerate(gaps[:_MOST_GAPS], start=1)]
    ordered = [*failing, *overfitting, *about_samples[: _n_before(about_samples)], *unusual, *about_domains]
    ordered += about_samples[_n_before(about_samples) :]
    facts = {name: {**one.criterion, "noise_share": one.noise_share} for name, one in clusters.items()}
    return Insights(tuple(ordered), columns, {"shown": shown, **facts}, doubts.instance_columns)


def add_insights(
    population: Population, space: Space, *, insights: Insights | None = None, random_state: int = 0
) -> Population:
    """Return the population with the columns of `find_insights`; those of an earlier run are replaced."""
    found = insights or find_insights(population, space, random_state=random_state)
    for name, values in found.columns.items():
        population = population.with_column(name, values, replace=True)
    for name, values in found.instance_columns.items():
        population = population.with_column(name, values, table="instances", replace=True)
    return population


def _shown(clusters: dict[str, Clusters]) -> str:
    """Prefer HDBSCAN where it finds several clusters, none of nearly all samples, and leaves few out."""
    density = clusters.get("hdbscan")
    if (
        density is not None
        and density.n_clusters > 1
        and density.noise_share <= _MOST_NOISE
        and ((density.cluster_ids == 0).mean() <= _LARGEST_CLUSTER)
    ):
        return "hdbscan"
    return "kmeans" if "kmeans" in clusters else next(iter(clusters))


def _spread(space: Space, values: npt.NDArray[np.int64], fill: int = -1) -> npt.NDArray[np.int64]:
    return space.spread(values, fill=fill).astype(np.int64)


def _splits(rows: pd.DataFrame) -> npt.NDArray[np.str_]:
    return rows["split"].astype(str).to_numpy(str) if "split" in rows else np.full(len(rows), "samples")


def _judged(
    population: Population,
    rows: pd.DataFrame,
    space: Space,
    groups: Iterable[npt.NDArray[np.int64]],
    random_state: int,
) -> Judged:
    metadata = rows[[column for column in rows if str(column).startswith(_META)]]
    finder = SliceFinder(space.latents, metadata, groups=list(groups), random_state=random_state)
    errors = [(measure, measure.errors(rows)) for measure in measures(population)]
    known = [(measure, values) for measure, values in errors if np.isfinite(values).any()]
    return Judged(finder, known, _splits(rows), rows["sample_id"].to_numpy(object))


def _checks(
    rows: pd.DataFrame,
    space: Space,
    groups: npt.NDArray[np.int64],
    mislabels: checks.Check,
    copies: pd.DataFrame,
) -> dict[str, checks.Check]:
    graph = space.graph
    return {
        "mislabel": mislabels,
        "leak": checks.find_leaks(graph, _splits(rows), copies),
        "near_duplicate": checks.Check(
            copies["near_duplicate_score"].to_numpy(), copies["is_near_duplicate"].to_numpy()
        ),
        "outlier": checks.find_outliers(graph),
        "over_represented": checks.find_crowded(graph, groups),
    }


def _low_performance(judged: Judged, space: Space, failing: list[Insight]) -> checks.Check:
    """Score samples by the error of their neighbours and their own, in ranks of the first measure."""
    score = np.full(len(space), np.nan)
    if judged.measures:
        from scipy.stats import rankdata

        errors = judged.measures[0][1]
        known = np.isfinite(errors)
        ranks = np.full(len(errors), np.nan)
        ranks[known] = (rankdata(errors[known]) - 0.5) / known.sum()
        near = np.column_stack([ranks, ranks[space.graph.indices]])
        counts = np.isfinite(near).sum(axis=1)
        score = np.where(counts > 0, np.nansum(near, axis=1) / np.maximum(counts, 1), np.nan)
    members = {sample_id for one in failing for sample_id in one.sample_ids}
    return checks.Check(score, np.array([one in members for one in judged.sample_ids], bool))


def _text(name: str, check: checks.Check, duplicate_groups: npt.NDArray[np.int64]) -> str:
    n_groups = len(np.unique(duplicate_groups[duplicate_groups >= 0]))
    worst = np.nanmax(check.score, initial=0)
    return _TEXTS.get(name, "").format(n=f"{check.verdict.sum():,}", groups=n_groups, worst=written(float(worst)))


def _about(name: str, check: checks.Check, rows: pd.DataFrame, text: str) -> list[Insight]:
    own = np.flatnonzero(check.verdict)
    if not len(own):
        return []
    worst = own[np.argsort(-np.nan_to_num(check.score[own]), kind="stable")]
    reasons, ids = _reasons(check.verdict, rows), tuple(rows["sample_id"].iloc[worst].astype(str))
    severity = float(np.nanmean(check.score[own]))
    return [Insight(f"{name}_1", name, TITLES[name], text, len(own), severity, None, None, reasons, ids)]


def _n_before(found: list[Insight]) -> int:
    return sum(one.kind != "over_represented" for one in found)


def _reasons(inside: npt.NDArray[np.bool_], rows: pd.DataFrame) -> tuple[dict[str, str], ...]:
    table = rows[[column for column in rows if str(column).startswith(_META) or column == "split"]]
    return tuple({"column": one.column, "text": one.text} for one in explain(inside, table))


def _domain_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the splits and the metadata but for labels: classes shall lie apart."""
    named = [str(column) for column in rows]
    kept = [name for name in named if name == "split" or (name.startswith(_META) and not _LABEL.search(name))]
    return rows[kept]


def _gap_insight(number: int, gap: DomainGap, rows: pd.DataFrame, names: dict[str, str]) -> Insight:
    name = f"{names[gap.column]} = {yes_no(gap.value)}"
    text = (
        f"The {len(gap.indices):,} samples with {name} keep to themselves in latent space: {gap.severity:.0%} of the"
        " way from mixed with the others to apart from them."
    )
    inside = np.isin(np.arange(len(rows)), gap.indices)
    ids = tuple(rows["sample_id"].iloc[gap.indices].astype(str))
    reasons = (
        {"column": gap.column, "text": name},
        *(one for one in _reasons(inside, rows) if one["column"] != gap.column),
    )
    return Insight(
        f"domain_gap_{number}",
        "domain_gap",
        f"domain gap: {name}",
        text,
        len(gap.indices),
        gap.severity,
        gap.p_value,
        None,
        reasons,
        ids,
    )
