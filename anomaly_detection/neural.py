"""What the neural detectors have in common: settings, scaling, scoring in torch, export.

**Conventions**: a network sees scaled rows, float32. The residual of a detector is scaled and signed, and the score is
the mean over channels of its square, as in `pca`. Everything runs on one thread: more make small networks slower.
"""

import io
import zlib
from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from anomaly_detection.base import Detector, Outputs, check_choice, check_count
from anomaly_detection.rows import Stretch
from anomaly_detection.scaling import SCALINGS, Scaling, fit_scaling
from anomaly_detection.training_loop import MAY_CHANGE, MONITORS, History, LoopSettings, Task, own_torch, train

_BLOCK_ROWS = 1 << 16  # rows of the windows that go through a network at once: hidden layers are wider than rows


@dataclass(kw_only=True, eq=False)
class NeuralDetector(Detector):
    """A detector around a torch network.

    Parameters
    ----------
    scaling : {"standard", "minmax", "robust"}
        Of the channels, fitted on normal training rows.
    dropout : float
        Share of hidden values dropped while training, in [0, 1).
    learning_rate, weight_decay : float
        Of AdamW.
    batch_size : int
        Windows, or for forecasters sub-sequences of `window_size` targets, per step of the optimizer.
    max_epochs : int
    patience : int
        Epochs without improvement before training stops.
    monitor : {"auto", "loss", "auc"}
        What must improve on the validation part; "auto" is the AUC where it has labels of both classes, else the loss.
    random_state : int
    device : str
        As torch names it: "cpu", "cuda".

    Attributes
    ----------
    checkpoint_path : Path or None
        Set it before `fit` to keep the state of the training there; an existing file is continued from.
    history_ : History
        Losses and AUC per epoch.
    """

    scaling: Literal["standard", "minmax", "robust"] = "standard"
    dropout: float = 0.2
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    batch_size: int = 64
    max_epochs: int = 100
    patience: int = 10
    monitor: Literal["auto", "loss", "auc"] = "auto"
    random_state: int = 0
    device: str = "cpu"
    checkpoint_path: Path | None = field(default=None, init=False, repr=False)
    scaling_: Scaling = field(init=False, repr=False)
    network_: nn.Module = field(init=False, repr=False)
    history_: History = field(init=False, repr=False)

    @abstractmethod
    def _make_network(self, n_channels: int) -> nn.Module:
        """Build the network with fresh weights."""

    @abstractmethod
    def _make_task(self, train: list[Stretch], validation: list[Stretch]) -> Task:
        """Say what to learn, from scaled stretches."""

    @abstractmethod
    def _answer(self, network: nn.Module, scaled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return prediction (n, window_size, n_channels), latent (n, d), residual (n, n_channels), all scaled."""

    def _check_settings(self) -> None:
        super()._check_settings()
        check_choice("scaling", self.scaling, SCALINGS)
        check_choice("monitor", self.monitor, MONITORS)
        for name in ("batch_size", "max_epochs", "patience"):
            check_count(name, getattr(self, name))
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1); got {self.dropout!r}.")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive; got {self.learning_rate!r}.")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay must be at least 0; got {self.weight_decay!r}.")

        check_device(self.device)

    def _fit(self, training: list[Stretch], validation: list[Stretch]) -> None:
        normal = [s.values if s.labels is None else s.values[~s.labels] for s in training]
        self.scaling_ = fit_scaling(self.scaling, np.concatenate(normal))
        loop = LoopSettings(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            max_epochs=self.max_epochs,
            patience=self.patience,
            monitor=self.monitor,
            random_state=self.random_state,
        )
        with own_torch(self.random_state):
            self.network_ = self._make_network(len(self.channels_)).to(self.device)
            task = self._make_task(self._scaled(training), self._scaled(validation or training))
            self.history_ = train(
                task,
                loop,
                checkpoint=self.checkpoint_path,
                identity=self._identity(training),
                description=f"training {self.name}",
            )

    def _identity(self, training: list[Stretch]) -> dict[str, Any]:
        """Return what a checkpoint must agree on: the settings that matter to the weights, and the training data."""
        without_part = (*MAY_CHANGE, "threshold", "baseline_size", "baseline_weight", "device")
        settings = {k: v for k, v in self.settings.items() if k not in without_part}
        parts = [part for s in training for part in (s.values, s.labels) if part is not None]
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(np.ascontiguousarray(part).data, checksum)
        return {"detector": self.name, **settings, "checksum of the training data": checksum}

    def _scaled(self, stretches: list[Stretch]) -> list[Stretch]:
        return [Stretch(self.scaling_.apply(s.values).astype(np.float32), s.labels) for s in stretches]

    def _run(self, windows: np.ndarray) -> Outputs:
        with own_torch(), torch.inference_mode():
            form = RawForm(self).eval()
            blocks = [
                form(torch.tensor(windows[start : start + size], device=self.device))
                for size in [max(1, _BLOCK_ROWS // self.window_size)]
                for start in range(0, len(windows), size)
            ]
        score, prediction, latent, residual = (torch.cat(parts).cpu().numpy() for parts in zip(*blocks, strict=True))
        return Outputs(score=score, residual=residual, latent=latent, prediction=prediction)

    def to_onnx(self) -> bytes:
        """Write the fitted detector as an ONNX model; see `Detector.to_onnx`."""
        from anomaly_detection.neural_graph import neural_graph

        return neural_graph(self)

    def weights(self) -> bytes | None:
        """Return the network's state dict as `torch.save` writes it."""
        buffer = io.BytesIO()
        torch.save({name: tensor.cpu() for name, tensor in self.network_.state_dict().items()}, buffer)
        return buffer.getvalue()


class RawForm(nn.Module):
    """A fitted detector as one module: raw windows in; score, raw prediction, latent and residual out."""

    center: Tensor
    rest: Tensor | None
    scale: Tensor

    def __init__(self, detector: NeuralDetector) -> None:
        super().__init__()
        self.network = detector.network_
        self._answer = detector._answer
        center, rest = detector.scaling_.split_center(np.float32)
        scale = detector.scaling_.scale.astype(np.float32)
        for name, values in (("center", center), ("rest", rest), ("scale", scale)):
            self.register_buffer(name, None if values is None else torch.from_numpy(values).to(detector.device))

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Answer for raw windows (n, window_size, n_channels)."""
        scaled = self.scaled(window)
        prediction, latent, residual = self._answer(self.network, scaled)
        raw = prediction * self.scale
        raw = (raw if self.rest is None else raw + self.rest) + self.center
        # A product: onnxruntime is slower at powers.
        return (residual * residual).mean(dim=1), raw, latent, residual

    def scaled(self, rows: Tensor) -> Tensor:
        """Scale raw rows (..., n_channels)."""
        centred = rows - self.center
        return (centred if self.rest is None else centred - self.rest) / self.scale


def check_device(device: str) -> None:
    """Raise ValueError unless torch has such a device here."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # the latter where torch was built without the device
        reason = str(error).splitlines()[0]
        raise ValueError(f"device must be one that torch has here, such as cpu; got {device!r}: {reason}") from error
