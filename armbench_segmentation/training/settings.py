"""What can be chosen about a training, and what it came to.

**Conventions**: sizes in pixels, epochs counted from 1, average precision in [0, 1] or None where undefined.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from armbench_segmentation.resize import ResizeMode

AnchorChoice = Literal["fitted", "coco"]
SMALLEST_IMAGE = 64
_STEPS_PER_EPOCH = 75
_CHOICES = {
    "width": ("n", "s"),
    "anchors": ("fitted", "coco"),
    "resize": ("stretch", "letterbox"),
    "exporter": ("dynamo", "legacy"),
}


@dataclass(frozen=True)
class TrainingSettings:
    """What can be chosen about a training; checked at once.

    Attributes
    ----------
    epochs : int
        Passes over the training images.
    image_size : int
        Side of the network's input, pixels; a multiple of 32, at least 64.
    width : "n" or "s"
        1.9 or 7.4 million parameters.
    batch_size : int, optional
        Images per step; by default 2 to 16, so that even a small data set gives enough steps per epoch.
    learning_rate : float
        At the peak of the schedule.
    patience : int
        Epochs without a better validation after which the training stops.
    anchors : {"fitted", "coco"}
        Fitted to the training objects, or those of COCO, in pixels.
    resize : {"stretch", "letterbox"}
        How images become square.
    seed : int
        Same seed, same data, same machine: same network.
    threads : int
        Of torch; one is fastest on a busy machine with few cores.
    exporter : {"dynamo", "legacy"}
        See `export_onnx`.
    """

    epochs: int = 10
    image_size: int = 128
    width: Literal["n", "s"] = "n"
    batch_size: int | None = None
    learning_rate: float = 4e-3
    patience: int = 50
    anchors: AnchorChoice = "coco"
    resize: ResizeMode = "stretch"
    seed: int = 0
    threads: int = 1
    exporter: Literal["dynamo", "legacy"] = "dynamo"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience", "threads"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}.")
        if self.image_size < SMALLEST_IMAGE or self.image_size % 32:
            raise ValueError(f"image_size must be a multiple of 32, at least {SMALLEST_IMAGE}; got {self.image_size}.")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive; got {self.learning_rate}.")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative; got {self.seed}.")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}.")

    def batch_size_for(self, n_images: int) -> int:
        """Images per step of a training on `n_images`."""
        return self.batch_size or min(max(n_images // _STEPS_PER_EPOCH, 2), 16)


@dataclass(frozen=True)
class TrainingReport:
    """What a training came to; prints as a short summary.

    Attributes
    ----------
    model : Path
        The ONNX file.
    epochs_done, best_epoch : int
        Counted from 1; `best_epoch` is the one exported.
    map50, map50_95 : float or None
        Mask average precision of the exported network on the validation images, on the prototype grid.
    n_training, n_validation : int
        Images.
    seconds : float
        Of all epochs, interruptions left out.
    parity : float
        Largest difference between the ONNX file and the network.
    """

    model: Path
    epochs_done: int
    best_epoch: int
    map50: float | None
    map50_95: float | None
    n_training: int
    n_validation: int
    seconds: float
    parity: float

    def __str__(self) -> str:
        lines = [
            f"Trained on {self.n_training} images for {self.epochs_done} epochs in {self.seconds:.0f} s.",
            f"Best after epoch {self.best_epoch}, on {self.n_validation} validation images:"
            f" mask mAP50 {shown(self.map50)}, mAP50-95 {shown(self.map50_95)}.",
            f"Model: {self.model} (differs from the network by at most {self.parity:.1e})",
        ]
        return "\n".join(lines)

    def to_plain(self) -> dict[str, Any]:
        """As JSON knows it."""
        return asdict(self) | {"model": str(self.model)}

    def to_json(self) -> str:
        """As one JSON object."""
        return json.dumps(self.to_plain())


def shown(value: float | None) -> str:
    """Three digits, or a dash for None."""
    return "-" if value is None else f"{value:.3f}"
