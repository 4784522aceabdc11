"""The samples of a selection as pictures with what the model found in them, the same for every format.

**Conventions**: a name is a relative path with ``/``; what leads out of the folder is cut off. Sizes are in pixels. The
picture is the file of the data that the file name leads to; where there is none it is the run's thumbnail, and the size
and the ending are the thumbnail's. Without either, only the columns can say how large it is. None = unknown.
"""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from latent_space.exports.columns import find_column, numbers, texts
from latent_space.exports.found import COLUMNS, Box, read_box
from latent_space.exports.pictures import PictureFolder, picture_size, thumbnail_of

if TYPE_CHECKING:
    import pandas as pd

    from latent_space.population import Population


@dataclass(frozen=True)
class Entry:
    """A sample of a selection.

    Attributes
    ----------
    sample_id, name : str
        `name` is that of the picture.
    split, reason : str, optional
    picture : Path, optional
        The file.
    is_thumbnail : bool
        Whether that is only the run's small copy.
    width, height : int, optional
    loss : float, optional
    image_id : int, optional
        That the data gave the picture.
    boxes : tuple of Box
    """

    sample_id: str
    name: str
    split: str | None = None
    reason: str | None = None
    picture: Path | None = None
    is_thumbnail: bool = False
    width: int | None = None
    height: int | None = None
    loss: float | None = None
    image_id: int | None = None
    boxes: tuple[Box, ...] = ()


def read_entries(
    population: "Population",
    rows: Sequence[int],
    *,
    data: Path | None = None,
    run_dir: Path | None = None,
    columns: Mapping[str, str] | None = None,
    reasons: Mapping[str, str] | None = None,
) -> list[Entry]:
    """Collect what exports need of some samples.

    Parameters
    ----------
    population : Population
    rows : sequence of int
        Of its table of samples, in the order wanted.
    data, run_dir : Path, optional
        Where pictures and thumbnails are looked for.
    columns : mapping, optional
        From roles (file_name, width, height, image_id) to columns, instead of guesses.
    reasons : mapping, optional
        From sample ids to why they were chosen.
    """
    table = population.samples.iloc[list(rows)]
    find = {role: find_column(table, role, columns) for role in ("file_name", "width", "height", "image_id")}
    folder = PictureFolder(data)
    objects = _objects(population, set(table["sample_id"]))
    names = [
        relative_name(name or one)
        for name, one in zip(texts(table, find["file_name"]), table["sample_id"], strict=True)
    ]
    facts = zip(
        table["sample_id"],
        names,
        texts(table, "split"),
        texts(table, "thumbnail"),
        zip(numbers(table, find["width"]), numbers(table, find["height"]), strict=True),
        numbers(table, "loss"),
        _image_ids(numbers(table, find["image_id"])),
        strict=True,
    )
    entries = []
    for sample_id, name, split, thumbnail, size, loss, image_id in facts:
        picture = folder.find(name, split)
        small = thumbnail_of(run_dir, thumbnail) if picture is None else None
        width, height = _size(size, picture, small)
        name = name if small is None or name.lower().endswith(small.suffix.lower()) else f"{name}{small.suffix}"
        known = (width, height) if small is None and width and height else None
        boxes = tuple(box for row in objects.get(sample_id, []) if (box := read_box(row, known)) is not None)
        reason = (reasons or {}).get(sample_id)
        entries.append(
            Entry(
                sample_id,
                name,
                split,
                reason,
                picture or small,
                small is not None,
                width,
                height,
                loss,
                image_id,
                boxes,
            )
        )
    return entries


def relative_name(text: str) -> str:
    r"""Return a path without what is absolute, or leads out, about it.

    Examples
    --------
    >>> [relative_name(name) for name in ("a/./1.jpg", "../x/1.jpg", r"C:\data\1.jpg", "/1.jpg", "..")]
    ['a/1.jpg', 'x/1.jpg', 'data/1.jpg', '1.jpg', 'unnamed']
    """
    path = posixpath.normpath(re.sub(r"^[A-Za-z]:(?=[\\/])", "", text).replace("\\", "/"))
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "unnamed"


def unique_names(names: Sequence[str], *, by_stem: bool = False) -> list[str]:
    """Give a number to names that occur before, also in another letter case, which some file systems do not know.

    Parameters
    ----------
    names : sequence of str
        Relative paths.
    by_stem : bool
        Whether names that differ only in their ending count as one.

    Examples
    --------
    >>> unique_names(["a.jpg", "b/a.jpg", "A.jpg", "a.png"])
    ['a.jpg', 'b/a.jpg', 'A-2.jpg', 'a.png']
    >>> unique_names(["a.jpg", "a.png"], by_stem=True)
    ['a.jpg', 'a-2.png']
    """
    taken: set[str] = set()
    wanted = {_key(name, by_stem) for name in names}
    found = []
    for name in names:
        path, number, chosen = PurePosixPath(name), 1, name
        # A number behind a dot at the end would be taken for the ending.
        stem = path.stem if path.suffix else path.stem.rstrip(".")
        while _key(chosen, by_stem) in taken or (number > 1 and _key(chosen, by_stem) in wanted):
            number += 1
            chosen = str(path.with_name(f"{stem}-{number}{path.suffix}"))
        taken.add(_key(chosen, by_stem))
        found.append(chosen)
    return found


def labels_of(population: "Population") -> list[str]:
    """List the labels of all objects of a run, sorted: the same for every selection of it."""
    if population.instances is None or "label" not in population.instances:
        return []
    return sorted({str(label) for label in population.instances["label"].dropna()})


def _key(name: str, by_stem: bool) -> str:
    return (str(PurePosixPath(name).with_suffix("")) if by_stem else name).casefold()


def _size(
    size: tuple[float | None, float | None], picture: Path | None, small: Path | None
) -> tuple[int | None, int | None]:
    width, height = size
    if small is not None or not width or not height:
        return picture_size(small or picture) or (None, None)
    return round(width), round(height)


def _image_ids(values: list[float | None]) -> list[int | None]:
    """Return the ids as integers, or none of them unless all are whole and different."""
    ids = [int(value) for value in values if value is not None and value.is_integer() and value >= 0]
    return list(ids) if len(set(ids)) == len(values) else [None] * len(values)


def _objects(population: "Population", chosen: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of what the model found, by sample."""
    table = population.instances
    if table is None or not {"kind", "label"} <= set(table.columns):
        return {}
    found: pd.DataFrame = table[(table["kind"] == "pred") & table["sample_id"].isin(chosen)]
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in found[["sample_id", *(name for name in COLUMNS if name in found)]].to_dict("records"):
        rows.setdefault(str(row["sample_id"]), []).append({str(key): value for key, value in row.items()})
    return rows
