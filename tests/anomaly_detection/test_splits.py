import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from anomaly_detection.splits import check_ratios, cut, cut_in_time, draw_at_random, last_rows


def ratios_of(train, val, test):
    ratios = {"train": train, "val": val, "test": test}
    check_ratios(ratios)
    return ratios


def parts_of(found):
    return {part: rows.tolist() for part, rows in found.items()}


def test_each_machine_is_cut_by_itself_in_time():
    machines = np.array(list("ababaaaaaaaa"), object)
    times = np.array([9, 1, 8, 0, 7, 6, 5, 4, 3, 2, 1, 0], "datetime64[s]")
    ratios = {"train": 0.6, "val": 0.2, "test": 0.2}
    assert parts_of(cut_in_time(machines, times, ratios)) == {
        "train": [11, 10, 9, 8, 7, 6, 3],
        "val": [5, 4],
        "test": [2, 0, 1],
    }


def test_parts_without_a_share_are_left_out():
    rows = np.arange(10).astype("datetime64[s]")
    machines = np.full(10, "m", object)
    assert {part: len(found) for part, found in cut_in_time(machines, rows, ratios_of(0.8, 0, 0.2)).items()} == {
        "train": 8,
        "test": 2,
    }
    assert set(cut_in_time(machines, rows, ratios_of(1, 0, 0))) == {"train"}


@given(n=st.integers(3, 200), val=st.floats(0, 0.4), test=st.floats(0, 0.4))
def test_parts_are_contiguous_and_complete(n, val, test):
    ratios = ratios_of(1 - val - test, val, test)
    found = cut_in_time(np.full(n, "m", object), np.arange(n).astype("datetime64[s]"), ratios)
    assert np.concatenate([found[part] for part in ("train", "val", "test") if part in found]).tolist() == list(
        range(n)
    )
    for part, rows in found.items():
        assert abs(len(rows) - n * ratios[part]) <= 1 + 1e-5 * n


def test_two_parts_are_exactly_those_of_scikit_learn():
    frame = pd.DataFrame({"x": range(221)})
    train, valid = train_test_split(frame, test_size=0.2, random_state=2024)
    for ratios, part in ((ratios_of(0.8, 0.2, 0), "val"), (ratios_of(0.8, 0, 0.2), "test")):
        found = draw_at_random(221, ratios, 2024)
        assert (found["train"].tolist(), found[part].tolist()) == (train["x"].tolist(), valid["x"].tolist())
        assert set(found) == {"train", part}


def test_three_parts_at_random():
    found = draw_at_random(100, ratios_of(0.7, 0.15, 0.15), 1)
    assert {part: len(rows) for part, rows in found.items()} == {"train": 70, "val": 15, "test": 15}
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(100))
    assert parts_of(found) == parts_of(draw_at_random(100, ratios_of(0.7, 0.15, 0.15), 1))


def test_the_last_rows_of_an_ordered_table_are_its_tail():
    times = pd.Series(np.array([0, 1, 1, 2, 3], "datetime64[s]"))
    for n in (1, 3, 4, 9):
        assert last_rows(times.to_numpy(), n).tolist() == times.tail(n).index.tolist()
    assert last_rows(times.to_numpy(), None).tolist() == [0, 1, 2, 3, 4]


def test_the_last_rows_of_several_machines_are_the_last_in_time():
    assert last_rows(np.array([0, 5, 9, 1, 6, 8], "datetime64[s]"), 3).tolist() == [2, 4, 5]


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ((0.7, 0.2, 0.2), r"must sum to 1; got 0\.7 \+ 0\.2 \+ 0\.2"),
        ((1.2, -0.2, 0), r"train_ratio must lie in \[0, 1\]; got 1\.2"),
        ((0.8, -0.1, 0.3), r"val_ratio must lie in \[0, 1\]; got -0\.1"),
        ((float("nan"), 0.5, 0.5), r"train_ratio must lie in \[0, 1\]; got nan"),
    ],
)
def test_ratios_that_are_none(ratios, message):
    with pytest.raises(ValueError, match=message):
        ratios_of(*ratios)


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ({"val": 1.0}, r"share\.val must be the share of a, b; got one of 'val'"),
        ({"a": 0.5}, r"share\.a must sum to 1; got 0\.5"),
        ({}, r"share\.a must sum to 1; got none"),
    ],
)
def test_ratios_are_told_by_the_names_the_user_gave_them(ratios, message):
    with pytest.raises(ValueError, match=message):
        check_ratios(ratios, ("a", "b"), told="share.{}")


def test_a_share_that_rounding_made_a_little_short_keeps_its_row():
    assert cut(10, {"a": 0.1 + 0.2 - 1e-9, "b": 0.7 + 1e-9}, ("a", "b")) == {"a": slice(0, 3), "b": slice(3, 10)}


def test_too_few_rows_to_draw():
    with pytest.raises(ValueError, match="test_ratio must leave each part a row; got 1 rows in all"):
        draw_at_random(1, ratios_of(0.8, 0, 0.2), 0)


def test_at_random_the_test_part_is_drawn_first():
    parts = draw_at_random(100, ratios_of(0.6, 0.1, 0.3), 7)
    rest, test = train_test_split(np.arange(100), test_size=30, random_state=7)
    train, val = train_test_split(rest, test_size=10, random_state=7)
    assert {name: rows.tolist() for name, rows in parts.items()} == {
        "train": train.tolist(),
        "val": val.tolist(),
        "test": test.tolist(),
    }
