"""One step of training after the other: learning-rate schedule, optimizer, average of the weights.

**Conventions**: everything is a function of the number of steps done, so that state plus that number continue exactly.
Nothing here knows of files or of data sets.
"""

import copy
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from armbench_segmentation.training.examples import Batch
from armbench_segmentation.training.loss import SegmentationLoss
from armbench_segmentation.training.network import YoloSeg

PARTS = ("box", "objectness", "classification", "mask")
_WEIGHT_DECAY = 5e-4
_MAX_GRADIENT = 10.0
_LAST_RATE = 0.01
_AVERAGE_DECAY = 0.9999


def learning_rate_share(step: int, n_steps: int, n_warmup: int) -> float:
    """Share of the peak learning rate at a step: a linear rise, then half a cosine down to a hundredth.

    Examples
    --------
    >>> [round(learning_rate_share(step, 11, 2), 3) for step in (0, 1, 2, 6, 10)]
    [0.333, 0.667, 1.0, 0.505, 0.01]
    """
    if step < n_warmup:
        return (step + 1) / (n_warmup + 1)
    progress = (step - n_warmup) / max(n_steps - n_warmup - 1, 1)
    return _LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


class Optimization:
    """A network, its optimizer and the moving average of its weights, which is what gets validated and exported.

    Parameters
    ----------
    network : YoloSeg
        Changed in place.
    image_size : int
        Side of the images, pixels.
    learning_rate : float
        At the peak of the schedule.

    Attributes
    ----------
    average : YoloSeg
        Exponential moving average of the weights, in evaluation mode, over about the last tenth of the
        steps: the first ones must not weigh on a short training.
    n_steps_done : int
    """

    def __init__(self, network: YoloSeg, *, image_size: int, learning_rate: float) -> None:
        self.network = network.train()
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.n_steps_done = 0
        self._peak = learning_rate
        self._loss = SegmentationLoss(network.anchors, n_classes=network.n_classes, image_size=image_size)
        self._optimizer = torch.optim.AdamW(_parameter_groups(network), lr=learning_rate)

    def step(self, batch: Batch, *, rate_share: float) -> dict[str, float]:
        """Learn from one batch.

        Returns
        -------
        dict
            The four parts of the loss.

        Raises
        ------
        ValueError
            If the loss is not finite; the weights stay as they were.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = self._peak * rate_share
        raw, prototypes = self.network(batch.images)
        parts = self._loss(raw, prototypes, batch.targets)
        values = {name: float(getattr(parts, name).detach()) for name in PARTS}
        if not math.isfinite(sum(values.values())):
            found = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
            raise ValueError(f"The training loss must be finite; got {found}. Lower the learning rate {self._peak:g}.")
        self._optimizer.zero_grad(set_to_none=True)
        parts.total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), _MAX_GRADIENT)
        self._optimizer.step()
        self.n_steps_done += 1
        self._update_average()
        return values

    def state(self) -> dict[str, Any]:
        """All that changes from step to step, as tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "n_steps_done": self.n_steps_done,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.n_steps_done = int(state["n_steps_done"])

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(_AVERAGE_DECAY, self.n_steps_done / (9 + self.n_steps_done))
        current = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - decay)
            else:
                value.copy_(current[name])


def _parameter_groups(network: nn.Module) -> Iterable[dict[str, Any]]:
    """Weights of convolutions decay; biases and batch normalisation do not."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": _WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
