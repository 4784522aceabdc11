import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anomaly_detection.losses import masked_loss, minmax_loss, mse_loss

ERRORS, LABELS = torch.tensor([1.0, 3.0, 8.0]), torch.tensor([0.0, 0.0, 1.0])
errors_and_labels = st.lists(st.tuples(st.floats(0, 1e4), st.booleans()), min_size=1, max_size=20)


def tensors(pairs: list[tuple[float, bool]]) -> tuple[Tensor, Tensor]:
    errors, labels = np.array(pairs, dtype=np.float64).T
    return torch.from_numpy(errors), torch.from_numpy(labels)


def test_by_hand() -> None:
    assert float(mse_loss(ERRORS, LABELS)) == 4
    assert float(masked_loss(ERRORS, LABELS)) == 2
    assert float(minmax_loss(ERRORS, LABELS)) == pytest.approx(-4 / 3)
    expected = (1 + 3 - 10 * (1 - math.exp(-0.8))) / 3
    assert float(minmax_loss(ERRORS, LABELS, bound=10)) == pytest.approx(expected)
    weighted = (1 + 3 - 4 * 10 * (1 - math.exp(-0.8))) / 3
    assert float(minmax_loss(ERRORS, LABELS, bound=10, weight=4)) == pytest.approx(weighted)


def test_masked_of_anomalies_alone_is_zero() -> None:
    assert float(masked_loss(ERRORS, torch.ones(3))) == 0


@given(errors_and_labels)
def test_without_anomalies_all_are_one(pairs: list[tuple[float, bool]]) -> None:
    errors, labels = tensors([(error, False) for error, _ in pairs])
    expected = float(mse_loss(errors, labels))
    for found in (masked_loss(errors, labels), minmax_loss(errors, labels), minmax_loss(errors, labels, bound=5.0)):
        assert float(found) == pytest.approx(expected)


@given(errors_and_labels)
def test_the_bound_bounds(pairs: list[tuple[float, bool]]) -> None:
    errors, labels = tensors(pairs)
    bounded, unbounded = float(minmax_loss(errors, labels, bound=5.0)), float(minmax_loss(errors, labels))
    assert bounded >= -5 and bounded >= unbounded - 1e-9


def test_gradients_raise_the_errors_of_anomalies() -> None:
    errors = ERRORS.clone().requires_grad_()
    minmax_loss(errors, LABELS, bound=10).backward()  # type: ignore[no-untyped-call]
    assert errors.grad is not None
    np.testing.assert_allclose(errors.grad, [1 / 3, 1 / 3, -math.exp(-0.8) / 3], rtol=1e-6)


def test_an_error_without_end_has_no_gradient() -> None:
    errors = torch.tensor([1e30], requires_grad=True)
    minmax_loss(errors, torch.ones(1), bound=10).backward()  # type: ignore[no-untyped-call]
    assert errors.grad is not None and float(errors.grad) == 0


@pytest.mark.parametrize(("chance", "weight"), [(0.6, 1.0), (0.4, 4.0), (0.3, 4.0), (0.9, 2.0)])
def test_the_best_push_is_that_of_the_odds(chance: float, weight: float) -> None:
    """A forecast that is off by f has the error f^2; what minimises the expected loss is told in the module."""
    push = torch.linspace(0, 20, 20_001, dtype=torch.float64)
    none, all_ = torch.zeros(1), torch.ones(1)
    expected = [
        (1 - chance) * float(minmax_loss(error, none, bound=6, weight=weight))
        + chance * float(minmax_loss(error, all_, bound=6, weight=weight))
        for error in push[:, None]
    ]
    best = float(push[int(np.argmin(expected))])
    assert best == pytest.approx(6 * math.log(weight * chance / (1 - chance)), abs=2e-3)


@pytest.mark.parametrize(("chance", "weight"), [(0.45, 1.0), (0.19, 4.0)])
def test_below_even_odds_of_the_weight_nothing_is_pushed(chance: float, weight: float) -> None:
    errors = torch.tensor([[0.0], [0.01], [1.0], [10.0]])
    expected = [
        (1 - chance) * float(minmax_loss(error, torch.zeros(1), bound=6))
        + chance * float(minmax_loss(error, torch.ones(1), bound=6, weight=weight))
        for error in errors
    ]
    assert int(np.argmin(expected)) == 0
