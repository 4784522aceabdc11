"""YOLO: `data.yaml`, `images/<part>/...` and `labels/<part>/...txt`, one line per object.

Published layouts: https://docs.ultralytics.com/datasets/detect/ and https://docs.ultralytics.com/datasets/segment/.
**Conventions**: a line is ``class x y w h``, the centre and the size of the box, or, where the selection has outlines,
``class x1 y1 x2 y2 x3 y3 ...``, all as shares of the picture; classes count from 0. Ultralytics reads a file one way or
the other, so among outlines a box is its four corners; parts of an object are joined by lines of no width. The first
line of `data.yaml` says which it is. Every picture has a text file, an empty
one where nothing was found. `data.yaml` has no `path`, so that its own folder is the root wherever it lies. It must
name a part for training and one for validation: where the selection has only one, both are that one. The label of a
picture is found by its path with ``images`` replaced and its ending changed, so a sub-folder called ``images`` gets a
``_`` and pictures that differ only in their ending get a number. The format has no place for confidences.
"""

from pathlib import Path, PurePosixPath

import yaml

from latent_space.exports.entries import unique_names
from latent_space.exports.found import Box
from latent_space.exports.pictures import Pictures, place_picture
from latent_space.exports.selected import Selected

FILE = "data.yaml"
_DETECT = "Boxes: yolo detect train data=data.yaml"
_SEGMENT = "Outlines: yolo segment train data=data.yaml"
_PARTS = {"validation": "val", "test": "test"}


def write(folder: Path, selected: Selected, pictures: Pictures) -> None:
    """Write the selection."""
    numbers = {label: number for number, label in enumerate(selected.labels)}
    place, says = (_corners, _SEGMENT) if selected.has_outlines else (_centred, _DETECT)
    parts = [_PARTS.get(entry.split or "", "train") for entry in selected.entries]
    wanted = [f"{part}/{_safe(entry.name)}" for part, entry in zip(parts, selected.entries, strict=True)]
    for name, entry in zip(unique_names(wanted, by_stem=True), selected.entries, strict=True):
        place_picture(entry.picture, folder / "images" / name, pictures)
        file = folder / "labels" / PurePosixPath(name).with_suffix(".txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{numbers[box.label]} {place(box)}\n" for box in entry.boxes]
        file.write_text("".join(lines), encoding="utf-8")
    have = [part for part in ("train", "val", "test") if part in parts]
    chosen = {"train": have[0], "val": have[0]} | {part: part for part in have}
    content = {part: f"images/{place}" for part, place in chosen.items()} | {"names": dict(enumerate(selected.labels))}
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    (folder / FILE).write_text(f"# {says}\n{text}", encoding="utf-8")


def _safe(name: str) -> str:
    path = PurePosixPath(name)
    return str(PurePosixPath(*("images_" if part == "images" else part for part in path.parts[:-1]), path.name))


def _centred(box: Box) -> str:
    x1, y1, x2, y2 = box.corners
    return " ".join(f"{value:.6f}" for value in ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1))


def _corners(box: Box) -> str:
    return " ".join(f"{value:.6f}" for value in box.polygon().ravel())
