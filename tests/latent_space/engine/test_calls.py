"""Splitting results per sample, and the precision at which tensors are handed over."""

import numpy as np
import pytest
from code_loader.contract.datasetclasses import ConfusionMatrixElement
from code_loader.contract.enums import ConfusionMatrixValue
from code_loader.utils import simulate_engine_float16_downcast
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from latent_space.engine.calls import as_stored, per_sample
from latent_space.engine.failures import HandlerError
from latent_space.engine.wiring import Call

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=6), elements=FLOATS))
def test_precision_is_code_loaders_bit_for_bit(array):
    expected = simulate_engine_float16_downcast(array)
    result = as_stored(array)
    assert result.dtype == expected.dtype
    assert result.shape == array.shape
    assert result.tobytes() == expected.tobytes()


def test_precision_of_small_and_halfway_numbers_is_code_loaders():
    rng = np.random.default_rng(0)
    small = (10.0 ** rng.uniform(-12, 4.8, 50_000) * rng.choice([-1, 1], 50_000)).astype(np.float32)
    halves = np.arange(1, 2**15, dtype=np.uint16).view(np.float16).astype(np.float32)
    halves = halves[np.isfinite(halves)]
    halfway = (halves[:-1] + halves[1:]) / 2
    for array in (small, halves, halfway, -halfway, np.float32([65504, -65504, 0.0, -0.0])):
        assert as_stored(array).tobytes() == simulate_engine_float16_downcast(array).tobytes()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(0, np.float32),
        np.float32([1e6, 1]),
        np.float32([np.nan, 1]),
        np.int64([1, 2]),
        np.float64([1.5, 1e-9]),
        np.asfortranarray(np.random.default_rng(0).random((3, 4), np.float32)),
        np.random.default_rng(0).random((4, 6), np.float32)[::2, ::3],
    ],
)
def test_what_does_not_fit_keeps_its_type_as_in_code_loader(array):
    expected = simulate_engine_float16_downcast(array)
    result = as_stored(array)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


def test_the_simulation_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("TL_DISABLE_ENGINE_FLOAT16_SIMULATION", "1")
    assert as_stored(np.ones(3, np.float32)).dtype == np.float32


CALL = Call("metric", "m", "m", None, {})
AGAIN = Call("metric", "m_1", "m", None, {})


def test_results_are_split_per_sample():
    assert per_sample(CALL, np.float16([1, 2]), 2) == [{"m": 1.0}, {"m": 2.0}]
    assert per_sample(CALL, [1, np.float32(2.5)], 2) == [{"m": 1.0}, {"m": 2.5}]
    assert per_sample(CALL, {"a": [1, 2], "b": np.array([3, 4])}, 2) == [{"a": 1.0, "b": 3.0}, {"a": 2.0, "b": 4.0}]
    assert per_sample(AGAIN, {"a": [1]}, 1) == [{"m_1_a": 1.0}]
    assert per_sample(CALL, np.float32(3), 1) == [{"m": 3.0}]
    assert np.isnan(per_sample(CALL, [None, 1], 2)[0]["m"])


def test_confusion_elements_are_split_per_sample():
    element = ConfusionMatrixElement("a", ConfusionMatrixValue.Positive, 0.5)
    assert per_sample(CALL, [[element, element], []], 2) == [{"m": [element, element]}, {"m": []}]


@pytest.mark.parametrize("result", [np.float32(1), np.ones(3), np.ones((2, 1)), [1], [], {"a": [1, 2], "b": [1]}])
def test_anything_but_one_value_per_sample_is_refused(result):
    with pytest.raises(HandlerError, match="metric 'm': must return one value per sample"):
        per_sample(CALL, result, 2)


def test_values_that_are_no_numbers_are_refused():
    with pytest.raises(HandlerError, match="metric 'm': ValueError: could not convert string to float: 'high'"):
        per_sample(CALL, ["high", "low"], 2)


def test_elements_for_another_number_of_samples_are_refused():
    element = ConfusionMatrixElement("a", ConfusionMatrixValue.Positive, 0.5)
    with pytest.raises(HandlerError, match="must return a list of confusion elements per sample, 2; got 1"):
        per_sample(CALL, [[element]], 2)
