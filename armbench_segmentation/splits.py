"""From the entries of one split to checked samples: which are usable, which are set aside and why.

**Conventions**: a reason names what is wrong with the sample, never where in a batch it stood. Headers are read for
every image (about 50 microseconds each from a warm disk), pixels for none.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from armbench_segmentation.coco import CocoFile, Id, relative_name
from armbench_segmentation.images import ImageHeader, read_header
from armbench_segmentation.samples import Annotation, CocoSplit, Sample, Scalar, SetAside
from armbench_segmentation.segmentations import segmentation_box

_READERS = 8  # threads that read image headers: they wait for the disk, not for each other


@dataclass(frozen=True)
class Source:
    """A split before its samples are checked: its entries, a sample id for each, and the folder of the images."""

    file: CocoFile
    names: Sequence[str]
    images: Path

    def take(self, positions: Sequence[int]) -> "Source":
        """Keep the images at `positions`."""
        chosen = replace(self.file, images=[self.file.images[i] for i in positions])
        return replace(self, file=chosen, names=[self.names[i] for i in positions])


def choose(source: Source, max_samples: int | None, seed: int) -> Source:
    """Keep a seeded choice of at most `max_samples` images, in file order, and say so."""
    n, limit = len(source.names), check_limit("max_samples", max_samples)
    if limit is None or limit >= n:
        return source
    warnings.warn(f"max_samples: {limit} of the {n} images of {source.file.origin} are used.", stacklevel=3)
    return source.take(sorted(np.random.default_rng(seed).permutation(n)[:limit].tolist()))


def check_limit(name: str, value: int | None) -> int | None:
    """Return `value` if it is a positive integer or None."""
    if value is not None and (not isinstance(value, int) or value < 1):
        raise ValueError(f"{name} must be a positive integer or null; got {value!r}.")
    return value


def load_split(
    source: Source, categories: tuple[str, ...], *, max_instances: int | None, split: str | None = None
) -> CocoSplit:
    """Check every sample of a split.

    Parameters
    ----------
    source : Source
        The entries and where their images are.
    categories : tuple of str
        Names in the order of the class ids; objects of others are left out.
    max_instances : int, optional
        Objects per image; of more the largest stay.
    split : str, optional
        Named in messages.

    Raises
    ------
    ValueError
        If no sample is usable.
    """
    what = f"{source.file.origin}" + (f" ({split})" if split else "")
    if not source.names:
        raise ValueError(f"{what} must hold at least one image; got none.")
    class_of = {i: categories.index(name) for i, name in source.file.categories.items() if name in categories}
    headers = _read_headers([source.images / (relative_name(entry) or "") for entry in source.file.images])
    samples, set_aside = [], []
    for name, entry, header in zip(source.names, source.file.images, headers, strict=True):
        try:
            samples.append(_sample(name, entry, header, source, class_of))
        except ValueError as error:
            set_aside.append(SetAside(name, str(error)))
    if set_aside:
        first = f"{set_aside[0].sample_id!r}: {set_aside[0].reason}"
        message = f"{len(set_aside)} of the {len(source.names)} images of {what} are set aside; the first is {first}."
        if not samples:
            raise ValueError(message)
        warnings.warn(message, stacklevel=3)
    return CocoSplit(_cut(samples, max_instances, what), categories, tuple(set_aside))


def _read_headers(paths: Sequence[Path]) -> list[ImageHeader | str]:
    """Headers, or why there is none; several at a time, as each waits for the disk."""

    def read(chunk: Sequence[Path]) -> list[ImageHeader | str]:
        found: list[ImageHeader | str] = []
        for path in chunk:
            try:
                found.append(read_header(path))
            except (ValueError, FileNotFoundError) as error:
                found.append(str(error))
        return found

    size = -(-len(paths) // _READERS)
    with ThreadPoolExecutor(_READERS) as pool:
        chunks = pool.map(read, [paths[start : start + size] for start in range(0, len(paths), size)])
        return [header for chunk in chunks for header in chunk]


def _sample(
    name: str, entry: dict[str, Any], header: ImageHeader | str, source: Source, class_of: Mapping[Id, int]
) -> Sample:
    file_name = relative_name(entry)
    if file_name is None:
        raise ValueError(f"its file_name must be a path inside the image folder; got {entry.get('file_name')!r}")
    if isinstance(header, str):
        raise ValueError(header)
    height, width = _size(entry) or header.upright_size
    header.orientation_for((height, width))
    annotations = []
    for raw in source.file.annotations.get(entry.get("id", ""), ()):
        if raw["category_id"] not in class_of:
            continue
        try:
            box = segmentation_box(raw.get("segmentation"), width, height)
            is_crowd = _is_crowd(raw.get("iscrowd"))
        except ValueError as error:
            raise ValueError(f"annotation {raw['id']!r}: {error}") from error
        annotations.append(Annotation(raw["id"], class_of[raw["category_id"]], raw["segmentation"], box, is_crowd))
    return Sample(
        sample_id=name,
        path=source.images / file_name,
        width=width,
        height=height,
        annotations=tuple(annotations),
        conditions=_conditions(entry),
        image_id=entry.get("id"),
        file_name=file_name,
        is_labeled=source.file.is_labeled,
    )


def _is_crowd(value: Any) -> bool:
    if value is not None and (not isinstance(value, int | float) or value not in (0, 1)):
        raise ValueError(f"its iscrowd must be 0 or 1; got {value!r}")
    return value == 1


def _size(entry: dict[str, Any]) -> tuple[int, int] | None:
    height, width = entry.get("height"), entry.get("width")
    if height is None and width is None:
        return None
    if not all(isinstance(side, int | float) and side >= 1 and float(side).is_integer() for side in (height, width)):
        raise ValueError(f"its width and height must be positive integers; got {width!r} and {height!r}")
    return int(height), int(width)  # type: ignore[arg-type]


def _conditions(entry: dict[str, Any]) -> dict[str, Scalar]:
    conditions = entry.get("conditions")
    if not isinstance(conditions, dict):
        return {}
    return {str(name): value for name, value in conditions.items() if _is_condition(value)}


def _is_condition(value: Any) -> bool:
    """Scalars only; NaN and infinity, which Python's JSON allows, say nothing of an image."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _cut(samples: Sequence[Sample], max_instances: int | None, what: str) -> tuple[Sample, ...]:
    """Keep the largest boxes where an image has too many objects; crowd regions do not count."""
    if max_instances is None:
        return tuple(samples)
    kept = tuple(_largest(sample, max_instances) for sample in samples)
    n_cut, n_images = sum(sample.n_cut for sample in kept), sum(sample.n_cut > 0 for sample in kept)
    if n_cut:
        warnings.warn(
            f"max_instances: {max_instances} leaves out {n_cut} objects in {n_images} images of {what}.", stacklevel=4
        )
    return kept


def _largest(sample: Sample, limit: int) -> Sample:
    objects = [i for i, annotation in enumerate(sample.annotations) if not annotation.is_crowd]
    if len(objects) <= limit:
        return sample
    areas = {i: sample.annotations[i].box_xywh[2] * sample.annotations[i].box_xywh[3] for i in objects}
    dropped = set(sorted(objects, key=lambda i: -areas[i])[limit:])
    rest = tuple(annotation for i, annotation in enumerate(sample.annotations) if i not in dropped)
    return replace(sample, annotations=rest, n_cut=len(dropped))
