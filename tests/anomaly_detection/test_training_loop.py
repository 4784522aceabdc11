from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anomaly_detection.training_loop import History, LoopSettings, Task, load_checkpoint, train


class Line(Task):
    """Learn the one weight 3; what validation says is given."""

    def __init__(self, losses: list[float], labels: list[int] | None = None, scores: list[list[float]] | None = None):
        self.network = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.zeros_(next(self.network.parameters()))
        self.losses, self.labels, self.scores = iter(losses), labels, iter(scores or [[0.0]] * len(losses))
        self.weights: list[float] = []

    def weight(self) -> float:
        [parameter] = self.network.parameters()
        return float(parameter.detach())

    def batches(self, generator: torch.Generator) -> Any:
        yield from torch.rand(4, 5, 1, generator=generator)

    def loss(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return torch.nn.functional.mse_loss(self.network(batch), 3 * batch)

    def validate(self) -> tuple[float, np.ndarray, np.ndarray | None]:
        self.weights.append(self.weight())
        labels = None if self.labels is None else np.array(self.labels, dtype=bool)
        return next(self.losses), np.array(next(self.scores)), labels


def loop(**settings: Any) -> LoopSettings:
    defaults: dict[str, Any] = {
        "learning_rate": 0.1,
        "weight_decay": 0.0,
        "max_epochs": 10,
        "patience": 2,
        "monitor": "auto",
        "random_state": 0,
    }
    return LoopSettings(**{**defaults, **settings})


class TestLoop:
    def test_learns(self) -> None:
        task = Line([1.0 / n for n in range(1, 101)])
        history = train(task, loop(max_epochs=100))
        assert task.weights[-1] == pytest.approx(3, abs=0.05)
        assert history.train_loss[-1] < history.train_loss[0] / 100

    def test_stops_when_patience_runs_out_and_keeps_the_best(self) -> None:
        task = Line([5.0, 4.0, 6.0, 4.0, 1.0])  # a tie with the best is no improvement
        history = train(task, loop())
        assert history.loss == [5, 4, 6, 4] and history.best_epoch == 1
        assert task.weight() == task.weights[1]
        assert not task.network.training

    def test_monitors_the_auc_where_both_classes_are_labelled(self) -> None:
        scores = [[0.0, 1.0, 0.0], [0.0, 2.0, 3.0], [0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]
        history = train(Line([9, 1, 2, 3], [0, 0, 1], scores), loop(patience=2))
        assert history.auc == [0.25, 1.0, 1.0, 1.0] and history.best_epoch == 1
        assert train(Line([9, 1, 2, 3, 4], [0, 0, 1], [*scores, scores[0]]), loop(monitor="loss")).best_epoch == 1

    def test_auc_without_both_classes(self) -> None:
        assert train(Line([2, 1], [0]), loop(max_epochs=2)).monitored == [2, 1]
        with pytest.raises(ValueError, match='monitor must be "loss" or "auto"'):
            train(Line([1], [0]), loop(monitor="auc"))

    def test_a_loss_without_end_is_an_error(self) -> None:
        with pytest.raises(ValueError, match=r"learning_rate must be small enough .* in epoch 2"):
            train(Line([1.0, float("nan")]), loop())

    def test_learning_rate_halves_on_a_plateau(self, tmp_path: Path) -> None:
        train(Line([1.0] * 9), loop(max_epochs=9, patience=20), checkpoint=tmp_path / "c.pth")
        state = load_checkpoint(tmp_path / "c.pth")
        assert state["optimizer"]["param_groups"][0]["lr"] == pytest.approx(0.05)

    def test_history_of_equals(self) -> None:
        assert History(monitored=[2, 1, 1]).best_epoch == 1


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    train(Line([1.0]), loop(max_epochs=1), checkpoint=tmp_path / "c.pth")
    wider = Line([1.0])
    wider.network = torch.nn.Linear(2, 1)
    with pytest.raises(ValueError, match="same network"):
        train(wider, loop(), checkpoint=tmp_path / "c.pth")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "c.pth"
    if content is None:
        torch.save({"format": 0}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"c\.pth must be a checkpoint"):
        load_checkpoint(path)
