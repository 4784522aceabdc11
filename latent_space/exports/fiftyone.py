"""FiftyOne: `data/` and `labels.json`, a FiftyOneImageDetectionDataset.

Published layout: https://docs.voxel51.com/user_guide/dataset_creation/datasets.html (FiftyOneImageDetectionDataset).
**Conventions**: labels are found by the picture's path in `data/` without its ending, so pictures that differ only in
that get a number; boxes are left, top, width, height as shares of the picture.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from latent_space.exports.entries import Box, unique_names
from latent_space.exports.pictures import Pictures, place_picture
from latent_space.exports.selected import Selected
from latent_space.run_folder import write_json

FILE = "labels.json"


def write(folder: Path, selected: Selected, pictures: Pictures) -> None:
    """Write the selection."""
    (folder / "data").mkdir()
    names = unique_names([entry.name for entry in selected.entries], by_stem=True)
    labels = {}
    for name, entry in zip(names, selected.entries, strict=True):
        place_picture(entry.picture, folder / "data" / name, pictures)
        labels[str(PurePosixPath(name).with_suffix(""))] = [_detection(box) for box in entry.boxes]
    write_json(folder / FILE, {"classes": list(selected.labels), "labels": labels})


def _detection(box: Box) -> dict[str, Any]:
    x1, y1, x2, y2 = box.corners
    detection: dict[str, Any] = {"label": box.label, "bounding_box": [x1, y1, x2 - x1, y2 - y1]}
    return detection if box.confidence is None else detection | {"confidence": box.confidence}
