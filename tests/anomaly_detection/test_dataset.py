"""Samples of small tables written by hand; times are seconds after midnight unless a test says otherwise."""

import numpy as np
import pytest

from anomaly_detection.config import AnomalyConfig
from anomaly_detection.dataset import load_data
from anomaly_detection.metadata import window_metadata

HEADER = "datetime,machine,a,b,label,anomaly_type\n"


def rows(machine, values, *, first=0, anomalous=(), kind="SPIKE", step="1s"):
    """Lines of a table: channel a holds `values`, b their negatives."""
    start, step = (
        np.datetime64("2026-01-01T00:00:00", "ms"),
        np.timedelta64(*{"1s": (1000, "ms"), "10ms": (10, "ms")}[step]),
    )
    lines = []
    for k, value in enumerate(values):
        what = f"1,{kind}" if k in anomalous else "0,normal"
        lines.append(f"{start + step * (first + k)},{machine},{value},{-value},{what}\n")
    return "".join(lines)


@pytest.fixture
def folder(tmp_path):
    """Write the parts of a prepared folder; returns its configuration."""

    def write(*, header=HEADER, options=None, **parts):
        for name, text in parts.items():
            (tmp_path / f"{name}.csv").write_text(header + text)
        return AnomalyConfig(tmp_path, tmp_path / "model", **(options or {}))

    return write


def ids(data, split="training"):
    return [sample.sample_id.partition("T")[2] for sample in data.splits[split]]


def test_a_sample_is_the_window_that_ends_at_its_row(folder):
    data = load_data(folder(train=rows("m", range(7)), val=rows("m", range(3), first=7)), window_size=3)
    [first, second] = data.splits["training"]
    assert first.sample_id == "m:2026-01-01T00:00:02"
    assert first.window(3).tolist() == [[0, 0], [1, -1], [2, -2]]
    assert first.window(3).dtype == np.float32
    assert second.window(3)[:, 0].tolist() == [3, 4, 5]
    assert second.window_labels(3).tolist() == [0, 0, 0]
    assert data.channels == ("a", "b")
    assert data.step_s == 1


def test_a_series_shorter_than_a_window_is_one_sample_padded_with_its_first_row(folder):
    data = load_data(folder(train=rows("m", range(9)), val=rows("m", [5, 6], first=9)), window_size=4)
    [only] = data.splits["validation"]
    assert only.window(4)[:, 0].tolist() == [5, 5, 5, 6]
    assert only.sample_id == "m:2026-01-01T00:00:10"


def test_the_end_of_every_anomalous_episode_is_a_sample(folder):
    data = load_data(folder(train=rows("m", range(12), anomalous=(5, 6)), val=rows("m", [1], first=12)), window_size=4)
    assert ids(data) == ["00:00:03", "00:00:06", "00:00:07", "00:00:11"]
    assert [sample.anomaly_type for sample in data.splits["training"]] == ["normal", "SPIKE", "normal", "normal"]
    assert [sample.label for sample in data.splits["training"]] == [False, True, False, False]
    assert data.types == ("SPIKE",)


def test_the_stride_of_the_settings_counts(folder):
    config = folder(train=rows("m", range(10)), val=rows("m", [1], first=10), options={"stride": 4})
    assert ids(load_data(config, window_size=2)) == ["00:00:01", "00:00:05", "00:00:09"]


def test_no_window_crosses_from_one_machine_or_stretch_into_another(folder):
    train = rows("m1", range(4)) + rows("m1", range(50, 54), first=100) + rows("m2", range(90, 94))
    data = load_data(folder(train=train, val=rows("m1", range(3), first=200)), window_size=2)
    for sample in data.splits["training"]:
        assert np.ptp(sample.window(2)[:, 0]) == 1, sample.sample_id
    names = [sample.sample_id for sample in data.splits["training"]]
    assert names[0] == "m1:2026-01-01T00:00:01"
    assert len(set(names)) == len(names) == 6


def test_ids_have_as_many_digits_as_the_times_need(folder):
    data = load_data(folder(train=rows("m", range(3), step="10ms"), val=rows("m", [1], first=3)))
    assert ids(data) == ["00:00:00.000", "00:00:00.010", "00:00:00.020"]


def test_ids_of_two_splits_differ(folder):
    data = load_data(folder(train=rows("m", range(3)), val=rows("m", range(2))))
    assert [sample.sample_id for sample in data.splits["validation"]] == [
        "validation:m:2026-01-01T00:00:00",
        "validation:m:2026-01-01T00:00:01",
    ]


def test_a_draw_is_told_in_one_line(folder):
    train, val = rows("m", range(40)), rows("m", range(1200), first=40)
    config = folder(train=train, val=val, options={"max_samples": {"training": 10, "validation": 1000}})
    told = r"^max_samples: 10 of 40 windows of training, 1,000 of 1,200 windows of validation are used, anomalous ones"
    with pytest.warns(UserWarning, match=told) as warned:
        load_data(config)
    assert len(warned) == 1


@pytest.mark.filterwarnings("ignore:max_samples")
def test_of_too_many_samples_anomalous_ones_stay_first_up_to_half(folder):
    train = rows("m", range(40), anomalous=range(3))
    config = folder(train=train, val=rows("m", [1], first=40), options={"max_samples": {"training": 10}})
    chosen = load_data(config).splits["training"]
    assert len(chosen) == 10
    assert sum(sample.label for sample in chosen) == 3
    assert [sample.row for sample in chosen] == sorted(sample.row for sample in chosen)
    again = load_data(config).splits["training"]
    assert [s.sample_id for s in again] == [s.sample_id for s in chosen]
    many = folder(train=rows("m", range(40), anomalous=range(25)), options={"max_samples": {"training": 10}})
    assert sum(sample.label for sample in load_data(many).splits["training"]) == 5
    most = folder(train=rows("m", range(40), anomalous=range(38)), options={"max_samples": {"training": 10}})
    assert sum(sample.label for sample in load_data(most).splits["training"]) == 8


def test_one_recording_is_cut_in_time(tmp_path):
    file = tmp_path / "all.csv"
    file.write_text(HEADER + rows("m1", range(20)) + rows("m2", range(40)))
    data = load_data(AnomalyConfig(file, tmp_path))
    assert {split: len(samples) for split, samples in data.splits.items()} == {
        "training": 42,
        "validation": 9,
        "test": 9,
    }
    newest = {sample.series.name: sample.time for sample in data.splits["training"]}
    for sample in data.splits["test"]:
        assert sample.time > newest[sample.series.name]


def test_data_without_labels_say_so(tmp_path):
    file = tmp_path / "all.csv"
    file.write_text("datetime,x\n" + "".join(f"2026-01-01T00:00:{k:02d},{k % 5}\n" for k in range(40)))
    data = load_data(AnomalyConfig(file, tmp_path))
    [first, *_] = data.splits["training"]
    assert first.label is None
    assert first.anomaly_type is None
    assert first.window_labels(1).shape == (0,)
    assert data.types == ()


def test_labels_of_the_unlabelled_split_are_not_looked_at(folder):
    parts = {
        "train": rows("m", range(5)),
        "val": rows("m", [1], first=5),
        "unlabeled": rows("m", [9], first=9, anomalous=(0,)),
    }
    [only] = load_data(folder(**parts)).splits["unlabeled"]
    assert only.label is None


def test_an_anomaly_without_a_type_is_called_one(folder):
    train = rows("m", range(5), anomalous=(2,), kind="normal")
    data = load_data(folder(train=train, val=rows("m", [1], first=5)))
    assert data.types == ("anomaly",)


def test_pictures_are_scaled_by_the_normal_training_rows(folder):
    data = load_data(folder(train=rows("m", [0, 2, 1000], anomalous=(2,)), val=rows("m", [1], first=3)))
    assert data.center.tolist() == [1, -1]
    assert data.scale.tolist() == [1, 1]


def test_channels_are_those_of_the_model_in_its_order(folder):
    config = folder(train=rows("m", range(3)), val=rows("m", [1], first=3))
    data = load_data(config, channels=("b", "a"))
    assert data.splits["training"][1].window(1).tolist() == [[-1, 1]]
    assert load_data(config, channels=("b",)).splits["validation"][0].window(1).tolist() == [[-1]]


def test_the_share_of_missing_cells_is_zero_where_none_was_missing(folder):
    data = load_data(folder(train=rows("m", [1, 2, 3]), val=rows("m", [4, np.nan], first=3)), window_size=2)
    for split, share in (("training", 0), ("validation", 0.5)):
        sample = data.splits[split][0]
        assert window_metadata(sample.series, sample.rows(2))["missing_share"] == share


def test_a_missing_channel_is_named(folder):
    with pytest.raises(ValueError, match="pressure"):
        load_data(folder(train=rows("m", range(3)), val=rows("m", [1], first=3)), channels=("a", "pressure"))


def test_a_folder_without_validation_is_refused(folder):
    with pytest.raises(ValueError, match="must have rows for validation; got none"):
        load_data(folder(train=rows("m", range(3))))


def test_missing_data_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_data(AnomalyConfig(tmp_path / "nowhere", tmp_path))


def test_an_episode_that_ends_before_the_first_full_window_is_a_sample_too(folder):
    data = load_data(folder(train=rows("m", range(9), anomalous=(1,)), val=rows("m", range(5), first=9)), window_size=5)
    first = data.splits["training"][0]
    assert (first.row, first.anomaly_type) == (1, "SPIKE")
    assert first.window(5)[:, 0].tolist() == [0, 0, 0, 0, 1]
