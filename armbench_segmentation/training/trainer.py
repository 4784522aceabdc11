"""Train a YOLOv5-seg network on annotated images and export it: the door to everything torch does here.

Adam with decoupled weight decay, cosine schedule after a warm-up, flips and colour jitter, a moving average of the
weights, early stopping on the validation images. The average after the best epoch is exported.

**Conventions**: `out` receives `model.onnx`, `best.pth` (the best average), `last.pth` (everything a training needs
to continue), and `training.json` (history, settings, versions). Both checkpoints exist from the start, so a training
can be interrupted at any time; it resumes at the start of the epoch that was under way, and as the order of the images
and their variations depend on the seed and the epoch's number alone, it ends as if it had never stopped. The figures
are mask average precision on the validation images, which choose the best epoch and are not learned from.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

try:
    import onnxscript  # noqa: F401  (checked before the work: torch's exporter would miss it after hours of training)
    import torch
except ModuleNotFoundError as error:
    raise ImportError(f"Training needs {error.name}: pip install 'armscope[train]'.") from error

from armbench_segmentation.config import SegmentationConfig
from armbench_segmentation.dataset import SegmentationData, load_data
from armbench_segmentation.resize import Resize
from armbench_segmentation.samples import Sample
from armbench_segmentation.training.anchors import Anchors, coco_anchors, fit_anchors
from armbench_segmentation.training.checkpoints import Architecture, load_checkpoint
from armbench_segmentation.training.epochs import TrainingRun
from armbench_segmentation.training.examples import ExampleStore
from armbench_segmentation.training.settings import TrainingReport, TrainingSettings


def train_segmentation(
    data: Path,
    out: Path,
    *,
    images: Path | None = None,
    resume: bool = False,
    **options: Any,
) -> TrainingReport:
    """Train a network, keep its checkpoints, export the best one.

    Parameters
    ----------
    data : Path
        A folder with `train.json`, `val.json` and `images/`; or one annotation file, of which 30 per cent, chosen by
        the seed, validate.
    out : Path
        Folder for the results; made if missing.
    images : Path, optional
        Folder of the images, where it is not `images/` in the folder or beside the file.
    resume : bool
        Continue the training that `out/last.pth` holds. Its anchors are kept.
    **options
        Fields of `TrainingSettings`.

    Returns
    -------
    TrainingReport

    Raises
    ------
    ValueError, FileNotFoundError, TypeError
        If an option or the data make no sense, `resume` finds no checkpoint or one of another network, or the loss
        stops being finite.
    """
    settings = TrainingSettings(**options)
    saved = load_checkpoint(out / "last.pth") if resume else None
    loaded = load_data(_data_config(data, out, images, settings))
    if not any(sample.n_objects for sample in loaded.splits["training"].samples):
        raise ValueError(f"{data} must have annotated objects in its training images; got none.")
    if saved is None:
        architecture, state = _new_architecture(loaded, settings), None
    else:
        architecture, state = saved
        _check_same_network(architecture, loaded.categories, settings)
    stores = {
        split: ExampleStore(loaded.splits[split].samples, image_size=settings.image_size, resize=settings.resize)
        for split in ("training", "validation")
    }
    with _torch_threads(settings.threads):
        run = TrainingRun(architecture, stores, out, settings, state=state)
        run.train()
        report = run.finish()
    if data.is_file():
        _write_held_out(data, loaded.splits["validation"].samples, out / "validation.json")
    return report


def _write_held_out(annotations: Path, samples: Sequence[Sample], out: Path) -> None:
    """Write the part of an annotation file that validated, so that it can be evaluated by itself."""
    content = json.loads(annotations.read_text(encoding="utf-8"))
    held_out = {sample.image_id for sample in samples}
    content["images"] = [entry for entry in content["images"] if entry["id"] in held_out]
    content["annotations"] = [entry for entry in content["annotations"] if entry["image_id"] in held_out]
    out.write_text(json.dumps(content), encoding="utf-8")


def _data_config(data: Path, out: Path, images: Path | None, settings: TrainingSettings) -> SegmentationConfig:
    return SegmentationConfig(
        data=data.absolute(),
        model=out.absolute() / "model.onnx",
        images=images and images.absolute(),
        image_size=settings.image_size,
        resize=settings.resize,
        seed=settings.seed,
    )


def _new_architecture(data: SegmentationData, settings: TrainingSettings) -> Architecture:
    anchors = coco_anchors() if settings.anchors == "coco" else _fitted_anchors(data, settings)
    return Architecture(data.categories, settings.width, anchors, settings.image_size)


def _fitted_anchors(data: SegmentationData, settings: TrainingSettings) -> Anchors:
    side = settings.image_size
    sizes = [np.zeros((0, 2))]
    for sample in data.splits["training"].samples:
        plan = Resize.plan(sample.size, (side, side), settings.resize)
        boxes = np.array([a.box_xywh[2:] for a in sample.annotations if not a.is_crowd]).reshape(-1, 2)
        sizes.append(boxes * [plan.scale_x, plan.scale_y])
    return fit_anchors(np.concatenate(sizes))


def _check_same_network(saved: Architecture, categories: tuple[str, ...], settings: TrainingSettings) -> None:
    wanted = {"categories": categories, "width": settings.width, "image_size": settings.image_size}
    for name, value in wanted.items():
        if getattr(saved, name) != value:
            raise ValueError(f"resume needs the {name} of last.pth, {getattr(saved, name)!r}; got {value!r}.")


@contextmanager
def _torch_threads(n_threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
