from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomaly_detection.tables.columns import find_roles
from anomaly_detection.tables.files import TableFile
from anomaly_detection.tables.options import ReadOptions
from anomaly_detection.tables.repairs import RepairLog

N = 120


class _Parquet(TableFile):
    """A file whose numbers have a decimal point, which is never opened."""

    decimal = "."


def roles_of(*frames, **options):
    settings = ReadOptions(**options)
    log = RepairLog()
    tables = [(_Parquet(Path(f"f{i}.csv"), f"f{i}", settings), pd.DataFrame(frame)) for i, frame in enumerate(frames)]
    return find_roles(tables, settings, log), log.sentences()


def noise(n=N):
    return np.random.default_rng(0).normal(size=n)


def test_roles_by_default_names_whatever_their_case():
    frame = {
        "Timestamp": ["2026-01-01"],
        "Machine_ID": [3],
        "x": [1.5],
        "Operating_Mode": ["run"],
        "Is_Anomaly": [0],
        "anomaly_type": ["normal"],
    }
    roles, told = roles_of(frame)
    assert (roles.time, roles.machine, roles.mode, roles.labels) == (
        "Timestamp",
        "Machine_ID",
        "Operating_Mode",
        ("Is_Anomaly",),
    )
    assert (roles.kind, roles.channels, told) == ("anomaly_type", ("x",), ())


def test_only_one_default_label_is_used_and_the_others_are_no_channels():
    roles, told = roles_of({"x": [1.5], "anomaly": [1], "label": [0]})
    assert (roles.labels, roles.channels) == (("label",), ("x",))
    assert told == ("column 'anomaly' left out: never a channel.",)


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("id", range(1, N + 1), "an identifier"),
        ("Num", [7, 3, 9] * 40, "an identifier"),
        ("cycle", np.arange(N) // 4, "a counter"),
        ("cycle", np.r_[np.arange(100), 95, np.arange(96, 115)], "a counter"),
        ("elapsed", np.arange(N) * 0.1, "a counter"),
        ("changepoint", [0, 1] * 60, "never a channel"),
        ("anomaly_score", noise(), "never a channel"),
        ("grip", [True, False] * 60, "true or false; name it as a label column if it says what is wrong"),
        ("colour", ["red", "blue", "1"] * 40, "text"),
        ("opened", pd.date_range("2026-01-01", periods=N), "times"),
    ],
)
def test_what_is_no_channel(name, values, reason):
    frame = {"datetime": pd.date_range("2026-01-01", periods=N, freq="s"), "x": noise(), name: values}
    roles, told = roles_of(frame)
    assert roles.channels == ("x",)
    assert told == (f"column {name!r} left out: {reason}.",)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(N)[::-1],
        np.repeat([0, 1], N // 2),
        np.arange(N) % 40,
        np.cumsum(np.abs(noise())),
        np.full(N, 3.0),
        np.round(noise() * 10),
    ],
)
def test_what_is_a_channel_though_it_resembles_a_counter(values):
    assert roles_of({"x": values})[0].channels == ("x",)


def test_a_short_ramp_is_a_channel():
    assert roles_of({"x": range(N - 21)})[0].channels == ("x",)


def test_a_counter_of_several_machines():
    frame = {"machine": ["a", "b"] * N, "n": np.repeat(np.arange(N), 2) + np.tile([0, 500], N), "x": noise(2 * N)}
    assert roles_of(frame)[0].channels == ("x",)


def test_counters_and_identifiers_can_be_asked_for():
    roles, told = roles_of({"id": range(N), "x": noise(), "ok": [True] * N}, channels=("ok", "id"))
    assert (roles.channels, told) == (("ok", "id"), ())


def test_empty_and_nameless_columns():
    empty = [None, None]
    columns = {"x": [1.5, 2.0], "Unnamed: 1": [0, 1], "y": empty, "Unnamed: 3": empty, "{z}": empty}
    roles, told = roles_of(columns)
    assert roles.channels == ("x",)
    assert told == (
        "1 column without a name left out.",
        "2 columns without a value left out: y, {z}.",
        "1 column without a name or a value left out.",
    )


def test_of_many_empty_columns_some_are_named():
    _, told = roles_of({"x": [1.5], **{f"y{place}": [None] for place in range(20)}})
    assert told == ("20 columns without a value left out: y0, y1, y2, y3, y4, y5, y6, y7 and 12 more.",)


def test_a_column_that_is_empty_in_one_file_only_is_a_channel():
    assert roles_of({"x": [1.5], "y": [None]}, {"x": [1.5], "y": [2.5]})[0].channels == ("x", "y")


def test_excluded_columns_have_no_default_role():
    roles, _ = roles_of({"label": [3], "x": [1.5]}, exclude=("label",))
    assert (roles.labels, roles.channels) == ((), ("x",))


def test_times_are_found_by_what_they_hold():
    roles, _ = roles_of({"when": ["2026-01-01 00:00:00", "2026-01-01 00:00:01"], "x": [1.5, 2]})
    assert (roles.time, roles.time_format) == ("when", "iso")


def test_a_time_of_day_alone_is_no_time():
    roles, told = roles_of({"time": ["10:14:33", "10:14:34"], "x": [1.5, 2]})
    assert (roles.time, roles.channels) == (None, ("x",))
    assert told == ("column 'time' left out: text.",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"datetime_column": "when"},
            r"datetime_column must name columns of f0\.csv; got when, which it lacks. It has ",
        ),
        ({"datetime_column": "note"}, r"datetime_column must hold times; got 'note' of f0\.csv"),
        ({"machine_column": "rig"}, "machine_column must name columns of"),
        ({"channels": ("x", "y")}, "channels must name columns of .*; got y, which it lacks"),
        ({"label_column": ("stop", "grip")}, "label_column must name columns of .*; got stop, grip"),
        ({"exclude": ("y",)}, "exclude must name columns of .*; got y"),
        ({"channels": ("note",)}, r"channels must name columns of numbers; got 'note', with 'a' in row 1 of f0\.csv"),
        ({"channels": ("x",), "label_column": "x"}, "channels must not name a column that has another use; got 'x'"),
        ({"channels": ("changepoint",)}, "channels must not name a column that has another use; got 'changepoint'"),
        ({"exclude": ("x",)}, r"f0\.csv must have a column of numbers to be a channel; got the columns x, note"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        roles_of({"x": [1.5, 2.5], "note": ["a", "b"], "changepoint": [0, 1]}, **options)


def test_a_label_in_one_of_several_files_is_enough():
    roles, _ = roles_of({"x": [1.5]}, {"x": [2.5], "stop": [1]}, label_column="stop")
    assert roles.labels == ("stop",)


def test_times_must_be_in_every_file():
    with pytest.raises(ValueError, match=r"datetime_column must name columns of f1\.csv; got datetime"):
        roles_of({"datetime": ["2026-01-01"], "x": [1.5]}, {"x": [2.5]})
