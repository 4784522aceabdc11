"""Autoencoders: how badly a network that has learned normal windows reconstructs the newest ones.

**Conventions**: a window is flattened, reconstructed and compared. The residual of a channel is the root mean square of
its scaled errors in the window, with the sign of the newest error; the score is its mean square, hence the mean squared
scaled error of the window. With `window_size` 1 it is the row's. Windows with a row labelled anomalous are not learned.

References
----------
An J., Cho S.: Variational autoencoder based anomaly detection using reconstruction probability. SNU DM Center 2015.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from anomaly_detection.base import check_count
from anomaly_detection.networks import Autoencoder, VariationalAutoencoder
from anomaly_detection.neural import NeuralDetector
from anomaly_detection.rows import SeriesLike, Stretch, normal_windows
from anomaly_detection.training_loop import Task, own_torch
from anomaly_detection.windows import causal_windows, in_chunks


@dataclass(kw_only=True, eq=False)
class AutoencoderDetector(NeuralDetector):
    """Reconstruct windows through a few latents.

    Parameters
    ----------
    hidden_dims : tuple of int
        Widths of the layers before the latent, mirrored after it.
    latent_dim : int
        A bottleneck only where it is less than `window_size` * channels.
    """

    name: ClassVar[str] = "autoencoder"
    window_size: int = 10
    hidden_dims: tuple[int, ...] = (64, 32)
    latent_dim: int = 4

    def _check_settings(self) -> None:
        super()._check_settings()
        check_count("latent_dim", self.latent_dim)
        if not isinstance(self.hidden_dims, tuple | list):
            raise ValueError(f"hidden_dims must be a tuple of integers; got {self.hidden_dims!r}.")
        for width in self.hidden_dims:
            check_count("hidden_dims", width)

    def _make_network(self, n_channels: int) -> nn.Module:
        return Autoencoder(self.window_size, n_channels, self.hidden_dims, self.latent_dim, self.dropout)

    def _make_task(self, train: list[Stretch], validation: list[Stretch]) -> Task:
        return ReconstructionTask(self, train, validation)

    def _answer(self, network: nn.Module, scaled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        prediction, latent = network(scaled)
        return prediction, latent, _residual(scaled - prediction)


@dataclass(kw_only=True, eq=False)
class VAEDetector(AutoencoderDetector):
    """A variational autoencoder; it scores by its mean, so that scores repeat.

    Parameters
    ----------
    beta : float
        Weight of the Kullback-Leibler divergence per latent, against the mean squared error.
    """

    name: ClassVar[str] = "vae"
    beta: float = 0.01
    normal_scores_: np.ndarray = field(init=False, repr=False)  # sorted, of normal validation rows

    def _check_settings(self) -> None:
        super()._check_settings()
        if not self.beta >= 0:
            raise ValueError(f"beta must be at least 0; got {self.beta!r}.")

    def _make_network(self, n_channels: int) -> nn.Module:
        return VariationalAutoencoder(self.window_size, n_channels, self.hidden_dims, self.latent_dim, self.dropout)

    def _make_task(self, train: list[Stretch], validation: list[Stretch]) -> Task:
        return VariationalTask(self, train, validation, beta=self.beta)

    def _calibrate(self, stretches: list[Stretch]) -> None:
        super()._calibrate(stretches)
        normal = [np.ones(len(s.values), bool) if s.labels is None else ~s.labels for s in stretches]
        scores = self.decision_function([s.values for s in stretches])
        self.normal_scores_ = np.sort(scores[np.concatenate(normal)])

    def probability(self, X: SeriesLike) -> np.ndarray:
        """Share of normal validation rows with a lower score, (n_steps,), in [0, 1].

        It is one minus the empirical tail probability of the score among normal rows: .99 means that one normal row in
        a hundred scores as high. (n_lower / (n + 1), so 1 is never reached.)
        """
        scores = self.decision_function(X)
        return np.searchsorted(self.normal_scores_, scores, side="left") / (len(self.normal_scores_) + 1)

    def uncertainty(self, X: SeriesLike, *, n_samples: int = 16, random_state: int = 0) -> np.ndarray:
        """Return the standard deviation of the score over sampled latents, (n_steps,); higher = less certain."""
        check_count("n_samples", n_samples, least=2)
        generator = torch.Generator().manual_seed(random_state)
        parts = []
        for values in self._checked(X):
            for windows in in_chunks(causal_windows(values, self.window_size)):
                parts.append(self._spread(windows, n_samples, generator))
        return np.concatenate(parts).astype(np.float64)

    def _spread(self, windows: np.ndarray, n_samples: int, generator: torch.Generator) -> np.ndarray:
        network = cast(VariationalAutoencoder, self.network_)
        scaled = torch.tensor(self.scaling_.apply(windows), dtype=torch.float32, device=self.device)
        with own_torch(), torch.inference_mode():
            samples = [
                (scaled - network.sample(scaled, generator)[0]).square().mean(dim=(1, 2)) for _ in range(n_samples)
            ]
            spread: np.ndarray = torch.stack(samples).std(dim=0).cpu().numpy()
        return spread


class ReconstructionTask(Task):
    """Reconstruct the normal windows of some stretches, drawn by their position in one tensor of rows."""

    def __init__(self, detector: NeuralDetector, train: list[Stretch], validation: list[Stretch]) -> None:
        self.network, self.size = detector.network_, detector.window_size
        self.batch_size, self.device = detector.batch_size, detector.device
        rows = torch.from_numpy(np.concatenate([s.values for s in train])).to(self.device)
        # A view of every window, across stretches too; `starts` picks those of one stretch.
        self.windows = rows.unfold(0, self.size, 1).transpose(1, 2)
        self.starts = torch.from_numpy(_normal_starts(train, self.size)).to(self.device)
        if not len(self.starts):
            raise ValueError(
                f"y must leave a window of {self.size} normal rows in a row to learn from; got none. "
                "Take a smaller window_size."
            )
        self.validation = validation

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Yield shuffled starts."""
        order = torch.randperm(len(self.starts), generator=generator).to(self.device)
        yield from torch.split(self.starts[order], self.batch_size)

    def loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Mean squared scaled error."""
        windows = self.windows[batch]
        return nn.functional.mse_loss(self.network(windows)[0], windows)

    def validate(self) -> tuple[float, np.ndarray, np.ndarray | None]:
        """Score every row; the loss is the mean score of the normal ones."""
        scores = np.concatenate([self._scores(stretch.values) for stretch in self.validation])
        if any(stretch.labels is None for stretch in self.validation):
            return float(scores.mean()), scores, None
        labels = np.concatenate([np.asarray(stretch.labels) for stretch in self.validation])
        return float((scores if labels.all() else scores[~labels]).mean()), scores, labels

    def _scores(self, values: np.ndarray) -> np.ndarray:
        parts = []
        for chunk in in_chunks(causal_windows(values, self.size)):
            windows = torch.tensor(chunk, device=self.device)
            parts.append((windows - self.network(windows)[0]).square().mean(dim=(1, 2)).cpu().numpy())
        return np.concatenate(parts)


class VariationalTask(ReconstructionTask):
    """The same through a sampled latent, plus the divergence."""

    def __init__(self, detector: Any, train: list[Stretch], validation: list[Stretch], *, beta: float) -> None:
        super().__init__(detector, train, validation)
        self.beta = beta

    def loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Mean squared scaled error plus beta times the divergence."""
        windows = self.windows[batch]
        sampled, divergence = cast(VariationalAutoencoder, self.network).sample(windows, generator)
        return nn.functional.mse_loss(sampled, windows) + self.beta * divergence.mean()


def _residual(errors: Tensor) -> Tensor:
    """Root mean square per channel of errors (n, window_size, n_channels), with the sign of the newest."""
    if errors.shape[1] == 1:
        return errors[:, 0]
    size = errors.square().mean(dim=1).sqrt()
    return torch.where(errors[:, -1] < 0, -size, size)


def _normal_starts(stretches: list[Stretch], window_size: int) -> np.ndarray:
    offsets = np.cumsum([0] + [len(s.values) for s in stretches])
    starts = [
        offset + np.flatnonzero(normal_windows(s, window_size)) for offset, s in zip(offsets, stretches, strict=False)
    ]
    return np.concatenate(starts)
