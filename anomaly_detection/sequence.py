"""Forecasters: how far the newest row lies from what a causal network expected of it.

**Conventions**: the network forecasts the next row after every row of the window. The forecast after the last row
but one is compared with the newest row; the forecast after the newest row says what comes next. Training goes through
sub-sequences, many forecasts in one pass, each preceded by enough rows that it has seen about a window.

The residual is the scaled forecast error, or the scaled deviation of the median of the last 3 rows from the mean of
normal training rows, each divided by its own control limit (after Yue and Qin, 2001). It is exceeded by 0.01 % of the
training rows that have nothing anomalous in their window (for the deviation: among their last 3 rows). The deviation
takes the place of the error where it exceeds its limit and is the larger one, in mean square. The score is the mean
over channels of the residual's square, so 1 is where rows begin to be extreme. The forecast error alone can be small in
the midst of an anomaly: a network gets used to an offset that lasts, and one that learned to forecast badly after
anomalous rows ("minmax") may by chance forecast just the anomaly. Where normal rows move much, as those of a robot arm,
the limit of the deviation is wide and the forecast decides. A few rows together tell a small offset that lasts from
noise, as charts of moving averages do beside those of single readings (Lucas and Saccucci, 1990); their median lets no
single odd reading speak for the rows after it. With `deviation` off, the residual is the scaled forecast error alone,
not divided.

Early stopping watches the forecast error alone: limits are known only once the training is over.

References
----------
Malhotra P., Vig L., Shroff G., Agarwal P.: Long short term memory networks for anomaly detection in time series. ESANN
2015.
Lucas J. M., Saccucci M. S.: Exponentially weighted moving average control schemes. Technometrics 1990.
Yue H. H., Qin S. J.: Reconstruction-based fault identification using a combined index. IECR 2001.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from anomaly_detection.base import Kind, check_choice, check_count
from anomaly_detection.losses import LOSSES, masked_loss, minmax_loss, mse_loss
from anomaly_detection.networks import LSTM, TCN, Forecaster
from anomaly_detection.neural import NeuralDetector, RawForm
from anomaly_detection.rows import Stretch, normal_windows
from anomaly_detection.training_loop import Task, own_torch
from anomaly_detection.windows import full_windows, pad_left

_BLOCK_ROWS = 65_536
_EXTREME = 0.9999  # quantile that is the limit
_RECENT = 3  # rows whose median is compared with normal
_LEAST_LIMIT = 1e-6  # a thousandth of a channel's scale, squared: for rows that never change or are foreseen exactly


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
    anomaly_weight : float
        Of that reward in "minmax"; 1 as published. More tells rows apart that are anomalous with less than even odds.
    n_layers : int
    deviation : bool
        Whether rows far from the mean of normal rows are anomalous too where they were forecast; see the module.
    """

    kind: ClassVar[Kind] = "forecast"
    window_size: int = 64
    batch_size: int = 32
    patience: int = 20
    loss: Literal["mse", "minmax", "masked"] = "minmax"
    bound: float | None = 6.0
    anomaly_weight: float = 4.0
    n_layers: int = 2
    deviation: bool = True

    def _check_settings(self) -> None:
        super()._check_settings()
        check_choice("loss", self.loss, LOSSES)
        if self.bound is not None and not 0 < self.bound < math.inf:
            raise ValueError(f"bound must be positive, or None for none; got {self.bound!r}.")
        if not isinstance(self.anomaly_weight, int | float) or not 0 < self.anomaly_weight < math.inf:
            raise ValueError(f"anomaly_weight must be positive; got {self.anomaly_weight!r}.")
        check_count("n_layers", self.n_layers)
        check_count("window_size", self.window_size, least=2)

    def _make_task(self, train: list[Stretch], validation: list[Stretch]) -> Task:
        return ForecastTask(self, train, validation)

    def _answer(self, network: nn.Module, scaled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        forecast, hidden = network(scaled)
        recent = _median(scaled[:, -_RECENT:])
        residual = self._residual(cast(Forecaster, network), scaled[:, -1] - forecast[:, -2], recent)
        return forecast, hidden[:, -1], residual

    def _residual(self, network: Forecaster, error: Tensor, recent: Tensor) -> Tensor:
        """Choose between forecast error and deviation; errors and means of the last rows are (n, n_channels)."""
        if not self.deviation:
            return error
        error_limit, deviation_limit = network.limits.sqrt().unbind()
        error, deviation = error / error_limit, (recent - network.normal) / deviation_limit
        decides = deviation.square().mean(dim=1) > error.square().mean(dim=1).clamp(min=1)
        return torch.where(decides[:, None], deviation, error)

    def _fit(self, training: list[Stretch], validation: list[Stretch]) -> None:
        super()._fit(training, validation)
        if self.deviation:
            self._fit_limits(self._scaled(training))

    def _fit_limits(self, training: list[Stretch]) -> None:
        network, size = cast(Forecaster, self.network_), min(_RECENT, self.window_size)
        normal = np.concatenate([s.values if s.labels is None else s.values[~s.labels] for s in training])
        center = normal.mean(axis=0, dtype=np.float64)
        recent = [np.median(full_windows(s.values, size), axis=1)[normal_windows(s, size)] for s in training]
        with own_torch(), torch.no_grad():
            errors = ForecastTask(self, training, []).normal_errors()
            squares = np.square(np.concatenate(recent) - center).mean(axis=1)
            network.normal[:] = torch.from_numpy(center)
            network.limits[:] = torch.tensor([_limit(errors), _limit(squares)])


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
    dropout: float = 0.1
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
            scores.append(self._scores_along(rows, field))
        return np.concatenate(scores)

    def _scores_along(self, rows: np.ndarray, n_before: int) -> np.ndarray:
        with own_torch(), torch.inference_mode():
            network = cast(Forecaster, self.network_)
            scaled = RawForm(self).scaled(torch.tensor(rows, device=self.device))
            forecast, _ = network(scaled[None, :-1])
            recent = _median(scaled[n_before + 1 - _RECENT :].unfold(0, _RECENT, 1).transpose(1, 2))
            residual = self._residual(network, scaled[n_before:] - forecast[0, n_before - 1 :], recent)
            scores: np.ndarray = residual.square().mean(dim=1).cpu().numpy()
        return scores


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
        self.training = train
        self.size = detector.window_size
        self.batch_size, self.device = detector.batch_size, detector.device
        losses: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "mse": mse_loss,
            "masked": masked_loss,
            "minmax": partial(
                minmax_loss,
                bound=math.inf if detector.bound is None else detector.bound,
                weight=detector.anomaly_weight,
            ),
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
        errors, labels = self._all_errors(self.validation)
        known = labels.cpu().numpy().astype(bool) if self.validation.labelled else None
        return float(self.reduce(errors, labels)), errors.cpu().numpy(), known

    def normal_errors(self) -> np.ndarray:
        """Score the training rows with a normal window, or else all normal rows; the first of a stretch has no score.

        What a network expects just after an anomaly is coloured by it, and would widen the limit.
        """
        errors, labels = (part.cpu().numpy() for part in self._all_errors(self.rows))
        clean = np.concatenate([normal_windows(part, self.size, padded=True)[1:] for part in self.training])
        chosen: np.ndarray = errors[clean if clean.any() else labels == 0]
        return chosen

    def _all_errors(self, rows: "_Rows") -> tuple[Tensor, Tensor]:
        """Errors and labels of every row but the first of each stretch."""
        parts = [
            [part[real] for part in (errors, labels)]
            for firsts in torch.split(rows.first_targets(self.size, 0), 1024)
            for errors, labels, real in [self._errors(rows, firsts)]
        ]
        errors, labels = (torch.cat(column) for column in zip(*parts, strict=True))
        return errors, labels

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


def _median(rows: Tensor) -> Tensor:
    """Median of one, two or three rows (n, rows, n_channels), channel by channel."""
    if rows.shape[1] < _RECENT:
        return rows.mean(dim=1)
    first, second, third = rows.unbind(dim=1)
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    return torch.maximum(low, torch.minimum(high, third))


def _limit(squares: np.ndarray) -> float:
    """Return what all but the most extreme 0.01 % of rows stay below; 1 where there is no row."""
    return max(float(np.quantile(squares, _EXTREME)), _LEAST_LIMIT) if len(squares) else 1.0
