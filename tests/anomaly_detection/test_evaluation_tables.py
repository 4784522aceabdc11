"""Tables of results, as printed."""

import numpy as np
import pytest

from anomaly_detection.evaluation import evaluate_scores
from anomaly_detection.evaluation_tables import COLUMNS, cell, evaluation_tables, format_table
from anomaly_detection.trivial import trivial_rows

LABELS = np.repeat([0, 1, 0, 1], [40, 10, 40, 10])
TYPES = np.repeat(["normal", "SPIKE", "normal", "DRIFT"], [40, 10, 40, 10])


def result(seed=0, **options):
    rng = np.random.default_rng(seed)
    return evaluate_scores(LABELS, rng.normal(size=100) + LABELS, threshold=1, **options)


def line(text, name):
    return next(line for line in text.splitlines() if line.strip().startswith(name))


def test_one_result_is_one_line():
    one = result()
    text = format_table({"pca": one})
    assert all(heading in line(text, "detector") for heading in COLUMNS)
    assert "percent" in text.splitlines()[0]
    words = line(text, "pca").split()
    assert words[1:4] == [f"{100 * one[key]:.1f}" for key in ("f1", "precision", "recall")]
    assert words[-2:] == [f"{100 * one[key]:.1f}" for key in ("false_alarm_rate", "missed_alarm_rate")]
    assert len(words) == 1 + len(COLUMNS)
    assert "100 rows, 20 anomalous, 2 events; VUS over windows of 0 to 100 rows" in text
    assert "by anomaly type" not in text


def test_several_seeds_are_mean_and_spread():
    seeds = [result(seed) for seed in range(3)]
    values = [100 * one["f1"] for one in seeds]
    assert f"{np.mean(values):.1f} ±{np.std(values, ddof=1):.1f}" in line(format_table({"vae": seeds}), "vae")


def test_trivial_rows_stand_below():
    text = format_table({"pca": result()}, trivial=trivial_rows(LABELS, LABELS))
    order = [text.index(name) for name in ("pca", "random", "always 1", "position", "position, learned")]
    assert order == sorted(order)


def test_types_are_a_table_of_their_own():
    typed = result(types=TYPES)
    tables = evaluation_tables({"pca": typed, "vae": [typed, typed]}, title="Rig")
    assert [table.title for table in tables] == ["Rig, percent", "Rig, percent, by anomaly type"]
    text = format_table({"pca": typed})
    drift = typed["per_type"]["DRIFT"]
    assert line(text, "DRIFT").split() == [
        "DRIFT",
        "pca",
        "10",
        "1",
        *(cell([100 * drift[key]]) for key in ("recall", "event_recall", "roc_auc")),
    ]


def test_undefined_is_a_dash():
    text = format_table({"pca": evaluate_scores([0, 0], [0.0, 1.0], threshold=5)})
    assert line(text, "pca").split()[1:4] == ["-", "-", "-"]
    assert cell([float("nan")] * 3) == "-"
    assert cell([float("nan"), 0.5]) == "0.5"


def test_numbers_stay_short():
    assert [cell([value]) for value in (0.04, 99.94, 99.96, 12345.6, -3.0)] == ["0.0", "99.9", "100", "12346", "-3.0"]


def test_names_are_no_markup():
    assert "[bold]x" in format_table({"[bold]x": result()})


def test_nothing_to_print_is_an_empty_table():
    assert "detector" in format_table({})


@pytest.mark.parametrize("width", [80, 200])
def test_lines_fit(width):
    text = format_table({"pca": result(types=TYPES)}, trivial=trivial_rows(LABELS, LABELS), width=width)
    assert max(map(len, text.splitlines())) <= width


def test_one_is_singular():
    assert "1 row, 1 anomalous, 1 event; VUS" in format_table({"pca": evaluate_scores([1], [1.0], threshold=0)})
