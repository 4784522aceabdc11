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
