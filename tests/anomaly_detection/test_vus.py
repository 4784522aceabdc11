"""The volumes under the surface: the authors' own figures, a literal transcription of the definition, invariants."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_detection.vus import volume_under_surface

REFERENCE = Path(__file__).parent.parent / "reference" / "vus.json"
CASES = json.loads(REFERENCE.read_text(encoding="utf-8"))["cases"]
ROWS = st.lists(st.tuples(st.booleans(), st.integers(-3, 5)), min_size=2, max_size=60).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def columns(rows):
    labels, scores = zip(*rows, strict=True)
    return np.array(labels), np.array(scores, float)


def by_definition(labels, scores, lengths, window, n_thresholds=250):
    """The module's docstring, word by word, with loops over windows, thresholds, events and rows."""
    n, owner = len(labels), np.repeat(np.arange(len(lengths)), lengths)
    cuts = [i for i in range(n) if labels[i] and (i == 0 or not labels[i - 1] or owner[i] != owner[i - 1])]
    events = []
    for start in cuts:
        stop = start
        while stop < n and labels[stop] and owner[stop] == owner[start]:
            stop += 1
        events.append((start, stop - 1))
    thresholds = np.sort(scores)[::-1][np.linspace(0, n - 1, n_thresholds).astype(int)]
    areas = []
    for w in range(window + 1):
        weights, groups = np.zeros(n), []
        for start, stop in events:
            near = [i for i in range(start - w // 2, stop + w // 2 + 1) if 0 <= i < n and owner[i] == owner[start]]
            for i in near:
                distance = max(start - i, i - stop)
                if distance > 0:
                    weights[i] += np.sqrt(1 - distance / w)
            touches = groups and groups[-1][0] == owner[start] and groups[-1][2] >= start - w // 2
            if touches:
                groups[-1] = (owner[start], groups[-1][1] | set(near), stop + w // 2)
            else:
                groups.append((owner[start], set(near), stop + w // 2))
        weights[labels] = 0
        weights = np.minimum(weights, 1)
        curve = [(0.0, 0.0, 1.0)]
        for threshold in thresholds:
            flags = scores >= threshold
            buffer = weights[flags].sum()
            hits, positives = (labels & flags).sum() + buffer, labels.sum() + buffer / 2
            found = np.mean([any(flags[i] for i in rows) for _, rows, _ in groups])
            recall = min(hits / positives, 1) * found
            curve.append((recall, (flags.sum() - hits) / (n - positives), hits / flags.sum()))
        recall, false_rate, precision = np.array(curve).T
        pr = np.sum(np.diff(recall) * precision[1:])
        areas.append((np.trapezoid([*recall, 1], [*false_rate, 1]), pr))
    return np.mean(areas, axis=0)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_equals_the_authors_implementation(case):
    volume = volume_under_surface(
        case["labels"], case["scores"], window=case["window"], n_thresholds=case["n_thresholds"]
    )
    np.testing.assert_allclose(volume, (case["vus_roc"], case["vus_pr"]), rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, window=st.integers(0, 12), cut=st.integers(0, 59))
def test_equals_the_definition(rows, window, cut):
    labels, scores = columns(rows)
    lengths = [cut, len(labels) - cut] if 0 < cut < len(labels) else [len(labels)]
    ids = np.repeat(np.arange(len(lengths)), lengths)
    volume = volume_under_surface(labels, scores, window=window, n_thresholds=30, series=ids)
    np.testing.assert_allclose(volume, by_definition(labels, scores, lengths, window, 30), rtol=0, atol=1e-12)


@settings(deadline=None)
@given(rows=ROWS, window=st.integers(0, 30))
def test_depends_on_the_order_of_scores_only(rows, window):
    labels, scores = columns(rows)
    expected = volume_under_surface(labels, scores, window=window)
    for transformed in (np.exp(scores), scores**3 - 7, 1e6 * scores):
        assert volume_under_surface(labels, transformed, window=window) == expected


@settings(deadline=None)
@given(rows=ROWS, window=st.integers(0, 30))
def test_labels_as_scores_are_perfect_and_all_lies_in_range(rows, window):
    labels, scores = columns(rows)
    assert volume_under_surface(labels, labels, window=window) == pytest.approx((1, 1), abs=1e-12)
    volume = volume_under_surface(labels, scores, window=window)
    assert 0 <= volume.pr <= 1 + 1e-12
    assert -1e-12 <= volume.roc <= 1 + 1e-12


@settings(deadline=None)
@given(rows=ROWS)
def test_without_a_buffer_and_with_every_threshold_one_event_gives_the_usual_areas(rows):
    """One event only: with several, recall is weighted by the share of events found."""
    labels, scores = columns(rows)
    order = np.argsort(~labels, kind="stable")
    labels, scores = labels[order], scores[order]
    volume = volume_under_surface(labels, scores, window=0, n_thresholds=len(labels))
    assert volume.roc == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert volume.pr == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


def test_constant_scores():
    labels = np.repeat([0, 1, 0], [100, 20, 100])
    assert volume_under_surface(labels, np.ones(220), window=0) == pytest.approx((0.5, 20 / 220), abs=1e-12)
    assert volume_under_surface(labels, np.ones(220), window=50).roc > 0.5, "buffers are half forgiven"


def test_a_late_alarm_is_forgiven_in_part():
    labels = np.repeat([0, 1, 0], [200, 20, 200])
    exact, late, lost = (np.roll(labels, shift).astype(float) for shift in (0, 10, 120))
    volumes = [volume_under_surface(labels, scores, window=40).pr for scores in (exact, late, lost)]
    assert volumes[0] > volumes[1] > volumes[2]
    assert volumes[1] > average_precision_score(labels, late)


def test_a_buffer_does_not_reach_into_the_next_series():
    labels, scores = np.repeat([0, 1, 0], [30, 10, 40]), np.repeat([0.0, 1, 0], [42, 5, 33])
    joined = volume_under_surface(labels, scores, window=20)
    parted = volume_under_surface(labels, scores, window=20, series=[40, 40])
    assert joined.pr > parted.pr


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_undefined(label):
    assert np.isnan(volume_under_surface(np.full(5, label), np.arange(5.0))).all()


def test_a_series_shorter_than_the_window_and_one_row_events_at_both_ends():
    labels, scores = np.array([1, 0, 1], bool), np.array([1.0, 0.0, 2.0])
    volume = volume_under_surface(labels, scores, window=50)
    np.testing.assert_allclose(volume, by_definition(labels, scores, [3], 50), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": -1}, "window must be a whole number of rows, at least 0; got -1"),
        ({"window": 2.5}, "got 2.5"),
        ({"n_thresholds": 1}, "n_thresholds must be at least 2; got 1"),
        ({"series": [1, 1]}, "series must be 3 ids"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        volume_under_surface([0, 1, 0], [1.0, 2.0, 3.0], **arguments)


def test_a_million_rows_take_seconds():
    rng = np.random.default_rng(0)
    labels = np.zeros(1_000_000, bool)
    for start in rng.integers(0, 999_000, 300):
        labels[start : start + 160] = True
    assert 0 < volume_under_surface(labels, rng.normal(size=len(labels)) + labels).pr < 1
