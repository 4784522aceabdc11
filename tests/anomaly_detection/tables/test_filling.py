import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from anomaly_detection.tables.filling import fill_forward, first_values, last_known, rows_by_group

NAN = np.nan


def test_each_channel_of_each_group_by_itself():
    values = np.array([[NAN, 1.0], [2.0, NAN], [NAN, NAN], [NAN, 5.0], [7.0, NAN]])
    starts = np.array([0, 3])
    filled, leading = fill_forward(values, starts, first_values(values, starts))
    assert_array_equal(filled, [[2, 1], [2, 1], [2, 1], [7, 5], [7, 5]])
    assert np.argwhere(leading).tolist() == [[0, 0], [3, 0]]
    assert np.isnan(values).sum() == 6, "the input is left as it is"


def test_what_no_lead_fills_stays_missing():
    filled, leading = fill_forward(np.array([[NAN], [1.0]]), np.array([0]), np.array([[NAN]]))
    assert np.isnan(filled[0, 0])
    assert leading.ravel().tolist() == [True, False]


def test_first_values_of_a_group_without_any():
    values = np.array([[NAN], [3.0], [NAN]])
    assert_array_equal(first_values(values, np.array([0, 2])), [[3.0], [NAN]])


def test_last_known_does_not_look_into_the_group_before():
    known = np.array([True, False, False, True, False])
    assert last_known(known, np.array([0, 0, 2, 2, 2])).tolist() == [0, 0, -1, 3, 3]


def test_rows_by_group_keeps_the_order_within_each():
    order, starts = rows_by_group(np.array(["b", None, "b", "a", None], object), 5)
    assert order.tolist() == [0, 2, 1, 4, 3]
    assert starts.tolist() == [0, 2, 4]


def test_without_names_all_rows_are_one_group():
    order, starts = rows_by_group(None, 3)
    assert order.tolist() == [0, 1, 2]
    assert starts.tolist() == [0]


@given(st.lists(st.tuples(st.integers(0, 2), st.none() | st.floats(-5, 5)), min_size=1, max_size=30))
def test_as_pandas_fills_groups(rows):
    frame = pd.DataFrame(rows, columns=["group", "x"]).astype({"x": float}).sort_values("group", kind="stable")
    order, starts = rows_by_group(frame["group"].to_numpy(object), len(frame))
    values = frame[["x"]].to_numpy()[order]
    filled, _ = fill_forward(values, starts, np.full((len(starts), 1), NAN))
    assert_array_equal(filled[:, 0], frame.groupby("group")["x"].ffill().to_numpy())
