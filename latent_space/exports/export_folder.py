"""The folder of an export: made whole or not at all, replaced only where nobody worked in it.

**Conventions**: `export.json` lists every other file by its path in the folder. Files are compared by their SHA-256,
pictures (what is larger than 1 MB, or was linked) by their size.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from latent_space.run_folder import write_json

FILE = "export.json"
_SUMMED_BYTES = 2**20
_FILE_ENDINGS = frozenset({".csv", ".json", ".xml", ".yaml", ".yml", ".zip", ".txt"})


@contextmanager
def export_folder(out: Path, *, facts: dict[str, Any]) -> Iterator[Path]:
    """Give an empty folder to write into; on success it takes the place of `out`.

    Parameters
    ----------
    out : Path
        New, empty, or an export that is as it was written.
    facts : dict
        Kept in `export.json`.

    Raises
    ------
    FileExistsError
        If `out` is a file, or a folder with anything else.
    PermissionError
        If nothing can be made where it shall lie.
    ValueError
        If it has the name of a file.
    """
    check_place(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    building = out.with_name(f".{os.getpid()}.{out.name}")
    building.mkdir()
    try:
        yield building
        write_json(building / FILE, {**facts, "files": _sums(building)})
        if out.exists():
            check_place(out)
            shutil.rmtree(out)
        building.replace(out)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def check_place(out: Path) -> None:
    """Refuse a place that an export may not take; see `export_folder`."""
    if out.is_dir():
        if any(out.iterdir()) and not _is_as_written(out):
            raise FileExistsError(
                f"out must be a new or empty folder, or an export that is as it was written; got {out}, which holds "
                "something else. Name another folder."
            )
    elif out.exists():
        raise FileExistsError(f"out must be a folder; got {out}, which is a file.")
    elif out.suffix.lower() in _FILE_ENDINGS:
        raise ValueError(f"out must be a folder; got {out}, which has the name of a file.")
    for parent in out.absolute().parents:
        if parent.is_file():
            raise FileExistsError(f"out must lie in a folder; got {out}, and {parent} is a file.")
    _check_writable(out, next(parent for parent in out.absolute().parents if parent.is_dir()))


def _check_writable(out: Path, parent: Path) -> None:
    """Make a folder and remove it again: what permissions say is not all that can forbid it."""
    try:
        TemporaryDirectory(dir=parent).cleanup()
    except OSError as error:
        raise PermissionError(
            f"out must lie in a folder that can be written to; got {out}, and in {parent} nothing can be made: "
            f"{error.strerror}."
        ) from error


def _is_as_written(folder: Path) -> bool:
    try:
        known = json.loads((folder / FILE).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(known == _sums(folder))


def _sums(folder: Path) -> dict[str, str]:
    files = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    return {path.relative_to(folder).as_posix(): _sum(path) for path in sorted(files) if path != folder / FILE}


def _sum(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    size = path.stat().st_size
    if size > _SUMMED_BYTES and path.suffix.lower() not in _FILE_ENDINGS:
        return f"{size} bytes"
    return hashlib.sha256(path.read_bytes()).hexdigest()
