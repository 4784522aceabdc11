"""One training from its first epoch to its last, with everything on disk that is needed to continue it.

**Conventions**: `last.pth` is written before the first epoch and after each; it holds weights, their average, the
optimizer and the history. `best.pth` holds the average after the best epoch. Epochs count from 1 in the history.
"""

import json
import platform
import time
import warnings
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from armbench_segmentation.training.calibration import calibrated
from armbench_segmentation.training.checkpoints import Architecture, load_network, save_checkpoint
from armbench_segmentation.training.examples import ExampleStore, n_batches, training_batches
from armbench_segmentation.training.export import export_onnx
from armbench_segmentation.training.optimization import PARTS, Optimization, learning_rate_share
from armbench_segmentation.training.settings import TrainingReport, TrainingSettings, shown
from armbench_segmentation.training.validation import MaskPrecision, validate
from latent_space.progress import track

_PACKAGES = ("armscope", "torch", "numpy", "onnx", "onnxruntime", "pycocotools")

# Until then the running statistics still are close to where they began, and weights mean little under any others.
_STEPS_BEFORE_CALIBRATION = 100


class TrainingRun:
    """A training under way.

    Parameters
    ----------
    architecture : Architecture
        Of the network to train.
    stores : dict of str to ExampleStore
        "training" and "validation".
    out : Path
        Folder for the files; made if missing.
    settings : TrainingSettings
    state : dict, optional
        Content of a `last.pth` to continue from; without it, the training begins and its files are written at once.
    """

    def __init__(
        self,
        architecture: Architecture,
        stores: dict[str, ExampleStore],
        out: Path,
        settings: TrainingSettings,
        *,
        state: dict[str, Any] | None = None,
    ) -> None:
        self._architecture, self._stores, self._out, self._settings = architecture, stores, out, settings
        self._history: list[dict[str, Any]] = [] if state is None else state["history"]
        self._optimization = Optimization(
            architecture.build(seed=settings.seed),
            image_size=settings.image_size,
            learning_rate=settings.learning_rate,
        )
        self._judged = self._optimization.average
        if state is not None:
            self._optimization.restore(state)
            return
        out.mkdir(parents=True, exist_ok=True)
        self._save_best()
        self._save_last()

    def train(self) -> None:
        """Go through the epochs that are left, unless patience has run out."""
        while len(self._history) < self._settings.epochs and not self._is_stuck():
            started = time.perf_counter()
            losses = self._learn(len(self._history))
            precision = self._validate()
            self._record(losses, precision, time.perf_counter() - started)
            if self._best_epoch() == len(self._history):
                self._save_best()
            self._save_last()

    def finish(self) -> TrainingReport:
        """Export the best network and write down what happened."""
        network, _ = load_network(self._out / "best.pth")
        model = self._out / "model.onnx"
        settings = self._settings
        [parity] = [
            export_onnx(
                network,
                model,
                image_size=settings.image_size,
                categories=self._architecture.categories,
                resize=settings.resize,
                exporter=settings.exporter,
            )
            for _ in track(range(1), "exporting to ONNX")
        ]
        best = self._history[self._best_epoch() - 1]
        n_training, n_validation = (len(store) - len(store.set_aside) for store in self._stores.values())
        report = TrainingReport(
            model=model,
            epochs_done=len(self._history),
            best_epoch=self._best_epoch(),
            map50=best["map50"],
            map50_95=best["map50_95"],
            n_training=n_training,
            n_validation=n_validation,
            seconds=sum(entry["seconds"] for entry in self._history),
            parity=parity,
        )
        self._write_history(report.to_plain())
        return report

    def _learn(self, epoch: int) -> dict[str, float]:
        """Mean of each part of the loss over one pass."""
        settings, store = self._settings, self._stores["training"]
        batch_size = settings.batch_size_for(len(store))
        per_epoch = n_batches(len(store), batch_size)
        n_steps, n_warmup = settings.epochs * per_epoch, min(3, settings.epochs / 5) * per_epoch
        batches = training_batches(store, batch_size=batch_size, seed=settings.seed, epoch=epoch)
        losses = []
        for number, batch in enumerate(track(batches, self._title(epoch), total=per_epoch)):
            share = learning_rate_share(epoch * per_epoch + number, n_steps, round(n_warmup))
            losses.append(self._optimization.step(batch, rate_share=share))
        self._warn_of_set_aside("training")
        if not losses:
            raise ValueError("None of the training images can be read; the warning above says why.")
        return {name: float(np.mean([loss[name] for loss in losses])) for name in PARTS}

    def _validate(self) -> MaskPrecision:
        store = self._stores["validation"]
        examples = track(store.examples(), "  validation", total=len(store))
        self._judged = self._optimization.average
        if self._optimization.n_steps_done >= _STEPS_BEFORE_CALIBRATION:
            self._judged = calibrated(self._judged, self._stores["training"])
        precision = validate(self._judged, examples, image_size=self._settings.image_size)
        self._warn_of_set_aside("validation")
        return precision

    def _record(self, losses: dict[str, float], precision: MaskPrecision, seconds: float) -> None:
        entry: dict[str, Any] = {"epoch": len(self._history) + 1, "loss": sum(losses.values()), **losses}
        entry |= {"map50": precision.map50, "map50_95": precision.map50_95, "fitness": precision.fitness}
        self._history.append(entry | {"seconds": round(seconds, 3)})
        self._write_history(None)

    def _best_epoch(self) -> int:
        """Epoch of the first highest fitness; the last epoch where the validation images hold no objects."""
        if all(entry["map50"] is None for entry in self._history):
            return len(self._history)
        return int(np.argmax([entry["fitness"] for entry in self._history])) + 1

    def _is_stuck(self) -> bool:
        return len(self._history) - self._best_epoch() >= self._settings.patience

    def _title(self, epoch: int) -> str:
        reached = f"  mAP50 {shown(self._history[-1]['map50'])}" if self._history else ""
        return f"epoch {epoch + 1}/{self._settings.epochs}{reached}"

    def _warn_of_set_aside(self, split: str) -> None:
        if (reasons := self._stores[split].set_aside) and len(self._history) == 0:
            name, reason = next(iter(reasons.items()))
            warnings.warn(f"{split} images set aside: {len(reasons)}; the first is {name}: {reason}", stacklevel=2)

    def _save_best(self) -> None:
        state = {"network": self._judged.state_dict(), "epoch": len(self._history)}
        save_checkpoint(self._out / "best.pth", self._architecture, state)

    def _save_last(self) -> None:
        state = self._optimization.state() | {"history": self._history, "settings": asdict(self._settings)}
        save_checkpoint(self._out / "last.pth", self._architecture, state)

    def _write_history(self, report: dict[str, Any] | None) -> None:
        content = {
            "report": report,
            "history": self._history,
            "settings": asdict(self._settings),
            "architecture": self._architecture.to_plain(),
            "set_aside": {split: store.set_aside for split, store in self._stores.items()},
            "versions": _versions(),
        }
        draft = self._out / "training.json.part"
        draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
        draft.replace(self._out / "training.json")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
