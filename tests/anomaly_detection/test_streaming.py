import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_detection import make_detector
from anomaly_detection.streaming import StreamScorer

ROWS = np.random.default_rng(0).normal(size=(60, 3))
DETECTOR = make_detector("pca", window_size=7).fit(ROWS)
WHOLE = DETECTOR.decision_function(ROWS)


@given(cuts=st.lists(st.integers(1, 59), unique=True, max_size=8).map(sorted))
@settings(max_examples=50, deadline=None)
def test_pieces_score_as_the_whole(cuts: list[int]) -> None:
    stream = StreamScorer(DETECTOR)
    pieces = [stream.score(piece) for piece in np.split(ROWS, cuts)]
    assert np.allclose(np.concatenate(pieces), WHOLE, rtol=1e-12)


def test_a_window_of_one_row_needs_no_past() -> None:
    detector = make_detector("pca").fit(ROWS)
    stream = StreamScorer(detector)
    stream.score(ROWS[:5])
    assert np.array_equal(stream.score(ROWS[5:]), detector.decision_function(ROWS)[5:])


def test_machines_do_not_see_each_other() -> None:
    stream = StreamScorer(DETECTOR)
    first = stream.score(ROWS[:30], "a")
    other = stream.score(ROWS[:30] + 5, "b")
    rest = stream.score(ROWS[30:], "a")
    assert np.allclose(np.concatenate([first, rest]), WHOLE)
    assert np.allclose(other, DETECTOR.decision_function(ROWS[:30] + 5))


def test_bad_rows_leave_the_past_as_it_was() -> None:
    stream = StreamScorer(DETECTOR)
    stream.score(ROWS[:10])
    with pytest.raises(ValueError, match="finite"):
        stream.score(np.full((2, 3), np.nan))
    assert np.allclose(stream.score(ROWS[10:]), WHOLE[10:])


def test_a_frame_is_matched_by_name() -> None:
    frame = pd.DataFrame(ROWS, columns=["x", "y", "z"])
    detector = make_detector("pca", window_size=3).fit(frame)
    stream = StreamScorer(detector)
    scores = [stream.score(frame.iloc[:20, ::-1]), stream.score(frame.iloc[20:])]
    assert np.allclose(np.concatenate(scores), detector.decision_function(frame))


def test_forgetting_starts_anew() -> None:
    stream = StreamScorer(DETECTOR)
    stream.score(ROWS + 3)
    stream.forget()
    assert np.allclose(stream.score(ROWS), WHOLE)


@given(cuts=st.lists(st.integers(1, 59), unique=True, max_size=8).map(sorted), size=st.integers(1, 70))
@settings(max_examples=50, deadline=None)
def test_pieces_are_compared_with_the_level_of_the_whole(cuts: list[int], size: int) -> None:
    rows = np.concatenate([ROWS[:20], 4 * ROWS[20:40], ROWS[40:]])
    detector = make_detector("pca", window_size=3, baseline_size=size).fit(ROWS)
    stream = StreamScorer(detector)
    pieces = [stream.score(piece) for piece in np.split(rows, cuts)]
    assert np.allclose(np.concatenate(pieces), detector.decision_function(rows), rtol=1e-9)


def test_machines_and_a_new_start_have_levels_of_their_own() -> None:
    detector = make_detector("pca", window_size=3, baseline_size=20).fit(ROWS)
    stream = StreamScorer(detector)
    stream.score(9 * ROWS, "a")
    fresh = detector.decision_function(ROWS)
    assert np.allclose(stream.score(ROWS, "b"), fresh)
    assert (stream.score(ROWS[:5], "a")[2:] < fresh[2:5]).all()  # the first two windows see older rows
    stream.forget("a")
    assert np.allclose(stream.score(ROWS, "a"), fresh)


def test_a_row_costs_one_window_however_long_the_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = make_detector("pca", window_size=3, baseline_size=50).fit(ROWS)
    stream = StreamScorer(detector)
    stream.score(ROWS)
    scored, score = [], detector._decision_function
    monkeypatch.setattr(detector, "_decision_function", lambda rows: scored.append(len(rows)) or score(rows))
    stream.score(ROWS[:1])
    assert scored == [3]


def test_nothing_is_kept_of_what_a_past_does_not_need() -> None:
    stream = StreamScorer(make_detector("pca", window_size=3, baseline_size=5).fit(ROWS))
    stream.score(ROWS)
    rows, scores = stream._past[""]
    assert (len(rows), len(scores)) == (2, 4)
    assert rows.base is None and scores.base is None
