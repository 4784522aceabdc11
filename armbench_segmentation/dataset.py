"""From the files of a data set to checked samples, split by split.

Three layouts: ``ROOT/{train,val,test}.json`` + ``ROOT/images/`` (ARMBench's; test is the unlabelled split and its
annotations, if any, are ignored); one annotation file + image folder, split by seeded fractions; and, as the
unlabelled split of either, a folder of images without a file.

**Conventions**: what makes a file meaningless (malformed, duplicate ids, references to nothing) is an error. What makes
one image unusable (missing or unreadable file, wrong size, one outline that makes no sense) sets that sample aside with
its reason, because ground truth with an object missing would be wrong; the rest goes on, with a warning that counts.
Every image's header is read here; a file that breaks off later shows only when its pixels are read. Sample ids are file
names with their sub-folders, prefixed by the split where a name occurs in several. Nothing is capped but by
`max_samples` (a seeded choice) and `max_instances` (the largest stay), and both warn.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.coco import CocoFile, read_coco, read_folder, sample_names, shorten
from armbench_segmentation.config import SegmentationConfig
from armbench_segmentation.images import read_image
from armbench_segmentation.samples import Annotation, CocoSplit, Sample, SetAside
from armbench_segmentation.splits import Source, check_limit, choose, load_split

__all__ = [
    "Annotation",
    "CocoSplit",
    "Sample",
    "SegmentationData",
    "SetAside",
    "load_coco",
    "load_data",
    "read_image",
    "read_sample",
]
SPLITS = ("training", "validation", "unlabeled")
_FILES = {"training": "train.json", "validation": "val.json", "unlabeled": "test.json"}


@dataclass(frozen=True)
class SegmentationData:
    """The splits of a data set and what they share.

    Attributes
    ----------
    splits : dict
        "training", "validation" and, where the data set has one, "unlabeled".
    categories : tuple of str
        Names in the model's order: `class_id` is the position.
    max_instances : int
        Objects in the fullest labelled image, at least 1; what ground-truth arrays are padded to.
    """

    splits: dict[str, CocoSplit]
    categories: tuple[str, ...]
    max_instances: int


def load_coco(
    annotations: Path | None,
    images: Path,
    *,
    categories: Sequence[str] | None = None,
    seed: int = 0,
    max_samples: int | None = None,
    max_instances: int | None = None,
) -> CocoSplit:
    """Load one annotation file with its image folder, or an unlabelled folder of images.

    Parameters
    ----------
    annotations : Path or None
        COCO JSON; None for a folder without one.
    images : Path
        What `file_name` is relative to.
    categories : sequence of str, optional
        Names to use, in the order of the class ids; objects of others are left out. By default all, in file order.
    seed : int
        For the choice when `max_samples` cuts.
    max_samples, max_instances : int, optional
        Largest number of images, and of objects per image, of which the largest stay. By default all.

    Raises
    ------
    FileNotFoundError
        If the file or the folder is missing.
    ValueError
        If the file makes no sense, a category's name is not in it, or no sample is usable.
    """
    source = _annotated(annotations, images) if annotations else _folder(images)
    names = _check_categories(categories, [source.file])
    return load_split(
        choose(source, max_samples, seed), names, max_instances=check_limit("max_instances", max_instances)
    )


def load_data(config: SegmentationConfig) -> SegmentationData:
    """Load every split that the settings name.

    Raises
    ------
    FileNotFoundError
        If a file or folder is missing.
    ValueError
        If a setting or a file makes no sense, or a split has no usable sample.
    """
    unknown = sorted((set(config.max_samples) | set(config.fractions)) - set(SPLITS))
    if unknown:
        raise ValueError(f"segmentation.max_samples and .fractions must name {', '.join(SPLITS)}; got {unknown[0]!r}.")
    sources = _separate_names(_sources(config))
    labeled = [source.file for source in sources.values() if source.file.is_labeled]
    categories = _check_categories(config.categories, labeled)
    limit = check_limit("segmentation.max_instances", config.max_instances)
    splits = {
        split: load_split(
            choose(source, config.max_samples.get(split), config.seed), categories, max_instances=limit, split=split
        )
        for split, source in sources.items()
    }
    counts = [sample.n_objects for split in splits.values() for sample in split.samples]
    return SegmentationData(splits, categories, max(1, *counts))


def read_sample(sample: Sample, *, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Decode a sample's image, upright as its annotations see it; see `read_image`.

    Raises
    ------
    ValueError
        If the file is gone, truncated, or has changed its size; the message names the sample and the file.
    """
    try:
        return read_image(sample.path, size=sample.size, at_least=at_least)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"Sample {sample.sample_id!r}: {error}.") from error


def _sources(config: SegmentationConfig) -> dict[str, Source]:
    sources = _from_one_file(config) if config.data.is_file() else _from_three_files(config)
    if config.unlabeled is not None:
        sources["unlabeled"] = _folder(config.unlabeled)
    return sources


def _from_three_files(config: SegmentationConfig) -> dict[str, Source]:
    images = config.images or config.data / "images"
    if not any((config.data / _FILES[split]).is_file() for split in ("training", "validation")):
        raise FileNotFoundError(
            f"No train.json and val.json in {config.data}; the data must be a folder that holds both,"
            " or one COCO annotation file."
        )
    sources = {split: _annotated(config.data / _FILES[split], images) for split in ("training", "validation")}
    test = config.data / _FILES["unlabeled"]
    if test.is_file() and config.unlabeled is None:
        unlabeled = _annotated(test, images, is_labeled=False)
        if unlabeled.names:
            sources["unlabeled"] = unlabeled
    return sources


def _from_one_file(config: SegmentationConfig) -> dict[str, Source]:
    source = _annotated(config.data, config.images or config.data.parent / "images")
    fractions = {split: config.fractions[split] for split in SPLITS if config.fractions.get(split)}
    if not {"training", "validation"} <= set(fractions) or min(fractions.values()) < 0:
        raise ValueError(f"segmentation.fractions must give training and validation a share; got {fractions}.")
    if abs(sum(fractions.values()) - 1) > 1e-6:
        raise ValueError(f"segmentation.fractions must sum to 1; got {sum(fractions.values()):g}.")
    order = np.random.default_rng(config.seed).permutation(len(source.names))
    edges = np.rint(np.cumsum([0.0, *fractions.values()]) * len(order)).astype(int)
    sources = {}
    for split, start, stop in zip(fractions, edges[:-1], edges[1:], strict=True):
        part = source.take(sorted(order[start:stop].tolist()))
        if split == "unlabeled":
            part = replace(part, file=replace(part.file, annotations={}, is_labeled=False))
        sources[split] = part
    return sources


def _annotated(path: Path, images: Path, *, is_labeled: bool = True) -> Source:
    file = read_coco(path, is_labeled=is_labeled)
    if not images.is_dir():
        raise FileNotFoundError(f"No image folder at {images} for {path}.")
    return Source(file, sample_names(file), images)


def _folder(images: Path) -> Source:
    file = read_folder(images)
    return Source(file, sample_names(file), images)


def _separate_names(sources: dict[str, Source]) -> dict[str, Source]:
    """Prefix the split where the same name occurs in several, so that ids are unique across splits."""
    count = Counter(name for source in sources.values() for name in source.names)
    return {
        split: replace(
            source, names=[name if count[name] == 1 else shorten(f"{split}:{name}") for name in source.names]
        )
        for split, source in sources.items()
    }


def _check_categories(configured: Sequence[str] | None, files: Sequence[CocoFile]) -> tuple[str, ...]:
    """Names in the order of the class ids: as configured, or all that the files have, in file order."""
    known = tuple(dict.fromkeys(name for file in files for name in file.categories.values()))
    if configured is None:
        return known
    names = tuple(configured)
    if len(set(names)) != len(names):
        raise ValueError(f"categories must be different names; got {', '.join(names)}.")
    missing = [name for name in names if name not in known]
    if missing and any(file.is_labeled for file in files):
        raise ValueError(
            f"categories must be among those of {files[0].origin}: {', '.join(known)}; got {missing[0]!r}."
        )
    return names
