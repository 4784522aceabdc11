"""One training loop for every network; a family supplies the network, the batches and the loss as a `Task`.

AdamW, learning rate halved when the validation loss stays for 5 epochs, gradients clipped to norm 1, early stopping,
best weights kept. A tie is no improvement.

**Conventions**: what is monitored is better when it is lower (the AUC enters with a minus). A checkpoint holds tensors
and plain values only and is read with `weights_only=True`; a training that continues from one ends as if it had never
stopped. Randomness comes from `random_state`; torch's global state is as before afterwards.
"""

import copy
import math
import pickle
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from latent_space.progress import track

MONITORS = ("auto", "loss", "auc")
MAY_CHANGE = ("max_epochs", "patience")
_FORMAT = 1


@dataclass(frozen=True)
class LoopSettings:
    """How to train."""

    learning_rate: float
    weight_decay: float
    max_epochs: int
    patience: int
    monitor: Literal["auto", "loss", "auc"]
    random_state: int


class Task(ABC):
    """What is learned: the loop knows nothing else of it."""

    network: nn.Module

    @abstractmethod
    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Yield the batches of one epoch, as positions."""

    @abstractmethod
    def loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of a batch, differentiable."""

    @abstractmethod
    def validate(self) -> tuple[float, np.ndarray, np.ndarray | None]:
        """Return loss, scores (n,) and labels (n,) or None of the validation part."""


@dataclass
class History:
    """What happened, one entry per epoch; `auc` is NaN where it is not defined."""

    train_loss: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    auc: list[float] = field(default_factory=list)
    monitored: list[float] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        """Position of the best epoch; the first of equals."""
        return int(np.argmin(self.monitored))

    def lists(self) -> list[list[float]]:
        """Return the four, in order."""
        return [self.train_loss, self.loss, self.auc, self.monitored]


def train(
    task: Task,
    settings: LoopSettings,
    *,
    checkpoint: Path | None = None,
    identity: dict[str, Any] | None = None,
    description: str = "",
) -> History:
    """Train `task.network` in place; its weights are those of the best epoch afterwards, in evaluation mode.

    Parameters
    ----------
    checkpoint : Path, optional
        Written after every epoch; where it exists, the training continues from it.
    identity : dict, optional
        Plain values that make the training what it is: a checkpoint must have the same. By default those of
        `settings` but max_epochs and patience, which may change when a training continues.
    description : str
        Of the progress bar.

    Raises
    ------
    ValueError
        If the checkpoint is of another training, or the loss stops being finite.
    """
    identity = {k: v for k, v in asdict(settings).items() if k not in MAY_CHANGE} if identity is None else identity
    run = _Run(task, settings, identity)
    if checkpoint is not None and checkpoint.is_file():
        run.restore(load_checkpoint(checkpoint))
    epochs = range(len(run.history.loss), settings.max_epochs)
    for _ in track(epochs, description):
        if run.is_stuck():
            break
        run.epoch()
        if checkpoint is not None:
            save_checkpoint(checkpoint, run.state())
    task.network.load_state_dict(run.best)
    task.network.eval()
    return run.history


class _Run:
    def __init__(self, task: Task, settings: LoopSettings, identity: dict[str, Any]) -> None:
        self.task, self.settings, self.identity, self.history = task, settings, identity, History()
        self.generator = torch.Generator().manual_seed(settings.random_state)
        parameters = task.network.parameters()
        self.optimizer = torch.optim.AdamW(parameters, settings.learning_rate, weight_decay=settings.weight_decay)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimizer, factor=0.5, patience=5)
        self.best = copy.deepcopy(task.network.state_dict())

    def epoch(self) -> None:
        network = self.task.network.train()
        parameters, losses = list(network.parameters()), []
        for batch in self.task.batches(self.generator):
            self.optimizer.zero_grad()
            loss = self.task.loss(batch, self.generator)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 1.0)
            self.optimizer.step()
            losses.append(loss.detach())
        network.eval()
        self._record(float(torch.stack(losses).mean()))

    def _record(self, train_loss: float) -> None:
        with torch.no_grad():
            loss, scores, labels = self.task.validate()
        if not (math.isfinite(train_loss) and math.isfinite(loss)):
            raise ValueError(
                f"learning_rate must be small enough for a finite loss; {self.settings.learning_rate} gave {loss} in "
                f"epoch {len(self.history.loss) + 1}. Take a smaller one."
            )
        auc = _auc(scores, labels) if self.settings.monitor != "loss" else math.nan
        if self.settings.monitor == "auc" and math.isnan(auc):
            raise ValueError('monitor must be "loss" or "auto" where the validation part lacks labels of both classes.')
        monitored = loss if math.isnan(auc) else -auc
        if not self.history.monitored or monitored < min(self.history.monitored):
            self.best = copy.deepcopy(self.task.network.state_dict())
        for values, value in zip(self.history.lists(), (train_loss, loss, auc, monitored), strict=True):
            values.append(value)
        self.scheduler.step(loss)

    def is_stuck(self) -> bool:
        """Whether patience has run out."""
        epochs = len(self.history.monitored)
        return epochs > 0 and epochs - 1 - self.history.best_epoch >= self.settings.patience

    def state(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "identity": self.identity,
            "network": self.task.network.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "history": asdict(self.history),
            "generator": self.generator.get_state(),
            "dropout": _dropout_state(self.task.network),
        }

    def restore(self, state: dict[str, Any]) -> None:
        for name, ours in self.identity.items():
            theirs = state["identity"].get(name)
            if ours != theirs:
                raise ValueError(
                    f"checkpoint must be of a training with {name} {ours!r}; it has {theirs!r}. "
                    "Delete it to start anew."
                )
        try:
            self.task.network.load_state_dict(state["network"])
        except RuntimeError as error:
            raise ValueError(f"checkpoint must be of the same network; {str(error).splitlines()[0]}") from error
        self.best, self.history = state["best"], History(**state["history"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.generator.set_state(state["generator"])
        _restore_dropout(self.task.network, state["dropout"])


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values in one step."""
    draft = path.with_name(path.name + ".part")
    try:
        torch.save(state, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote.

    Raises
    ------
    ValueError
        If it is something else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or ["it ends too soon"])[0]
        raise ValueError(f"{path} must be a checkpoint of a training: {reason}") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f"{path} must be a checkpoint of a training in format {_FORMAT}.")
    return content


@contextmanager
def own_torch(random_state: int | None = None) -> Iterator[None]:
    """One thread, and random numbers of our own: the caller's torch is as before afterwards."""
    threads = torch.get_num_threads()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices, enabled=random_state is not None):
            if random_state is not None:
                torch.manual_seed(random_state)
            yield
    finally:
        torch.set_num_threads(threads)


def _is_on_gpu(network: nn.Module) -> bool:
    return any(parameter.is_cuda for parameter in network.parameters())


def _dropout_state(network: nn.Module) -> Tensor:
    """State of the random numbers that dropout draws: those of the network's device."""
    return torch.cuda.get_rng_state() if _is_on_gpu(network) else torch.get_rng_state()


def _restore_dropout(network: nn.Module, state: Tensor) -> None:
    if _is_on_gpu(network):
        torch.cuda.set_rng_state(state)
    else:
        torch.set_rng_state(state)


def _auc(scores: np.ndarray, labels: np.ndarray | None) -> float:
    """Area under the ROC curve; NaN where labels of a class are missing or a score is not finite."""
    if labels is None or labels.all() or not labels.any() or not np.isfinite(scores).all():
        return math.nan
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores))
