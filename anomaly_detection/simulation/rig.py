"""An industrial rig of four sensors at 1 Hz that sometimes fails: temperature, vibration, pressure and power.

Normal readings are independent and normal: temperature N(55, 5) °C, vibration N(1, 0.2) mm/s, pressure N(50, 5) bar,
power N(250, 25) W; the units are our reading of the figures. Nothing is below 0. On top of these lie the anomalies,
k being the seconds since the onset:

- SPIKE: one sensor is off by an amount that is drawn once and held: temperature +25 to 35, vibration +1.5 to 2.5,
  pressure -20 to -30, power +150 to 250.
- DRIFT: an offset grows from 0 by `drift_per_s` each second; temperature + 0.5 offset, vibration + 0.1 offset.
- CYCLIC: vibration + 0.8 sin(0.1 k), temperature + 2 |sin(0.1 k)|.
- MULTI_SENSOR: all four are off by amounts held: temperature +20 to 30, vibration +1 to 1.8, power +100 to 150,
  pressure -5 to -15.

**Conventions**: mode "episodes" makes anomalies of 20 to 300 s, labelled from the onset to the end, where everything
goes back to normal. Mode "samples" is how such rigs were first written, for comparison: each reading is anomalous by
itself and of a random type; k is the number of the reading; the drift's offset is shared by all machines, grows by
0.01 at each DRIFT reading and never goes back. Single readings of DRIFT and CYCLIC look much like normal ones.

The growth of a drift is our choice, since none is published. At 0.31 to 0.44 per second, drawn per episode, one of mean
length (160 s) ends 25 to 35 °C off, as far as a spike in temperature, and 5 to 7 mm/s, three times as far in vibration,
which moves by one standard deviation in 4.5 to 6.5 s. At 0.1 to 0.2 it takes 10 to 20 s, and not even a filter that
knows all rules finds 90 % of a drift's rows (``benchmarks/bench_rig.py``).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from anomaly_detection.series import NORMAL
from anomaly_detection.simulation.episodes import MAX_ANOMALY_RATE, Episodes, check_plan, plan_episodes
from anomaly_detection.simulation.table import Telemetry, build_table, step_times

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SPIKE, DRIFT, CYCLIC, MULTI_SENSOR = "SPIKE", "DRIFT", "CYCLIC", "MULTI_SENSOR"
RIG_TYPES = (SPIKE, DRIFT, CYCLIC, MULTI_SENSOR)
RIG_CHANNELS = ("temperature", "vibration", "pressure", "power")
EPISODE_S = (20, 300)
DRIFT_PER_S = (0.31, 0.44)
RIG_MEAN = np.array([55, 1, 50, 250.0])
RIG_STD = np.array([5, 0.2, 5, 25.0])
_SPIKE = np.array([[25, 35], [1.5, 2.5], [-20, -30], [150, 250]])
_MULTI = np.array([[20, 30], [1, 1.8], [-5, -15], [100, 150]])
_DRIFT_PER_SAMPLE = 0.01


def simulate_rig(
    n_steps: int,
    *,
    n_machines: int = 5,
    mode: Literal["episodes", "samples"] = "episodes",
    anomaly_rate: float = 0.05,
    types: Sequence[str] = RIG_TYPES,
    drift_per_s: tuple[float, float] = DRIFT_PER_S,
    seed: int = 0,
    start: str | np.datetime64 = "2026-01-01",
) -> "pd.DataFrame":
    """Simulate an industrial rig at 1 Hz.

    Parameters
    ----------
    n_steps : int
        Rows (seconds) per machine.
    n_machines : int
        Machines, called machine1, machine2, ... In mode "episodes" a machine stays as it is when others join.
    mode : {"episodes", "samples"}
        Anomalies of 20 to 300 s, or scattered single readings.
    anomaly_rate : float
        Share of the rows that are anomalous, from 0 to 0.5: on each machine nearly exactly so in mode "episodes", the
        chance of a reading in mode "samples".
    types : sequence of str
        Of SPIKE, DRIFT, CYCLIC and MULTI_SENSOR; about as many rows of each.
    drift_per_s : (lowest, highest)
        Growth of a drift's offset in mode "episodes", per second; drawn per episode.
    seed : int
        Same seed, same table.
    start : str or datetime64
        Time of the first row.

    Returns
    -------
    DataFrame
        n_machines * n_steps rows with the columns datetime, machine, temperature, vibration, pressure, power, label
        and anomaly_type.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> frame = simulate_rig(20_000, n_machines=1)
    >>> float(frame["label"].mean())
    0.05
    >>> sorted(set(frame["anomaly_type"]))
    ['CYCLIC', 'DRIFT', 'MULTI_SENSOR', 'SPIKE', 'normal']
    """
    check_plan(n_steps, {"n_machines": n_machines}, types=types, known=RIG_TYPES, seed=seed)
    if mode not in {"episodes", "samples"}:
        raise ValueError(f"mode must be episodes or samples; got {mode!r}.")
    low, high = drift_per_s
    if not 0 < low <= high < np.inf:
        raise ValueError(f"drift_per_s must be two positive numbers, the lower first; got {drift_per_s}.")
    times = step_times(start, n_steps, step_s=1)
    rngs = [np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, number))) for number in range(n_machines)]
    if mode == "samples":
        telemetry = _simulate_samples(n_steps, types, anomaly_rate, rngs)
    else:
        plan = plan_episodes(
            n_steps, n_machines, lengths=[EPISODE_S] * len(types), anomaly_rate=anomaly_rate, seed=seed
        )
        telemetry = [
            Telemetry(
                f"machine{number}",
                _failing_readings(n_steps, types, episodes, drift_per_s, rng),
                episodes.codes(n_steps),
            )
            for number, (episodes, rng) in enumerate(zip(plan, rngs, strict=True), 1)
        ]
    return build_table(telemetry, times, channels=RIG_CHANNELS, types=types)


def _failing_readings(
    n_steps: int,
    types: Sequence[str],
    episodes: Episodes,
    drift_per_s: tuple[float, float],
    rng: np.random.Generator,
) -> Floats:
    """Simulate one machine in mode "episodes", (n_steps, n_channels)."""
    values = _normal_readings(n_steps, rng)
    rows, number, elapsed = episodes.rows()
    names = np.array(types)[episodes.kinds]
    growth = rng.uniform(*drift_per_s, size=len(names))
    held = held_amounts(names, rng)
    values[rows] += held[number] + moving_amounts(names[number], growth[number] * elapsed, elapsed)
    return values.clip(0)


def _simulate_samples(
    n_steps: int, types: Sequence[str], anomaly_rate: float, rngs: Sequence[np.random.Generator]
) -> list[Telemetry]:
    """Simulate all machines in mode "samples"."""
    if not 0 <= anomaly_rate <= MAX_ANOMALY_RATE:
        raise ValueError(f"anomaly_rate must be from 0 to {MAX_ANOMALY_RATE}; got {anomaly_rate}.")
    drawn = [_normal_readings(n_steps, rng) for rng in rngs]
    codes = np.stack(
        [
            np.where(rng.uniform(size=n_steps) < anomaly_rate, rng.integers(len(types), size=n_steps) + 1, 0)
            for rng in rngs
        ],
        axis=1,
    )
    is_drift = np.array([NORMAL, *types])[codes] == DRIFT
    offsets = _DRIFT_PER_SAMPLE * np.cumsum(is_drift).reshape(codes.shape)  # in the order of the readings
    telemetry = []
    for number, (values, rng) in enumerate(zip(drawn, rngs, strict=True)):
        rows = np.flatnonzero(codes[:, number])
        names = np.array(types)[codes[rows, number] - 1]
        values[rows] += held_amounts(names, rng) + moving_amounts(names, offsets[rows, number], rows)
        telemetry.append(Telemetry(f"machine{number + 1}", values.clip(0), codes[:, number].astype(np.int8)))
    return telemetry


def _normal_readings(n_steps: int, rng: np.random.Generator) -> Floats:
    readings: Floats = RIG_MEAN + RIG_STD * rng.standard_normal((n_steps, len(RIG_MEAN)))
    return readings


def held_amounts(names: npt.NDArray[np.str_], rng: np.random.Generator) -> Floats:
    """Draw what SPIKE and MULTI_SENSOR add as long as they last, (n, n_channels)."""
    shares = rng.uniform(size=(len(names), len(RIG_MEAN)))
    sensor = rng.integers(len(RIG_MEAN), size=len(names))
    amounts = np.zeros(shares.shape)
    for name, limits in ((SPIKE, _SPIKE), (MULTI_SENSOR, _MULTI)):
        mine = names == name
        amounts[mine] = limits[:, 0] + shares[mine] * (limits[:, 1] - limits[:, 0])
    is_spared = (names == SPIKE)[:, None] & (sensor[:, None] != np.arange(len(RIG_MEAN)))
    amounts[is_spared] = 0
    return amounts


def moving_amounts(names: npt.NDArray[np.str_], offset: Floats, k: Ints) -> Floats:
    """Return what DRIFT and CYCLIC add, (n, n_channels), for the drift's offset and the cycle's k of each row."""
    is_drift, wave = names == DRIFT, np.where(names == CYCLIC, np.sin(0.1 * k), 0)
    amounts = np.zeros((len(names), len(RIG_MEAN)))
    amounts[:, 0] = np.where(is_drift, 0.5 * offset, 2 * np.abs(wave))
    amounts[:, 1] = np.where(is_drift, 0.1 * offset, 0.8 * wave)
    return amounts
