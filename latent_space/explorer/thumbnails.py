"""The pictures of a run, packed so that the page carries them and stays small enough to open and to mail.

**Conventions**: up to `FULL_BYTES` of thumbnails go into the page as they are. More are shrunk into sheets of WebP
tiles, of the largest of `TILE_SIDES` that keeps all of them within `FULL_BYTES`, and the page shows the full picture
from the run folder where it finds it. Pictures of visualizers go into the page up to `VISUALIZER_BYTES`; beyond, the
page looks for them in the run folder. Paths are relative to the run folder; what lies outside or does not exist is no
picture.
"""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from latent_space.progress import track

FULL_BYTES = 12 * 2**20
VISUALIZER_BYTES = 24 * 2**20
TILE_SIDES = (96, 64, 48, 32, 24)

_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
_TILES_PER_SIDE = 48
_MEASURED_TILES = 256


def pack_thumbnails(run_dir: Path, paths: Sequence[str | None]) -> dict[str, Any]:
    """Return the thumbnails as the page reads them.

    Parameters
    ----------
    run_dir : Path
        Folder that the paths are relative to.
    paths : sequence of str or None
        One per sample.

    Returns
    -------
    dict
        ``urls``: one data URI (or, with sheets, path) or None per sample. With sheets also ``sheets`` (data URIs),
        ``side`` and ``per_side``: sample i is tile ``i % per_side**2`` of sheet ``i // per_side**2``, row by row.
    """
    files = [_inside(run_dir, path) for path in paths]
    if sum(file.stat().st_size for file in files if file) <= FULL_BYTES:
        return {"urls": [data_uri(file) if file else None for file in files]}
    side = _tile_side(files)
    per_sheet = _TILES_PER_SIDE**2
    starts = range(0, len(files), per_sheet)
    sheets = [_sheet(files[start : start + per_sheet], side) for start in track(starts, "thumbnails")]
    urls = [_relative_url(run_dir, file) if file else None for file in files]
    return {"urls": urls, "sheets": [_as_uri(sheet, "image/webp") for sheet in sheets], "side": side} | {
        "per_side": _TILES_PER_SIDE
    }


def pack_visualizers(
    run_dir: Path, paths: Sequence[str | None], *, leave_out: str | None = None
) -> dict[str, list[str | None]]:
    """Return per visualizer one data URI, or path, or None per sample.

    The pictures lie in ``visualizers/<visualizer>/``, under the name that the sample's thumbnail has.

    Parameters
    ----------
    run_dir : Path
        The run folder.
    paths : sequence of str or None
        The thumbnails' paths, one per sample.
    leave_out : str, optional
        A visualizer whose pictures the page has already, as the thumbnails.
    """
    files = _visualizer_files(run_dir, paths)
    files.pop(leave_out or "", None)
    total = sum(file.stat().st_size for found in files.values() for file in found if file)
    url = data_uri if total <= VISUALIZER_BYTES else lambda file: _relative_url(run_dir, file)
    return {name: [url(file) if file else None for file in found] for name, found in files.items()}


def thumbnail_visualizer(run_dir: Path, paths: Sequence[str | None]) -> str | None:
    """Name the visualizer whose pictures the thumbnails are, byte by byte; None when no one's are."""
    thumbnails = [_inside(run_dir, path) for path in paths]
    for name, found in _visualizer_files(run_dir, paths).items():
        if all(_same_content(a, b) for a, b in zip(thumbnails, found, strict=True)):
            return name
    return None


def _visualizer_files(run_dir: Path, paths: Sequence[str | None]) -> dict[str, list[Path | None]]:
    files: dict[str, list[Path | None]] = {}
    for folder in sorted(folder for folder in (run_dir / "visualizers").glob("*") if folder.is_dir()):
        by_stem = {file.stem: file for file in sorted(folder.iterdir()) if file.suffix.lower() in _TYPES}
        found = [by_stem.get(Path(path).stem) if path else None for path in paths]
        if any(found):
            files[folder.name] = found
    return files


def _same_content(one: Path | None, other: Path | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()


def data_uri(file: Path) -> str:
    """Return a picture's content as a URI."""
    return _as_uri(file.read_bytes(), _TYPES[file.suffix.lower()])


def _as_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _inside(run_dir: Path, path: str | None) -> Path | None:
    if not path:
        return None
    root = run_dir.resolve()
    file = (root / path).resolve()
    return file if file.is_relative_to(root) and file.suffix.lower() in _TYPES and file.is_file() else None


def _relative_url(run_dir: Path, file: Path) -> str:
    return quote(file.resolve().relative_to(run_dir.resolve()).as_posix())


def _tile_side(files: Sequence[Path | None]) -> int:
    """Return the largest side whose tiles, measured on some, fit the budget; the smallest when none does."""
    some = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, _MEASURED_TILES, dtype=int))]
    for side in TILE_SIDES[:-1]:
        if len(_sheet(some, side)) / len(some) * len(files) <= FULL_BYTES:
            return side
    return TILE_SIDES[-1]


def _sheet(files: Sequence[Path | None], side: int) -> bytes:
    from PIL import Image, ImageOps, UnidentifiedImageError

    n_rows = -(-len(files) // _TILES_PER_SIDE)
    sheet = Image.new("RGB", (_TILES_PER_SIDE * side, n_rows * side))
    for number, file in enumerate(files):
        if file is None:
            continue
        try:
            with Image.open(file) as picture:
                picture.draft("RGB", (side, side))
                tile = ImageOps.pad(picture.convert("RGB"), (side, side))
        except (UnidentifiedImageError, OSError):
            continue  # a damaged thumbnail leaves its tile black; the sample itself is sound
        sheet.paste(tile, (number % _TILES_PER_SIDE * side, number // _TILES_PER_SIDE * side))
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=60, method=4)
    return buffer.getvalue()
