import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from anomaly_detection.scaling import SCALINGS, fit_scaling

ROWS = np.random.default_rng(0).normal(size=(200, 3)) * [1.0, 50.0, 1e-3] + [0.0, 101_325.0, 4.0]


@pytest.mark.parametrize(
    ("name", "oracle"), [("standard", StandardScaler()), ("minmax", MinMaxScaler()), ("robust", RobustScaler())]
)
def test_equals_scikit_learn(name: str, oracle: StandardScaler) -> None:
    ROWS.flags.writeable = False
    assert np.allclose(fit_scaling(name, ROWS).apply(ROWS), oracle.fit_transform(ROWS), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", SCALINGS)
def test_undo_brings_raw_units_back(name: str) -> None:
    scaling = fit_scaling(name, ROWS)
    assert np.allclose(scaling.undo(scaling.apply(ROWS)), ROWS, rtol=1e-12)


@pytest.mark.parametrize("name", SCALINGS)
@pytest.mark.parametrize("value", [0.0, 0.1, 101_325.123])
def test_a_constant_channel_keeps_its_deviations(name: str, value: float) -> None:
    rows = np.full((1000, 1), value)
    scaling = fit_scaling(name, rows)
    assert scaling.scale.tolist() == [1.0]
    assert np.allclose(scaling.apply(rows + 2.0), 2.0)


def test_an_unknown_scaling_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scaling must be one of standard, minmax, robust; got 'max'\."):
        fit_scaling("max", ROWS)
