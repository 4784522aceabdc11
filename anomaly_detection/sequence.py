"""Forecasters: how far the newest row lies from what a causal network expected of it.

**Conventions**: the network forecasts the next row after every row of the window. The forecast after the last row
but one is compared with the newest row: the residual is their scaled difference, the score the mean over channels of
its square. The forecast after the newest row says what comes next. Training goes through sub-sequences, many forecasts
in one pass, each preceded by enough rows that it has seen about a window.

References
----------
Malhotra P., Vig L., Shroff G., Agarwal P.: Long short term memory networks for anomaly detection in time series. ESANN
2015.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from anomaly_detection.base import Kind, Stretch
from anomaly_detection.losses import LOSSES, masked_loss, minmax_loss, mse_loss
from anomaly_detection.networks import LSTM, TCN, Forecaster
from anomaly_detection.neural import NeuralDetector, RawForm, check_choice, check_count
from anomaly_detection.training_loop import Task, own_torch
from anomaly_detection.windows import pad_left

_BLOCK_ROWS = 65_536


@dataclass(kw_only=True, eq=False)
class ForecastDetector(NeuralDetector):
    """Forecast the next row; see the two networks below.

    Parameters
    ----------
    window_size : int
        At least 2: one row to forecast from, one to compare.
    loss : {"mse", "minmax", "masked"}
        See `losses`; they differ only where training rows are labelled anomalous.
    bound : float or None
        Of the reward that "minmax" gives for the error of an anomalous row; None for none, as published. In units of
        the mean squared scaled error, which is about 1 for rows that cannot be forecast at all.
    n_layers : int
    """

    kind: ClassVar[Kind] = "forecast"
    window_size: int = 64
    batch_size: int = 32
    patience: int = 20
    loss: Literal["mse", "minmax", "masked"] = "minmax"
    bound: float | None = 10.0
    n_layers: int = 2

    def _check_settings(self) -> None:
        super()._check_settings()
        check_choice("loss", self.loss, LOSSES)
        if self.bound is not None and not 0 < self.bound < math.inf:
            raise ValueError(f"bound must be positive, or None for none; got {self.bound!r}.")
        check_count("n_layers", self.n_layers)
        check_count("window_size", self.window_size, least=2)

    def _make_task(self, train: list[Stretch], validation: list[Stretch]) -> Task:
        return ForecastTask(self, train, validation)

    def _answer(self, network: nn.Module, scaled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        forecast, hidden = network(scaled)
        return forecast, hidden[:, -1], scaled[:, -1] - forecast[:, -2]


@dataclass(kw_only=True, eq=False)
class TCNDetector(ForecastDetector):
    """A temporal convolutional network.

    Parameters
    ----------
    channels : int
        Of every layer.
    kernel_size : int
        Rows that a convolution sees; layer i leaves 2^i - 1 out between them.
    """

    name: ClassVar[str] = "tcn"
    channels: int = 20
    kernel_size: int = 5
    n_layers: int = 3

    def _check_settings(self) -> None:
        super()._check_settings()
        check_count("channels", self.channels)
        check_count("kernel_size", self.kernel_size, least=2)

    def _make_network(self, n_channels: int) -> nn.Module:
        return TCN(
            n_channels,
            channels=self.channels,
            n_layers=self.n_layers,
            kernel_size=self.kernel_size,
            dropout=self.dropout,
        )

    def _decision_function(self, values: np.ndarray) -> np.ndarray:
        """Convolve along the whole series where no forecast sees beyond its window."""
        field = cast(Forecaster, self.network_).receptive_field
        if field is None or field > self.window_size - 1:
            return super()._decision_function(values)
        padded = pad_left(values, field)
        scores = []
        for start in range(0, len(values), _BLOCK_ROWS):
            rows = np.ascontiguousarray(padded[start : start + _BLOCK_ROWS + field], dtype=np.float32)
            scores.append(self._errors_along(rows, field))
        return np.concatenate(scores)

    def _errors_along(self, rows: np.ndarray, n_before: int) -> np.ndarray:
        with own_torch(), torch.inference_mode():
            scaled = RawForm(self).scaled(torch.tensor(rows, device=self.device))
            forecast, _ = self.network_(scaled[None, :-1])
            errors: np.ndarray = (scaled[n_before:] - forecast[0, n_before - 1 :]).square().mean(dim=1).cpu().numpy()
        return errors


@dataclass(kw_only=True, eq=False)
class LSTMDetector(ForecastDetector):
    """A long short-term memory.

    Parameters
    ----------
    hidden_dim : int
        Width of every layer.
    """

    name: ClassVar[str] = "lstm"
    hidden_dim: int = 50

    def _check_settings(self) -> None:
        super()._check_settings()
        check_count("hidden_dim", self.hidden_dim)

    def _make_network(self, n_channels: int) -> nn.Module:
        return LSTM(n_channels, hidden_dim=self.hidden_dim, n_layers=self.n_layers, dropout=self.dropout)


class ForecastTask(Task):
    """Forecast the rows of some stretches, many per pass."""

    def __init__(self, detector: ForecastDetector, train: list[Stretch], validation: list[Stretch]) -> None:
        self.network: nn.Module = detector.network_
        self.size = detector.window_size
        self.batch_size, self.device = detector.batch_size, detector.device
        losses: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "mse": mse_loss,
            "masked": masked_loss,
            "minmax": partial(minmax_loss, bound=math.inf if detector.bound is None else detector.bound),
        }
        self.reduce = losses[detector.loss]
        field = cast(Forecaster, detector.network_).receptive_field
        self.n_before = self.size - 1 if field is None else min(self.size - 1, field)
        judged = [stretch for stretch in validation if len(stretch.values) > 1] or train
        self.rows, self.validation = _Rows(train, self.device), _Rows(judged, self.device)

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Yield shuffled first targets; where sub-sequences begin changes from epoch to epoch."""
        shift = int(torch.randint(self.size, (1,), generator=generator))
        firsts = self.rows.first_targets(self.size, shift)
        order = torch.randperm(len(firsts), generator=generator).to(self.device)
        yield from torch.split(firsts[order], self.batch_size)

    def loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Reduce the errors of the targets."""
        errors, labels, real = self._errors(self.rows, batch)
        return self.reduce(errors[real], labels[real])

    def validate(self) -> tuple[float, np.ndarray, np.ndarray | None]:
        """Score every row but the first of each stretch."""
        parts = [
            [part[real] for part in (errors, labels)]
            for firsts in torch.split(self.validation.first_targets(self.size, 0), 1024)
            for errors, labels, real in [self._errors(self.validation, firsts)]
        ]
        errors, labels = (torch.cat(column) for column in zip(*parts, strict=True))
        known = labels.cpu().numpy().astype(bool) if self.validation.labelled else None
        return float(self.reduce(errors, labels)), errors.cpu().numpy(), known

    def _errors(self, rows: "_Rows", firsts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Errors and labels of the targets of each sub-sequence, (n, window_size), and which of them exist."""
        values, labels, real = rows.take(firsts, self.n_before, self.size)
        forecast, _ = self.network(values[:, :-1])
        errors = (values[:, self.n_before :] - forecast[:, self.n_before - 1 :]).square().mean(dim=2)
        return errors, labels, real


class _Rows:
    """Stretches as one tensor, with the limits of each."""

    def __init__(self, stretches: list[Stretch], device: str) -> None:
        self.values = torch.from_numpy(np.concatenate([s.values for s in stretches])).to(device)
        labels = [np.zeros(len(s.values), bool) if s.labels is None else s.labels for s in stretches]
        self.labels = torch.from_numpy(np.concatenate(labels).astype(np.float32)).to(device)
        self.labelled = all(s.labels is not None for s in stretches)
        self.lengths = [len(s.values) for s in stretches]
        self.device = device

    def first_targets(self, size: int, shift: int) -> Tensor:
        """(n, 3): first target (may lie before the stretch), first row and end of its stretch."""
        parts, begin = [], 0
        for length in self.lengths:
            # A single row is no target: there is nothing before it.
            firsts = torch.arange(begin + 1 - shift, begin + length, size)[: None if length > 1 else 0]
            limits = torch.tensor([begin, begin + length]).expand(len(firsts), 2)
            parts.append(torch.cat([firsts[:, None], limits], dim=1))
            begin += length
        return torch.cat(parts).to(self.device)

    def take(self, firsts: Tensor, n_before: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Rows (n, n_before + size, n_channels), padded with the first; labels of the targets, and which exist."""
        first, begin, end = firsts[:, :1], firsts[:, 1:2], firsts[:, 2:]
        steps = first - n_before + torch.arange(n_before + size, device=self.device)
        targets = steps[:, n_before:]
        positions = torch.minimum(torch.maximum(steps, begin), end - 1)
        real = (targets > begin) & (targets < end)
        return self.values[positions], self.labels[positions[:, n_before:]], real
