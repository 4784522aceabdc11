"""From a trained network to one ONNX file that says of itself what a reader must know.

**Conventions**: input `images` (batch, 3, S, S) float32 RGB in [0, 1]; `output0` (batch, N, 5 + n_classes + 32) rows of
cx, cy, w, h in input pixels, objectness and classes after the sigmoid, raw mask coefficients, ordered P3, P4, P5 and
anchor-major; `output1` (batch, 32, S/4, S/4) prototypes: as Ultralytics exports YOLOv5-seg, with a dynamic batch.
The file's metadata holds `names`, `stride` and `task` as Ultralytics writes them, `anchors` and `imgsz`
as JSON, and `resize`.
The file is written only after onnxruntime has given the network's own numbers from it.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from armbench_segmentation.resize import ResizeMode
from armbench_segmentation.training.network import STRIDES, ExportForm, YoloSeg

Exporter = Literal["dynamo", "legacy"]
PARITY_TOLERANCE = 1e-4
_OPSET = 18
_BATCHES = (1, 3)
_EXPORTER_WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    ("You are using the legacy TorchScript-based ONNX export", DeprecationWarning),
    ("The feature will be removed", DeprecationWarning),
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning),
)


def export_onnx(
    network: YoloSeg,
    path: Path,
    *,
    image_size: int,
    categories: Sequence[str],
    resize: ResizeMode = "stretch",
    exporter: Exporter = "dynamo",
) -> float:
    """Write `network` as one self-contained ONNX file and prove that the file computes the same.

    Parameters
    ----------
    network : YoloSeg
        Left as it is; exported in evaluation mode.
    path : Path
        Replaced in one step if it exists.
    image_size : int
        Side of the input in pixels, a multiple of 32.
    categories : sequence of str
        A name per class, in the model's order.
    resize : {"stretch", "letterbox"}
        How images become inputs; written down for those who use the file.
    exporter : {"dynamo", "legacy"}
        Which of torch's exporters writes the graph. Both give the same numbers; the legacy one is quicker and will
        disappear from torch.

    Returns
    -------
    float
        The largest difference from the network's outputs found, relative to numbers above 1.

    Raises
    ------
    ValueError
        If an argument is outside of what is described above.
    ArithmeticError
        If the file's outputs differ from the network's by more than `PARITY_TOLERANCE`; nothing is written then.
    """
    if len(categories) != network.n_classes:
        raise ValueError(f"categories must be {network.n_classes} names; got {list(categories)}.")
    if exporter not in ("dynamo", "legacy"):
        raise ValueError(f"exporter must be 'dynamo' or 'legacy'; got {exporter!r}.")
    was_training = network.training
    form = ExportForm(network, image_size).eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
            draft = Path(folder) / path.name
            _write_graph(form, draft, image_size, exporter)
            _describe(draft, network, categories, {"imgsz": json.dumps([image_size] * 2), "resize": resize})
            difference = _largest_difference(form, draft, image_size)
            if not difference <= PARITY_TOLERANCE:
                raise ArithmeticError(
                    f"The exported model must equal the network within {PARITY_TOLERANCE}; it differs by {difference}."
                )
            draft.replace(path)
    finally:
        network.train(was_training)
    return difference


def _write_graph(form: ExportForm, path: Path, image_size: int, exporter: Exporter) -> None:
    # Two images: a dimension of 1 in the example would be taken for a constant.
    example = torch.zeros(2, 3, image_size, image_size)
    names: dict[str, Any] = {"input_names": ["images"], "output_names": ["output0", "output1"], "opset_version": _OPSET}
    with _quiet_exporters(), torch.no_grad():
        if exporter == "legacy":
            axes = {name: {0: "batch"} for name in ("images", "output0", "output1")}
            torch.onnx.export(form, (example,), path, dynamo=False, dynamic_axes=axes, **names)
        else:
            shapes = ({0: torch.export.Dim("batch")},)
            torch.onnx.export(
                form, (example,), path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False, **names
            )


def _describe(path: Path, network: YoloSeg, categories: Sequence[str], inputs: dict[str, str]) -> None:
    import onnx

    model = onnx.load(path)
    entries = {
        "task": "segment",
        "stride": str(STRIDES[-1]),
        "names": str(dict(enumerate(str(name) for name in categories))),
        "anchors": json.dumps(network.anchors.flatten(1).tolist()),
        **inputs,
    }
    onnx.helper.set_model_props(model, entries)
    onnx.save(model, path)


def _largest_difference(form: ExportForm, path: Path, image_size: int) -> float:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    differences = []
    for batch in _BATCHES:
        images = torch.rand(batch, 3, image_size, image_size, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            expected = form(images)
        found = session.run(["output0", "output1"], {"images": images.numpy()})
        differences += [_difference(ours.numpy(), theirs) for ours, theirs in zip(expected, found, strict=True)]
    return float(np.max(differences))


def _difference(expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    if expected.shape != found.shape:
        return float("inf")
    return float((np.abs(expected - found) / np.maximum(np.abs(expected), 1)).max())


@contextmanager
def _quiet_exporters() -> Iterator[None]:
    """Silence what the exporters say about themselves, and nothing else."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message, category in _EXPORTER_WARNINGS:
                warnings.filterwarnings("ignore", message=message, category=category)
            yield
    finally:
        logger.setLevel(level)
