"""What several packages' tests start from: tiny data of both tasks, and a model for each that finds something in it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECK_DATASET = """
import json
from code_loader.leaploader import LeapLoader
result = LeapLoader(ROOT, "leap_binder.py").check_dataset()
nodes = [connection.node for connection in result.engine_file_contract.node_connections]
print(json.dumps({
    "valid": result.is_valid,
    "errors": [result.general_error, *(p.display for p in result.payloads if not p.is_passed)],
    "wired": sorted({f"{node.type.name} {node.name}" for node in nodes}),
}))
"""

os.environ.setdefault("TL_DISABLE_ANALYTICS", "1")


@pytest.fixture(scope="session")
def totes(tmp_path_factory):
    """A folder of synthetic totes: 6 for training, 5 for validation, 4 unlabelled; 128 pixels."""
    from armbench_segmentation.synthetic import write_totes

    out = tmp_path_factory.mktemp("data") / "totes"
    write_totes(out, train=6, val=5, unlabeled=4, image_size=128, seed=3)
    return out


@pytest.fixture(scope="session")
def tote_model(tmp_path_factory, totes):
    """An untrained network, exported for 64 pixels; without its cautious biases it sees objects everywhere."""
    import torch

    from armbench_segmentation.config import COCO_ANCHORS
    from armbench_segmentation.training.export import export_onnx
    from armbench_segmentation.training.network import YoloSeg

    names = [category["name"] for category in json.loads((totes / "train.json").read_text())["categories"]]
    torch.manual_seed(0)
    network = YoloSeg(len(names), "n", COCO_ANCHORS, image_size=64)
    with torch.no_grad():
        for convolution in network.heads:
            convolution.bias.fill_(1.0)
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    export_onnx(network, path, image_size=64, categories=names, exporter="legacy")
    return path


@pytest.fixture(scope="session")
def small_rig(tmp_path_factory):
    """A prepared folder of two machines, anomalies in every part, and the folder of a detector of 4 rows."""
    from anomaly_detection import make_detector, simulate_rig
    from anomaly_detection.parts import read_parts
    from anomaly_detection.preparation import prepare
    from anomaly_detection.simulation import write_simulation
    from anomaly_detection.training import train_detector

    folder = tmp_path_factory.mktemp("rig")
    frame = simulate_rig(1600, n_machines=2, anomaly_rate=0.2, types=("SPIKE", "DRIFT"), seed=4)
    prepare(write_simulation(frame, folder / "rig.csv"), folder / "data")
    train_detector(make_detector("pca", window_size=4), read_parts(folder / "data"), folder / "model")
    return folder / "data", folder / "model"


@dataclass(frozen=True)
class BinderProcess:
    """Runs Python code, or a script, in a process of its own, against the binder with some data and a model."""

    environment: dict[str, str]
    folder: Path

    def __call__(self, *arguments: str, **overrides: str) -> subprocess.CompletedProcess[str]:
        """Return the finished process; code of several lines knows the repository as ROOT."""
        command = [sys.executable, *(f"ROOT = {str(ROOT)!r}\n{a}" if "\n" in a else a for a in arguments)]
        environment = os.environ | self.environment | overrides
        return subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False)

    def check_dataset(self, **overrides: str) -> dict[str, Any]:
        """Return what the platform's own check finds: whether it is valid, errors, and what is wired."""
        process = self("-c", CHECK_DATASET, **overrides)
        assert process.returncode == 0, process.stderr
        found: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
        return found


@pytest.fixture(scope="session")
def binder_process(tmp_path_factory) -> Callable[[str, Path, Path], BinderProcess]:
    """Make a `BinderProcess` for a task, data and a model."""

    def make(task: str, data: Path, model: Path) -> BinderProcess:
        chosen = {"ARMSCOPE_TASK": task, "ARMSCOPE_DATA": str(data), "ARMSCOPE_MODEL": str(model)}
        return BinderProcess(chosen, tmp_path_factory.mktemp("elsewhere"))

    return make
