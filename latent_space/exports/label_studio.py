"""Label Studio, pictures: `tasks.json` and `labeling_config.xml`, with what the model found as predictions.

Published layout: https://labelstud.io/guide/predictions. **Conventions**: places are percent of the picture. An object
is one region: a polygon if its outline is known, its parts joined by lines of no width, and a rectangle otherwise; the
interface has the tool for polygons where there are any, and that for rectangles where they are needed. Pictures are
addressed through Label Studio's local files: the export folder is the document root
(``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``) and `images` in it the storage; names are percent-encoded. A prediction's
score is the mean confidence of its regions.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml

import numpy as np

from latent_space.exports.entries import Entry
from latent_space.exports.found import Box
from latent_space.exports.pictures import Pictures, place_picture
from latent_space.exports.selected import Selected
from latent_space.run_folder import write_json

FILE = "tasks.json"
CONFIG_FILE = "labeling_config.xml"
_CONTROL, _OUTLINES, _OBJECT = "objects", "outlines", "image"


def write(folder: Path, selected: Selected, pictures: Pictures) -> None:
    """Write the selection."""
    for entry in selected.entries:
        place_picture(entry.picture, folder / "images" / entry.name, pictures)
    view = Xml.Element("View")
    Xml.SubElement(view, "Image", {"name": _OBJECT, "value": "$image"})
    if selected.has_outlines:
        _add_control(view, "PolygonLabels", _OUTLINES, selected.labels)
    if not selected.has_outlines or any(not box.outline for entry in selected.entries for box in entry.boxes):
        _add_control(view, "RectangleLabels", _CONTROL, selected.labels)
    write_config(folder, view)
    write_json(folder / FILE, [_task(number, entry) for number, entry in enumerate(selected.entries, 1)])


def _add_control(view: Xml.Element, tag: str, name: str, labels: tuple[str, ...]) -> None:
    control = Xml.SubElement(view, tag, {"name": name, "toName": _OBJECT})
    for label in labels or ("object",):
        Xml.SubElement(control, "Label", {"value": label})


def write_config(folder: Path, view: Xml.Element) -> None:
    """Write the labelling interface."""
    Xml.indent(view)
    (folder / CONFIG_FILE).write_text(Xml.tostring(view, encoding="unicode") + "\n", encoding="utf-8")


def local_file(name: str) -> str:
    """Return the address of a file below the document root.

    Examples
    --------
    >>> local_file("images/a b/ä.jpg")
    '/data/local-files/?d=images/a%20b/%C3%A4.jpg'
    """
    return f"/data/local-files/?d={quote(name)}"


def task_data(**facts: Any) -> dict[str, Any]:
    """Return what a task holds, without what is unknown."""
    return {key: value for key, value in facts.items() if value is not None}


def _task(number: int, entry: Entry) -> dict[str, Any]:
    data = task_data(
        image=local_file(f"images/{entry.name}"),
        sample_id=entry.sample_id,
        split=entry.split,
        loss=entry.loss,
        reason=entry.reason,
    )
    if not entry.boxes:
        return {"id": number, "data": data}
    regions = [_region(f"{number}-{position}", box, entry) for position, box in enumerate(entry.boxes, 1)]
    known = [box.confidence for box in entry.boxes if box.confidence is not None]
    prediction: dict[str, Any] = {"model_version": "armscope", "result": regions}
    if known:
        prediction["score"] = sum(known) / len(known)
    return {"id": number, "data": data, "predictions": [prediction]}


def _region(region_id: str, box: Box, entry: Entry) -> dict[str, Any]:
    size = {"original_width": entry.width, "original_height": entry.height, "score": box.confidence}
    kind = "polygonlabels" if box.outline else "rectanglelabels"
    return {
        "id": region_id,
        "type": kind,
        "from_name": _OUTLINES if box.outline else _CONTROL,
        "to_name": _OBJECT,
        "image_rotation": 0,
        "value": _place(box) | {kind: [box.label]},
        **{key: value for key, value in size.items() if value is not None},
    }


def _place(box: Box) -> dict[str, Any]:
    if box.outline:
        return {"points": np.round(100 * box.polygon(), 4).tolist(), "closed": True}
    x1, y1, x2, y2 = (100 * edge for edge in box.corners)
    return {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1, "rotation": 0}
