"""CVAT for images 1.1: `annotations.xml`, its names relative to `images/`.

Published layout: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/. **Conventions**: corners are in
pixels with two decimals; images count from 0; shapes say ``source="auto"``. An object is one shape: a polygon if its
outline is known, its parts joined by lines of no width, and a box otherwise. Every picture needs a size there. The
format has no place for confidences.
"""

from pathlib import Path
from xml.etree import ElementTree as Xml

from latent_space.exports.entries import Entry
from latent_space.exports.pictures import Pictures, place_picture
from latent_space.exports.selected import Selected

FILE = "annotations.xml"


def write(folder: Path, selected: Selected, pictures: Pictures) -> None:
    """Write the selection.

    Raises
    ------
    ValueError
        If a picture's size is unknown, or a name has a character that XML does not know.
    """
    _check(selected)
    root = Xml.Element("annotations")
    Xml.SubElement(root, "version").text = "1.1"
    task = Xml.SubElement(Xml.SubElement(root, "meta"), "task")
    Xml.SubElement(task, "size").text = str(len(selected.entries))
    Xml.SubElement(task, "mode").text = "annotation"
    labels = Xml.SubElement(task, "labels")
    for name in selected.labels:
        label = Xml.SubElement(labels, "label")
        Xml.SubElement(label, "name").text = name
        Xml.SubElement(label, "attributes")
    for number, entry in enumerate(selected.entries):
        place_picture(entry.picture, folder / "images" / entry.name, pictures)
        _add_image(root, number, entry)
    Xml.indent(root)
    Xml.ElementTree(root).write(folder / FILE, encoding="utf-8", xml_declaration=True)


def _add_image(root: Xml.Element, number: int, entry: Entry) -> None:
    width, height = entry.width or 0, entry.height or 0
    facts = {"id": str(number), "name": entry.name, "width": str(width), "height": str(height)}
    image = Xml.SubElement(root, "image", facts)
    for box in entry.boxes:
        if box.outline:
            points = (f"{x:.2f},{y:.2f}" for x, y in box.polygon() * (width, height))
            kind, places = "polygon", {"points": ";".join(points)}
        else:
            corners = zip(("xtl", "ytl", "xbr", "ybr"), box.pixels(width, height), strict=True)
            kind, places = "box", {name: f"{value:.2f}" for name, value in corners}
        Xml.SubElement(image, kind, {"label": box.label, "source": "auto", "occluded": "0", **places, "z_order": "0"})


def _check(selected: Selected) -> None:
    unknown = [entry.sample_id for entry in selected.entries if not entry.width or not entry.height]
    if unknown:
        raise ValueError(
            f"format cvat must know the size of every picture; got none for {len(unknown):,}, such as {unknown[0]!r}. "
            "Say where the pictures are, or take another format."
        )
    for text in [*selected.labels, *(entry.name for entry in selected.entries)]:
        if any(ord(letter) < 32 or letter in "\ufffe\uffff" for letter in text):
            raise ValueError(f"format cvat must have names without control characters; got {text!r}.")
