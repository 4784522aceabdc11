"""Read a COCO annotation file, or a folder of images without one, and refuse what would make it meaningless.

**Conventions**: ids of images, annotations and categories are any integers or strings, each unique in the file. Only
the file's structure is checked here: whether a single image or outline is usable is decided sample by sample later.
An unlabelled split's annotations and categories are not looked at.
"""

import gc
import hashlib
import json
import posixpath
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any

from armbench_segmentation.images import image_suffixes

Id = int | str
MAX_SAMPLE_ID_LENGTH = 256


@dataclass(frozen=True)
class CocoFile:
    """The entries of one annotation file, indexed.

    Attributes
    ----------
    origin : Path
        The file, or the folder without one; for messages.
    images : list of dict
        In file order.
    annotations : dict
        Image id -> its annotations in file order; images without any are absent.
    categories : dict
        Category id -> name, in file order.
    is_labeled : bool
        Whether an image without annotations is known to hold no objects.
    """

    origin: Path
    images: Sequence[dict[str, Any]]
    annotations: dict[Id, list[dict[str, Any]]] = field(default_factory=dict)
    categories: dict[Id, str] = field(default_factory=dict)
    is_labeled: bool = True


def read_coco(path: Path, *, is_labeled: bool = True) -> CocoFile:
    """Parse an annotation file and check its ids and references.

    Parameters
    ----------
    path : Path
        The JSON file.
    is_labeled : bool
        False leaves the annotations and categories, if any, aside.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is malformed, an id occurs twice, or an annotation names an image or a category that does not exist.
    """
    content = _read_json(path)
    images = _entries(content, "images", path)
    ids = _unique_ids(images, "image", path)
    if not is_labeled:
        return CocoFile(path, images, is_labeled=False)
    category_entries = _entries(content, "categories", path)
    _unique_ids(category_entries, "category", path)
    categories: dict[Id, str] = {}
    for entry in category_entries:
        if not isinstance(entry.get("name"), str) or not entry["name"]:
            raise ValueError(f"{path}: category {entry['id']!r} must have a name; got {entry.get('name')!r}.")
        categories[entry["id"]] = entry["name"]
    annotations: dict[Id, list[dict[str, Any]]] = {}
    entries = _entries(content, "annotations", path)
    _unique_ids(entries, "annotation", path)
    for entry in entries:
        _reference(entry, "category_id", categories, path)
        annotations.setdefault(_reference(entry, "image_id", ids, path), []).append(entry)
    return CocoFile(path, images, annotations, categories)


def read_folder(folder: Path) -> CocoFile:
    """List the images of a folder and its sub-folders, sorted by path, as an unlabelled annotation file would.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"No image folder at {folder}.")
    suffixes = image_suffixes()
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    visible = (path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))
    return CocoFile(folder, [{"file_name": name} for name in sorted(visible)], is_labeled=False)


def sample_names(file: CocoFile) -> list[str]:
    """Name every image: strings unique in the file and independent of the order of its entries.

    A name is the file name with its sub-folders. Where two entries show the same file the image id is added; where
    there is no file name inside the image folder, the id is all.

    Examples
    --------
    >>> images = [{"id": 7, "file_name": "./a/1.jpg"}, {"id": 8, "file_name": "b.jpg"}, {"id": 9, "file_name": "b.jpg"}]
    >>> sample_names(CocoFile(Path("train.json"), images))
    ['a/1.jpg', 'b.jpg#8', 'b.jpg#9']
    """
    names = [relative_name(entry) or f"image {entry.get('id')}" for entry in file.images]
    count = Counter(names)
    return [
        shorten(name if count[name] == 1 else f"{name}#{entry.get('id')}")
        for name, entry in zip(names, file.images, strict=True)
    ]


def relative_name(entry: dict[str, Any]) -> str | None:
    """Path of an image inside the image folder; None where `file_name` is none or leads out of the folder.

    Examples
    --------
    >>> [relative_name({"file_name": name}) for name in ("./a/1.jpg", "a/../1.jpg", "../1.jpg", "/a/1.jpg", "C:/1.jpg")]
    ['a/1.jpg', '1.jpg', None, None, None]
    """
    name = entry.get("file_name")
    if not isinstance(name, str) or not name or PureWindowsPath(name).root:
        return None
    path = posixpath.normpath(name.replace("\\", "/"))
    return None if path.split("/")[0] == ".." else path


def shorten(name: str) -> str:
    """Keep a sample id within the 256 characters that Tensorleap allows; a digest keeps what is cut unique."""
    if len(name) <= MAX_SAMPLE_ID_LENGTH:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{digest}~{name[-(MAX_SAMPLE_ID_LENGTH - 17) :]}"


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"No annotation file at {path}.")
    try:
        with _collector_paused():
            content = json.loads(path.read_bytes(), object_hook=_pack)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} must be valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a COCO object with images and annotations; got a {type(content).__name__}.")
    return content


def _pack(entry: dict[str, Any]) -> dict[str, Any]:
    """Keep what is used of an annotation, its polygons as arrays of doubles: a fifth of the memory of lists."""
    outline = entry.get("segmentation")
    if isinstance(outline, list):
        entry["segmentation"] = [_packed_polygon(polygon) for polygon in outline]
        entry.pop("bbox", None)
        entry.pop("area", None)
    return entry


def _packed_polygon(polygon: Any) -> Any:
    try:
        return array("d", polygon)
    except (TypeError, OverflowError):
        return polygon  # whoever checks the outline says what is wrong with it


@contextmanager
def _collector_paused() -> Iterator[None]:
    # A parse makes millions of containers and no garbage: collecting in between only costs time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _entries(content: dict[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    entries = content.get(key)
    if not isinstance(entries, list):
        raise ValueError(f"{path} must have a list {key!r}; got {type(entries).__name__}.")
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ValueError(f"{path}: {key}[{position}] must be an object; got {type(entry).__name__}.")
    return entries


def _unique_ids(entries: list[dict[str, Any]], kind: str, path: Path) -> set[Id]:
    seen: set[Id] = set()
    for position, entry in enumerate(entries):
        entry_id = entry.get("id")
        if not isinstance(entry_id, int | str):
            raise ValueError(f"{path}: {kind} number {position} must have an integer or string id; got {entry_id!r}.")
        if entry_id in seen:
            raise ValueError(f"{path}: {kind} ids must be unique; {entry_id!r} occurs twice.")
        seen.add(entry_id)
    return seen


def _reference(entry: dict[str, Any], key: str, known: set[Id] | dict[Id, str], path: Path) -> Id:
    target = entry.get(key)
    if not isinstance(target, int | str) or target not in known:
        raise ValueError(f"{path}: annotation {entry['id']!r} has the {key} {target!r}, which is not in the file.")
    return target
