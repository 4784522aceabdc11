"""What the engine costs beside a plain loop that calls the same functions of the same integration.

Run: ``python benchmarks/bench_engine.py [--samples 192] [--image-size 128]``. Both run in one process, in turn, on our
segmentation integration with synthetic totes and an untrained network: encoders and metadata, onnxruntime, metrics and
losses, and the rows of instances; visualizers are off in both. The engine also reads and pools latents, keeps every
handler's arrays apart and at the platform's precision, catches failures, and makes tables and thumbnails. CPU time of
one thread; the median of the rounds.
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["TL_DISABLE_ANALYTICS"] = "1"

import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HOUSE = Path(__file__).resolve().parent.parent
BATCH, ROUNDS = 16, 5


def main() -> None:
    """Prepare data and a model in another process, then measure and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--image-size", type=int, default=128)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        code = f"import bench_engine; bench_engine.prepare({folder!r}, {options.samples}, {options.image_size})"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=HOUSE / "benchmarks")
        os.environ["ARMSCOPE_DATA"], os.environ["ARMSCOPE_MODEL"] = folder, f"{folder}/model.onnx"
        measure(f"{folder}/model.onnx", options.image_size)


def prepare(folder: str, n_samples: int, image_size: int) -> None:
    """Write totes and an untrained network that finds a few objects in each."""
    import torch

    from armbench_segmentation.config import COCO_ANCHORS
    from armbench_segmentation.synthetic import write_totes
    from armbench_segmentation.training.export import export_onnx
    from armbench_segmentation.training.network import YoloSeg

    torch.manual_seed(0)
    write_totes(Path(folder), train=n_samples, val=1, unlabeled=0, image_size=256, seed=0)
    network = YoloSeg(2, "n", COCO_ANCHORS, image_size=image_size)
    with torch.no_grad():
        for convolution in network.heads:
            convolution.bias += 2.0
    path = Path(folder) / "model.onnx"
    export_onnx(network, path, image_size=image_size, categories=["Object", "Tote"], exporter="legacy")


def plain_batch(integration: Any, ids: Sequence[Any], onnx_session: Any) -> None:
    """Call what the engine calls, as a script would: one batch, everything in float32, nothing kept."""
    setup, wiring, response = integration.setup, integration.wiring, integration.responses["training"]
    tensors: dict[tuple[str, str | int], Any] = {}
    for kind, handlers in (("input", setup.inputs), ("ground truth", setup.ground_truths)):
        for handler in handlers:
            tensors[kind, handler.name] = np.stack([handler.function(one, response) for one in ids])
    for handler in setup.metadata:
        for one in ids:
            handler.function(one, response)
    outputs = onnx_session.run(None, {onnx_session.get_inputs()[0].name: tensors["input", wiring.model_inputs[0]]})
    tensors |= {("prediction", number): output for number, output in enumerate(outputs)}
    for call in wiring.of("metric", "loss"):
        call.function(**{name: tensors[source.kind, source.key] for name, source in call.arguments.items()})
    for row, one in enumerate(ids):
        truth = {name: value[row] for (kind, name), value in tensors.items() if kind == "ground truth"}
        integration.describe_instances(one, {}, truth, [output[row] for output in outputs])


def measure(model: str, image_size: int) -> None:
    """Run both in turn and print what they took."""
    import onnxruntime

    from latent_space.engine.chunks import Plan, Task
    from latent_space.engine.stages import open_session, run_chunk

    plan = Plan(str(HOUSE), "leap_binder.py", model, batch_size=BATCH, visualizers=False)
    session = open_session(plan)
    integration = session.integration
    ids = session.ids["training"]
    one_thread = onnxruntime.SessionOptions()
    one_thread.intra_op_num_threads = one_thread.inter_op_num_threads = 1
    onnx_session = onnxruntime.InferenceSession(model, one_thread, providers=["CPUExecutionProvider"])

    def plain_loop() -> None:
        for start in range(0, len(ids), BATCH):
            plain_batch(integration, ids[start : start + BATCH], onnx_session)

    def engine() -> None:
        run_chunk(plan, Task("training", tuple(ids)))

    times: dict[str, list[float]] = {"plain loop": [], "engine": []}
    for _ in range(ROUNDS + 1):
        for name, work in (("plain loop", plain_loop), ("engine", engine)):
            start = time.process_time()
            work()
            times[name].append(time.process_time() - start)
    plain, ours = (statistics.median(taken[1:]) / len(ids) * 1000 for taken in times.values())
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, CPU ms, 1 thread")
    print(f"{len(ids)} samples, input {image_size} x {image_size}, batches of {BATCH}, median of {ROUNDS} rounds")
    print(f"{'plain loop':<12}{plain:8.2f} ms per sample")
    print(f"{'engine':<12}{ours:8.2f} ms per sample   overhead {ours / plain - 1:+.1%} (allowed +10 %)")


if __name__ == "__main__":
    main()
