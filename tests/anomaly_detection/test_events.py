"""Events, delays and range-based scores by hand, against other implementations, and in the empty cases."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_detection.events import count_events, find_ranges, range_scores, row_numbers, series_starts

REFERENCE = Path(__file__).parent.parent / "reference" / "vus.json"
ONE = np.zeros(1, np.int64)
CASES = [case for case in json.loads(REFERENCE.read_text(encoding="utf-8"))["cases"] if "flags" in case]
ROWS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50)


def bits(text):
    """'0110' -> an array of bool."""
    return np.array([letter == "1" for letter in text])


def columns(rows):
    labels, flags = zip(*rows, strict=True)
    return np.array(labels), np.array(flags)


def test_ranges_are_cut_where_a_series_starts():
    flags = bits("0110110")
    assert find_ranges(flags, ONE).tolist() == [[1, 3], [4, 6]]
    assert find_ranges(flags, np.array([0, 2, 3])).tolist() == [[1, 2], [2, 3], [4, 6]]
    assert find_ranges(bits("111"), ONE).tolist() == [[0, 3]]
    assert find_ranges(bits("1"), ONE).tolist() == [[0, 1]]
    assert find_ranges(bits("000"), ONE).shape == (0, 2)


@given(rows=ROWS)
def test_ranges_hold_exactly_the_flagged_rows(rows):
    flags, _ = columns(rows)
    found = np.zeros(len(flags), int)
    for start, stop in find_ranges(flags, ONE):
        found[start:stop] += 1
    np.testing.assert_array_equal(found, flags)


def test_series_are_ids_or_lengths():
    assert series_starts(None, 4).tolist() == [0]
    assert series_starts([3, 1], 4).tolist() == [0, 3]
    assert series_starts(["b", "b", "a", "b"], 4).tolist() == [0, 2, 3], "an id that comes back is a new stretch"
    assert row_numbers(np.array([0, 3]), 5).tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("series", [[3, 2], [4, 0], [5, -1], [2.0, 2.0], ["a", "b"], [[4]], []])
def test_other_series_are_refused(series):
    with pytest.raises(ValueError, match=r"series must be 4 ids, one per row, or lengths greater than 0 that sum to 4"):
        series_starts(series, 4)


def test_counts_by_hand():
    #               event      event  event
    labels = bits("0011110000110000011")
    flags = bits("1100110110010110000")
    counts = count_events(labels, flags, ONE, step_s=2)
    assert (counts.n_events, counts.n_detected) == (3, 2)
    assert counts.n_false_alarms == 3, "rows 0-1, 7-8 and 13-14; the alarm at 11 is in the second event"
    assert counts.delays_s.tolist() == [4, 2]


def test_an_alarm_that_lasts_into_the_event_is_neither_late_nor_false():
    counts = count_events(bits("000111"), bits("011100"), ONE)
    assert (counts.n_false_alarms, counts.delays_s.tolist()) == (0, [0])


def test_an_alarm_right_after_an_event_is_false():
    assert count_events(bits("0110"), bits("0001"), ONE).n_false_alarms == 1


def test_a_boundary_parts_events_and_alarms():
    labels, flags = bits("0011 1100".replace(" ", "")), bits("11110000")
    assert count_events(labels, flags, ONE).n_events == 1
    counts = count_events(labels, flags, np.array([0, 4]))
    assert (counts.n_events, counts.n_detected, counts.n_false_alarms) == (2, 1, 0)


def test_without_events_or_alarms():
    counts = count_events(bits("000"), bits("101"), ONE)
    assert (counts.n_events, counts.n_detected, counts.n_false_alarms, counts.delays_s.tolist()) == (0, 0, 2, [])
    counts = count_events(bits("011"), bits("000"), ONE)
    assert (counts.n_events, counts.n_detected, counts.n_false_alarms, counts.delays_s.tolist()) == (1, 0, 0, [])


def test_range_scores_by_hand():
    """Event 1 (4 rows) meets two alarms in 2 rows, event 2 (2 rows) none; the third alarm (2 rows) is false."""
    scores = range_scores(bits("11110001100"), bits("10010000011"), ONE)
    assert scores.recall == pytest.approx((0.2 + 0.8 * (2 / 4) / 2) / 2)
    assert scores.precision == pytest.approx((1 + 1 + 0) / 3)
    assert scores.f1 == pytest.approx(2 * 0.2 * (2 / 3) / (0.2 + 2 / 3))


def test_one_alarm_over_two_events_is_half_as_precise():
    scores = range_scores(bits("110011"), bits("111111"), ONE)
    assert scores.recall == pytest.approx(1)
    assert scores.precision == pytest.approx((4 / 6) / 2)


def test_range_scores_in_the_empty_cases():
    nothing, something = bits("000"), bits("010")
    np.testing.assert_equal(tuple(range_scores(nothing, nothing, ONE)), (np.nan, np.nan, np.nan))
    np.testing.assert_equal(tuple(range_scores(something, nothing, ONE)), (np.nan, 0.0, 0.0))
    np.testing.assert_equal(tuple(range_scores(nothing, something, ONE)), (0.0, np.nan, 0.0))


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_range_scores_are_those_of_prts_and_tsb_ad(case):
    scores = range_scores(np.array(case["labels"], bool), np.array(case["flags"], bool), ONE)
    expected = [case[key] for key in ("range_precision", "range_recall", "range_f1")]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-12)


@given(rows=ROWS)
def test_perfect_flags_score_one(rows):
    labels, _ = columns(rows)
    labels[0] = True
    assert tuple(range_scores(labels, labels, ONE)) == (1, 1, 1)
    counts = count_events(labels, labels, ONE)
    assert counts.n_detected == counts.n_events
    assert counts.n_false_alarms == 0
    assert not counts.delays_s.any()


@given(rows=ROWS, cut=st.integers(1, 49))
def test_series_are_judged_as_if_alone(rows, cut):
    labels, flags = columns(rows)
    cut = min(cut, len(labels) - 1)
    if not cut:
        return
    both = count_events(labels, flags, np.array([0, cut]))
    alone = [count_events(labels[part], flags[part], ONE) for part in (slice(cut), slice(cut, None))]
    assert both[:3] == tuple(np.sum([one[:3] for one in alone], axis=0))
    assert both.delays_s.tolist() == [*alone[0].delays_s, *alone[1].delays_s]
