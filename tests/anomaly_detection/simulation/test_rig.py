"""The rig: its distributions, what each anomaly adds, labels that stay with their rows, both modes, and messages."""

import numpy as np
import pytest

from anomaly_detection.simulation.rig import (
    CYCLIC,
    DRIFT,
    MULTI_SENSOR,
    RIG_CHANNELS,
    RIG_TYPES,
    SPIKE,
    simulate_rig,
)

N_STEPS = 20_000


@pytest.fixture(scope="module")
def rig():
    """The default table, and the same noise without anomalies."""
    return simulate_rig(N_STEPS), simulate_rig(N_STEPS, anomaly_rate=0)


@pytest.fixture(scope="module")
def scattered():
    """The table of mode "samples", and what was added to its readings."""
    frame = simulate_rig(N_STEPS, mode="samples")
    normal = simulate_rig(N_STEPS, mode="samples", anomaly_rate=0)
    return frame, (frame[list(RIG_CHANNELS)] - normal[list(RIG_CHANNELS)]).to_numpy()


def episodes_of(rig, name):
    """What each episode of a type adds to the normal readings, (n, n_channels)."""
    frame, normal = rig
    added = (frame[list(RIG_CHANNELS)] - normal[list(RIG_CHANNELS)]).to_numpy()
    is_mine = (frame["anomaly_type"] == name).to_numpy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_mine, [False]]).astype(int)))
    parts = [added[start:stop] for start, stop in edges.reshape(-1, 2)]
    assert len(parts) >= 5
    return parts


def test_columns_rows_and_times(rig):
    frame, _ = rig
    assert list(frame) == ["datetime", "machine", *RIG_CHANNELS, "label", "anomaly_type"]
    assert frame["machine"].value_counts().to_dict() == {f"machine{k}": N_STEPS for k in range(1, 6)}
    for _, times in frame.groupby("machine")["datetime"]:
        assert times.diff().dropna().dt.total_seconds().eq(1).all()


def test_normal_readings_follow_the_published_distributions(rig):
    values = rig[1][list(RIG_CHANNELS)]
    assert values.mean().tolist() == pytest.approx([55, 1, 50, 250], rel=0.002)
    assert values.std().tolist() == pytest.approx([5, 0.2, 5, 25], rel=0.01)
    assert np.abs(np.corrcoef(values.T) - np.eye(4)).max() < 0.02
    assert rig[1]["label"].sum() == 0


def test_five_percent_are_anomalous_and_types_about_equally_often(rig):
    frame, _ = rig
    assert frame.groupby("machine")["label"].mean().tolist() == pytest.approx([0.05] * 5, abs=1e-4)
    assert frame["anomaly_type"].value_counts()[list(RIG_TYPES)].tolist() == pytest.approx([1250] * 4, rel=0.1)


def test_labels_tell_exactly_where_something_was_added(rig):
    frame, normal = rig
    assert ((frame["anomaly_type"] != "normal") == frame["label"].astype(bool)).all()
    is_normal = frame["label"] == 0
    assert frame.loc[is_normal, list(RIG_CHANNELS)].equals(normal.loc[is_normal, list(RIG_CHANNELS)])


def test_a_spike_holds_one_amount_on_one_sensor(rig):
    limits = [(25, 35), (1.5, 2.5), (-30, -20), (150, 250)]
    seen = set()
    for added in episodes_of(rig, SPIKE):
        (sensor,) = np.flatnonzero(np.abs(added).max(axis=0))
        assert np.ptp(added[:, sensor]) < 1e-3
        assert limits[sensor][0] <= round(added[0, sensor], 3) <= limits[sensor][1]
        seen.add(int(sensor))
    assert len(seen) > 1


def test_a_drift_grows_from_nothing_and_one_of_mean_length_as_far_as_a_spike(rig):
    growths = []
    for added in episodes_of(rig, DRIFT):
        k = np.arange(len(added))
        growth = added[-1, 0] / 0.5 / k[-1]
        assert added == pytest.approx(np.outer(growth * k, [0.5, 0.1, 0, 0]), abs=2e-4)
        growths.append(growth)
    at_the_end = 0.5 * np.array(growths) * np.mean([20, 300])
    assert 24.5 <= min(at_the_end) < max(at_the_end) <= 35.5  # a spike's 25 to 35
    seconds_to_one_std = 0.2 / (0.1 * np.array(growths))
    assert (seconds_to_one_std >= 4.5).all()


def test_a_cycle_starts_at_the_onset(rig):
    for added in episodes_of(rig, CYCLIC):
        wave = np.sin(0.1 * np.arange(len(added)))
        rises = wave >= 0
        assert added[rises, 1] == pytest.approx(0.8 * wave[rises], abs=2e-4)
        assert (added[~rises, 1] >= 0.8 * wave[~rises] - 2e-4).all()  # vibration stops at 0
        assert np.median(added[~rises, 1] - 0.8 * wave[~rises]) == pytest.approx(0, abs=2e-4)
        assert added[:, 0] == pytest.approx(2 * np.abs(wave), abs=2e-4)
        assert not added[:, 2:].any()


def test_multi_sensor_moves_all_four_at_once(rig):
    for added in episodes_of(rig, MULTI_SENSOR):
        assert np.ptp(added, axis=0).max() < 1e-3
        assert (added[0] >= [20, 1, -15, 100]).all()
        assert (added[0] <= [30, 1.8, -5, 150]).all()


def test_readings_are_never_negative(rig):
    assert rig[0][list(RIG_CHANNELS)].min().min() >= 0


@pytest.mark.parametrize("n_machines", [1, 3, 8])
def test_a_machine_stays_as_it_is_when_others_join(rig, n_machines):
    frame = simulate_rig(N_STEPS, n_machines=n_machines)
    n_rows = N_STEPS * min(n_machines, 5)
    assert frame.head(n_rows).equals(rig[0].head(n_rows))


def test_seeds_differ_and_repeat():
    first, again, other = (simulate_rig(1000, n_machines=1, seed=seed) for seed in (3, 3, 4))
    assert first.equals(again)
    assert not first["power"].equals(other["power"])


def test_only_the_types_that_were_asked_for():
    frame = simulate_rig(10_000, n_machines=2, types=[CYCLIC, SPIKE])
    assert set(frame["anomaly_type"]) == {"normal", CYCLIC, SPIKE}


def test_start_is_the_time_of_the_first_row():
    frame = simulate_rig(2, anomaly_rate=0, start="2025-06-30T23:59:59.500")
    assert str(frame["datetime"].iloc[1]) == "2025-07-01 00:00:00.500000"


class TestSamples:
    def test_readings_are_anomalous_by_themselves(self, scattered):
        label = scattered[0]["label"].to_numpy()
        assert label.mean() == pytest.approx(0.05, abs=0.003)
        assert label[1:][label[:-1] == 1].mean() == pytest.approx(0.05, abs=0.01)
        assert scattered[0]["anomaly_type"].value_counts()[list(RIG_TYPES)].tolist() == pytest.approx(
            [1250] * 4, rel=0.1
        )

    def test_the_drift_is_shared_by_the_machines_and_never_goes_back(self, scattered):
        frame, added = scattered
        order = np.argsort(np.tile(np.arange(N_STEPS), 5), kind="stable")  # by time, machine after machine
        rows = order[(frame["anomaly_type"] == DRIFT).to_numpy()[order]]
        offset = 0.01 * np.arange(1, len(rows) + 1)
        assert added[rows] == pytest.approx(np.outer(offset, [0.5, 0.1, 0, 0]), abs=2e-4)

    def test_a_cycle_counts_the_readings(self, scattered):
        frame, added = scattered
        rows = np.flatnonzero(frame["anomaly_type"] == CYCLIC)
        assert added[rows, 0] == pytest.approx(2 * np.abs(np.sin(0.1 * (rows % N_STEPS))), abs=2e-4)

    def test_single_spikes_move_one_sensor(self, scattered):
        frame, added = scattered
        assert (np.count_nonzero(added[frame["anomaly_type"] == SPIKE], axis=1) == 1).all()

    def test_rates_that_cannot_be_are_refused(self):
        with pytest.raises(ValueError, match=r"anomaly_rate must be from 0 to 0.5; got -0.1"):
            simulate_rig(10, mode="samples", anomaly_rate=-0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_steps": 0}, "n_steps must be at least 1; got 0"),
        ({"n_machines": 0}, "n_machines must be at least 1; got 0"),
        ({"mode": "burst"}, "mode must be episodes or samples; got 'burst'"),
        ({"types": ["SPIKE", "RUST"]}, r"types must be different ones of SPIKE, .*; got \['SPIKE', 'RUST'\]"),
        ({"types": ["SPIKE", "SPIKE"]}, "types must be different ones of"),
        ({"types": "SPIKE"}, "types must be different ones of .*; got 'SPIKE'"),
        ({"types": []}, "types must be different ones of"),
        ({"drift_per_s": (0.2, 0.1)}, r"drift_per_s must be two positive numbers, the lower first; got \(0.2, 0.1\)"),
        ({"n_steps": 100}, "n_steps must be at least 400 for one episode of 20 rows"),
        ({"start": "tomorrow"}, "start must be a date"),
        ({"seed": -1}, "seed must be 0 or more; got -1"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate_rig(**{"n_steps": 1000, **arguments})
