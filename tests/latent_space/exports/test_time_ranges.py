import numpy as np
import pandas as pd
import pytest

from latent_space.exports.time_ranges import read_ranges, series_name
from latent_space.population import Population


def population(ids, **columns):
    return Population(pd.DataFrame({"sample_id": ids, **columns}), np.zeros((len(ids), 1)))


@pytest.mark.parametrize(
    ("sample_id", "series", "end"),
    [
        ("machine3:2026-01-01T00:10:00", "machine3", "2026-01-01T00:10:00"),
        ("a:b c:2026-01-01T00:10:00.250#2", "a:b c", "2026-01-01T00:10:00.25"),
        ("x:2026-01-01T00:10", "x", "2026-01-01T00:10:00"),
    ],
)
def test_an_id_can_say_whose_and_until_when(sample_id, series, end):
    (found,) = read_ranges(population([sample_id]), [0])
    assert (found.series, found.start, found.end) == (series, None, pd.Timestamp(end))


@pytest.mark.parametrize("sample_id", ["a.jpg", "x:2026-13-01T00:10:00", ":2026-01-01T00:00:00", "x:12:30"])
def test_other_ids_are_no_stretches(sample_id):
    assert read_ranges(population(["m:2026-01-01T00:00:00", sample_id]), [0, 1]) is None


def test_columns_go_before_ids():
    known = population(
        ["m:2026-01-01T00:00:09", "free text"],
        device=["left", "right"],
        start=["2026-01-01T00:00:00", "2026-01-02T00:00:00"],
        end=["2026-01-01T00:00:05", "2026-01-02T00:00:05"],
        metric_is_anomaly=[1.0, np.nan],
    )
    one, two = read_ranges(known, [0, 1], reasons={"free text": "why"})
    assert (one.series, one.end, one.is_anomaly, one.reason) == (
        "left",
        pd.Timestamp("2026-01-01T00:00:05"),
        True,
        None,
    )
    assert (two.series, two.is_anomaly, two.reason) == ("right", None, "why")
    assert series_name(known) == "device"
    assert series_name(population(["a"], meta_window_machine=["m"])) == "machine"
    assert series_name(population(["a"])) == "series"


def test_a_stretch_that_ends_before_it_starts_is_none():
    known = population(["m:2026-01-01T00:00:00"], start=["2026-01-02T00:00:00"])
    assert read_ranges(known, [0]) is None


def test_samples_that_are_pictures_are_no_stretches():
    assert read_ranges(population(["cam:2026-01-01T00:00:00"], meta_file_name=["1.jpg"]), [0]) is None
