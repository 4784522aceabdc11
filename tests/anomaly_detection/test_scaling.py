import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from anomaly_detection.scaling import SCALINGS, Scaling, fit_scaling

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


def test_two_parts_of_a_center_are_exact_in_single_precision() -> None:
    center, rest = Scaling(np.array([101_325.123456]), np.array([30.0])).split_center(np.float32)
    assert center.dtype == np.float32 and rest is not None and rest.dtype == np.float32
    assert (center.astype(np.float64) + rest)[0] == pytest.approx(101_325.123456, abs=1e-9)


@pytest.mark.parametrize(("center", "dtype"), [(20.3, np.float32), (101_325.123456, np.float64)])
def test_what_is_nothing_to_a_scale_is_left_out_of_its_center(center: float, dtype: type[np.floating]) -> None:
    assert Scaling(np.array([center]), np.array([1.0])).split_center(dtype)[1] is None


def test_an_unknown_scaling_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scaling must be one of standard, minmax, robust; got 'max'\."):
        fit_scaling("max", ROWS)
