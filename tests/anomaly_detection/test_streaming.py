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
