"""Write synthetic totes in ARMBench's layout, with known conditions and known faults.

Real totes cannot tell whether an analysis found what there was to find. These can: a **failure slice** (two conditions
that are harmless alone make the picture hard together), a harmless **decoy** condition and **near-duplicates**, within
and across splits, are planted, and their truth lies in a file of its own.

**Conventions**

- ``OUT/{train,val,test}.json`` + ``OUT/images/``: COCO; `test` has images only. Categories are ``Object`` and
  ``Tote``; each picture has one tote.
- Every image entry has ``"conditions"``: the same keys everywhere, scalars only. ``n_objects`` counts the annotated;
  pictures without annotations lack it, for nobody has counted there.
- Masks are the *visible* parts: the tote's excludes what lies in it. An object of which less than a tenth shows, or
  that shows on less than 0.1 % of the picture, is not annotated. ``area`` is what the rasterised annotation covers.
- ``OUT/truth.json`` names the slice, the decoy and the near-duplicate pairs; nothing of it is in the other files.
- Same arguments, same bytes. The JSON files come last: a folder without them is a run that was cut short, and
  is cleared by the next one.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from armbench_segmentation.synthetic.drawing import FIRST_ITEM, Drawing, draw_scene
from armbench_segmentation.synthetic.outlines import decode, to_segmentation
from armbench_segmentation.synthetic.planning import SPLITS, Planned, decoy, failure_slice, plan_pictures
from armbench_segmentation.synthetic.scenes import plan_scene
from armbench_segmentation.synthetic.totes import TOTE
from latent_space.progress import track

GENERATOR = "armscope segmentation synth"
VERSION = 1
CATEGORIES = ("Object", "Tote")
JPEG_QUALITY = 92
MIN_VISIBLE = 0.1
MIN_AREA = 1e-3
_MARKER = ".drawing"
_OUR_IMAGE = re.compile(r"(train|val|test)_\d{5,}\.jpg")


@dataclass(frozen=True)
class SynthReport:
    """What was written; `str()` is a summary for the terminal."""

    out: Path
    n_images: Mapping[str, int]
    n_objects: int
    n_in_slice: int
    n_near_duplicates: int
    slice_conditions: Mapping[str, Any]
    milliseconds_per_image: float

    def __str__(self) -> str:
        total = sum(self.n_images.values())
        counts = ", ".join(f"{n} {split}" for split, n in self.n_images.items())
        both = " and ".join(f"{name} = {value}" for name, value in self.slice_conditions.items())
        return (
            f"{total} totes ({counts}) with {self.n_objects / total:.1f} objects each,"
            f" {self.milliseconds_per_image:.0f} ms CPU per image\n"
            f"planted: failure slice {both} ({self.n_in_slice} images),"
            f" {self.n_near_duplicates} near-duplicates; the truth is in {self.out / 'truth.json'}\n"
            f"data: {self.out}"
        )


def write_totes(
    out: Path, *, train: int = 300, val: int = 100, unlabeled: int = 200, image_size: int = 256, seed: int = 0
) -> SynthReport:
    """Draw totes and write them as a data set, with the truth about its planted faults beside it.

    Parameters
    ----------
    out : Path
        New or empty folder, or an earlier output, which is replaced.
    train, val, unlabeled : int
        Number of images of each split.
    image_size : int
        Side of the square images in pixels, at least 64.
    seed : int
        Not negative. Another seed plants another slice.

    Returns
    -------
    SynthReport

    Raises
    ------
    ValueError
        If an argument is out of range, or `out` holds anything but an earlier output.
    """
    counts = {"train": train, "val": val, "test": unlabeled}
    _check(counts, image_size, seed)
    out = Path(out)
    _claim(out)
    plans = plan_pictures(counts, seed)
    files: dict[str, dict[str, Any]] = {split: _empty_file(labelled=split != "test") for split in SPLITS}
    pairs = []
    n_objects, started = 0, time.process_time()
    for plan in track(plans, "Drawing totes"):
        drawing, quality, change = _draw(plan, image_size, seed)
        _save(out / "images" / plan.file_name, drawing.rgb, quality)
        annotations = _annotate(drawing, plan)
        n_objects += len(annotations) - 1
        files[plan.split]["images"].append(_image_entry(plan, image_size, len(annotations) - 1))
        files[plan.split].get("annotations", []).extend(annotations)
        if plan.source:
            pairs.append(_pair(plan, plan.source, change))
    seconds = time.process_time() - started
    for split in SPLITS:
        _number(files[split])
        _write_json(out / f"{split}.json", files[split])
    _write_json(out / "truth.json", _truth(plans, pairs, image_size, seed))
    (out / _MARKER).unlink()
    in_slice = sum(plan.in_slice for plan in plans)
    return SynthReport(out, counts, n_objects, in_slice, len(pairs), failure_slice(seed), 1000 * seconds / len(plans))


def _check(counts: Mapping[str, int], image_size: int, seed: int) -> None:
    for name, count in zip(("train", "val", "unlabeled"), counts.values(), strict=True):
        if count < 0:
            raise ValueError(f"{name} must be a number of images, 0 or more; got {count}.")
    if not sum(counts.values()):
        raise ValueError("train, val and unlabeled must add up to at least one image; got 0, 0 and 0.")
    if image_size < 64:
        raise ValueError(f"image_size must be at least 64 pixels; got {image_size}.")
    if seed < 0:
        raise ValueError(f"seed must not be negative; got {seed}.")


def _claim(out: Path) -> None:
    """Make `out` ours: create it, or clear an earlier output; leave a mark until the new one is complete."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"out must be a folder; got the file {out}.")
    if out.exists() and any(out.iterdir()) and not _is_ours(out):
        raise ValueError(f"out must be empty or an earlier output of this command; got {out}, which holds other files.")
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / _MARKER).write_text(f"{GENERATOR}: not complete\n")
    for name in (*SPLITS, "truth"):
        (out / f"{name}.json").unlink(missing_ok=True)
    for path in (out / "images").iterdir():
        if _OUR_IMAGE.fullmatch(path.name):
            path.unlink()


def _is_ours(out: Path) -> bool:
    if (out / _MARKER).exists():
        return True
    try:
        truth = json.loads((out / "truth.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(truth, dict) and truth.get("generator") == GENERATOR


def _draw(plan: Planned, image_size: int, seed: int) -> tuple[Drawing, int, dict[str, float]]:
    """Return the picture, its JPEG quality, and what makes it differ from the picture it varies."""
    original = plan.source or plan
    scene = plan_scene(original.conditions, original.generator(seed), wash=original.wash)
    drawing = draw_scene(scene, image_size)
    if not plan.source:
        return drawing, JPEG_QUALITY, {}
    return _vary(drawing, plan.kind, plan.generator(seed))


def _vary(drawing: Drawing, kind: str, rng: Generator) -> tuple[Drawing, int, dict[str, float]]:
    rgb, owner = drawing.rgb, drawing.owner
    if kind == "jpeg":
        quality = int(rng.integers(55, 76))
        return drawing, quality, {"quality": quality}
    if kind == "shift":
        dx, dy = (int(v) for v in rng.choice([-1, 1], 2) * rng.integers(1, 4, 2))
        move, size = np.array([[1, 0, dx], [0, 1, dy]], np.float32), rgb.shape[1::-1]
        moved = [
            cv2.warpAffine(a, move, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
            for a in (rgb, owner)
        ]
        return Drawing(_bytes(moved[0]), _bytes(moved[1]), drawing.full_area), JPEG_QUALITY, {"dx": dx, "dy": dy}
    if kind == "brightness":
        gain = round(1 + float(rng.choice([-1, 1]) * rng.uniform(0.04, 0.1)), 3)
        return Drawing(_bytes(rgb * gain), owner, drawing.full_area), JPEG_QUALITY, {"gain": gain}
    sigma = round(float(rng.uniform(3, 6)), 2)
    noisy = _bytes(rgb + rng.normal(0, sigma, rgb.shape))
    return Drawing(noisy, owner, drawing.full_area), JPEG_QUALITY, {"sigma": sigma}


def _bytes(values: Any) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.round(values), 0, 255), np.uint8)


def _annotate(drawing: Drawing, plan: Planned) -> list[dict[str, Any]]:
    """Return the tote's annotation, then those of the objects that show enough."""
    masks = [drawing.owner == TOTE]
    for i, whole in enumerate(drawing.full_area):
        mask = drawing.owner == FIRST_ITEM + i
        if mask.sum() >= max(MIN_VISIBLE * whole, MIN_AREA * mask.size):
            masks.append(mask)
    return [_annotation(mask, _image_id(plan), category) for mask, category in zip(masks, [2] + [1] * 99, strict=False)]


def _annotation(mask: NDArray[np.bool_], image_id: int, category: int) -> dict[str, Any]:
    segmentation = to_segmentation(mask)
    drawn = decode(segmentation, (mask.shape[0], mask.shape[1]))
    y, x = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    box = [int(x[0]), int(y[0]), int(x[-1] - x[0] + 1), int(y[-1] - y[0] + 1)]
    return {
        "image_id": image_id,
        "category_id": category,
        "segmentation": segmentation,
        "area": int(drawn.sum()),
        "bbox": box,
        "iscrowd": 0,
    }


def _image_id(plan: Planned) -> int:
    return SPLITS.index(plan.split) * 1_000_000 + plan.index + 1


def _image_entry(plan: Planned, image_size: int, n_objects: int) -> dict[str, Any]:
    counted = {"n_objects": n_objects} if plan.split != "test" else {}
    return {
        "id": _image_id(plan),
        "file_name": plan.file_name,
        "width": image_size,
        "height": image_size,
        "conditions": {**plan.conditions, **counted},
    }


def _empty_file(*, labelled: bool) -> dict[str, Any]:
    file: dict[str, Any] = {
        "info": {"description": "Synthetic totes", "version": str(VERSION)},
        "categories": [{"id": i, "name": name} for i, name in enumerate(CATEGORIES, 1)],
        "images": [],
    }
    return file | {"annotations": []} if labelled else file


def _number(file: dict[str, Any]) -> None:
    for i, annotation in enumerate(file.get("annotations", []), 1):
        annotation["id"] = i


def _pair(plan: Planned, source: Planned, change: Mapping[str, float]) -> dict[str, Any]:
    return {
        "file_name": plan.file_name,
        "split": plan.split,
        "source_file_name": source.file_name,
        "source_split": source.split,
        "kind": plan.kind,
        **change,
    }


def _truth(plans: list[Planned], pairs: list[dict[str, Any]], image_size: int, seed: int) -> dict[str, Any]:
    name = decoy(seed)
    return {
        "generator": GENERATOR,
        "version": VERSION,
        "seed": seed,
        "image_size": image_size,
        "failure_slice": {
            "conditions": failure_slice(seed),
            "file_names": [p.file_name for p in plans if p.in_slice],
        },
        "decoy": {"condition": name, "file_names": [p.file_name for p in plans if p.conditions[name]]},
        "near_duplicates": pairs,
    }


def _save(path: Path, rgb: NDArray[np.uint8], quality: int) -> None:
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    path.write_bytes(data.tobytes())


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, separators=(",", ":")) + "\n")
    partial.replace(path)
