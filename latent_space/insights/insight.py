"""One finding, its file, and its sentence.

**Conventions**: `insights.json` holds ``{"insights": [...], "clusterings": {...}}``, the findings in the order in which
a person should look at them. Severity is higher = worse and compares findings of one kind, whatever their measures.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.run_folder import INSIGHTS_FILE, read_file, read_json, replaced_files, write_json

FAILING = "low_performance"
UNUSUAL = "unusual_prediction"
KINDS = (
    FAILING,
    "overfitting",
    "mislabel",
    "leak",
    "near_duplicate",
    "outlier",
    UNUSUAL,
    "domain_gap",
    "over_represented",
)


@dataclass(frozen=True)
class Insight:
    """A finding about a group of samples.

    Attributes
    ----------
    id : str
        Unique in its run, `<kind>_<number>`.
    kind : str
        One of `KINDS`.
    title, description : str
        A few words, and sentences.
    size : int
        Samples.
    severity : float
        How bad it is, comparable within a kind; that of a measure is explained in `effects`.
    p_value : float or None
        Corrected for all that was tried; None where the check has its own error rate.
    measure : str or None
        Column of the measure it is about.
    explained_by : tuple of dict
        ``{"column": ..., "text": ...}``: the metadata that sets the samples apart, the most informative first.
    sample_ids : tuple of str
        The worst first.
    """

    id: str
    kind: str
    title: str
    description: str
    size: int
    severity: float
    p_value: float | None
    measure: str | None
    explained_by: tuple[dict[str, str], ...]
    sample_ids: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Insights:
    """All findings of a run and the columns they add to the table of samples.

    Attributes
    ----------
    insights : tuple of Insight
        In the order in which a person should look at them.
    columns : dict of (n_rows,) arrays
        Clusters, scores and verdicts.
    clusterings : dict
        Of every method of clustering, what chose its number.
    instance_columns : dict of (n_instances,) arrays
        Scores of the objects, where they were judged.
    """

    insights: tuple[Insight, ...]
    columns: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    clusterings: dict[str, Any] = field(default_factory=dict)
    instance_columns: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


def write_insights(run_dir: str | os.PathLike[str], insights: Insights) -> Path:
    """Write `insights.json` into a run folder."""
    path = Path(run_dir) / INSIGHTS_FILE
    content = {
        "insights": [_to_dict(one) for one in insights.insights],
        "clusterings": dict(insights.clusterings),
    }
    with replaced_files() as temporary_name:
        write_json(temporary_name(path), content)
    return path


def read_insights(run_dir: str | os.PathLike[str]) -> Insights:
    """Read `insights.json` of a run folder; the columns are in the table of samples and not read again.

    Returns
    -------
    Insights
        None in it where the file is absent.

    Raises
    ------
    ValueError
        If the file is there but is not what `write_insights` writes.
    """
    path = Path(run_dir) / INSIGHTS_FILE
    content = read_file(path, read_json) or {}
    try:
        found = tuple(_from_dict(one) for one in content.get("insights", []))
        return Insights(found, {}, dict(content.get("clusterings", {})))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"{path} must hold insights; got {type(error).__name__} {error}. Run `armscope explore` again."
        raise ValueError(message) from error


def sentences(insights: Insights | Sequence[Insight], n: int = 3) -> list[str]:
    """Return the failing slices in plain words, the first `n`.

    Examples
    --------
    >>> one = Insight("low_performance_1", FAILING, "loss: tote = blue", "Worse.", 9, 1.0, 0.01, "loss", (), ("a",))
    >>> sentences([one])
    ['Worse.']
    """
    listed = insights.insights if isinstance(insights, Insights) else insights
    return [one.description for one in listed if one.kind == FAILING][:n]


def written(value: float, digits: int = 3) -> str:
    """Write a number with the digits that count.

    Examples
    --------
    >>> written(0.04321), written(1234.5), written(0.0), written(5.83, 2)
    ('.0432', '1234', '0', '5.8')
    """
    value = round(value, 12) + 0.0  # no -0
    text = f"{value:.{digits}g}" if abs(value) < 10**digits - 0.5 else f"{value:.0f}"
    if "e" in text:
        return text
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def listed(texts: Sequence[str]) -> str:
    """Write a list as in a sentence.

    Examples
    --------
    >>> listed(["wet = yes"]), listed(["wet = yes", "level > 3", "old = no"])
    ('wet = yes', 'wet = yes, level > 3 and old = no')
    """
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]


def _to_dict(one: Insight) -> dict[str, Any]:
    names = list(Insight.__dataclass_fields__)
    return {name: getattr(one, name) for name in names}


def _from_dict(content: Mapping[str, Any]) -> Insight:
    texts = {name: str(content[name]) for name in ("id", "kind", "title", "description")}
    chance, measure, severity = content["p_value"], content["measure"], content["severity"]
    return Insight(
        **texts,
        size=int(content["size"]),
        severity=float("nan") if severity is None else float(severity),
        p_value=None if chance is None else float(chance),
        measure=None if measure is None else str(measure),
        explained_by=tuple({str(key): str(text) for key, text in one.items()} for one in content["explained_by"]),
        sample_ids=tuple(str(one) for one in np.asarray(content["sample_ids"], object)),
    )
