"""The pictures of a run, packed so that the page carries them and stays small enough to open and to mail.

**Conventions**: up to `FULL_BYTES` of thumbnails go into the page as they are. More are shrunk into sheets of WebP
tiles, of the best of `TILES` that keeps all of them within `SHEET_BYTES`; up to `MOST_FULL` samples, the most telling
first, also get a picture of full size, and for the others the page looks into the run folder. Tiles are square, or as
wide as most of the pictures are, so that all of a picture is seen whose edges matter. Pictures of visualizers
go into the page up to `VISUALIZER_BYTES`; beyond, the page looks for them in the run folder. Paths are relative to the
run folder; what lies outside or does not exist is no picture.
"""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from latent_space.explorer.packing import Store
from latent_space.progress import track

FULL_BYTES = 12 * 2**20
SHEET_BYTES = 9 * 2**20
PREFERRED_BYTES = 4 * 2**20
VISUALIZER_BYTES = 24 * 2**20
MOST_FULL = 2_000
TILES = ((96, 60), (64, 60), (48, 60), (32, 60), (32, 35), (24, 45), (24, 25))  # height in pixels, quality

_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
_TILES_PER_SIDE = 48
_MEASURED_TILES = 256
_FULL_QUALITY = 50
_LEAST_WIDE, _MOST_WIDE = 1.1, 2.0


def pack_thumbnails(
    run_dir: Path, paths: Sequence[str | None], store: Store, preferred: Sequence[int] = ()
) -> dict[str, Any]:
    """Return the thumbnails as the page reads them.

    Parameters
    ----------
    run_dir : Path
        Folder that the paths are relative to.
    paths : sequence of str or None
        One per sample.
    store : Store
        Takes the paths.
    preferred : sequence of int
        Samples that get a picture of full size first when not all can.

    Returns
    -------
    dict
        ``urls``: one data URI or None per sample. Instead, when they are too many: ``sheets`` (data URIs), ``side``
        (of a tile, its height) and ``per_side``: sample i is tile ``i % per_side**2`` of sheet ``i // per_side**2``,
        row by row; ``full``: data URIs by sample. ``aspect``: width of a tile, in heights. ``paths``: where the store
        holds the paths, relative and quoted.
    """
    files = [_inside(run_dir, path) for path in paths]
    packed = {"paths": store.json([_relative_url(run_dir, file) if file else None for file in files])}
    aspect = _aspect(files)
    if sum(file.stat().st_size for file in files if file) <= FULL_BYTES:
        return {**packed, "aspect": aspect, "urls": [data_uri(file) if file else None for file in files]}
    side, quality = _tile_size(files, aspect)
    width = round(side * aspect)
    per_sheet = _TILES_PER_SIDE**2
    starts = range(0, len(files), per_sheet)
    sheets = [_sheet(files[start : start + per_sheet], (width, side), quality) for start in track(starts, "thumbnails")]
    return {
        **packed,
        "sheets": [_as_uri(sheet, "image/webp") for sheet in sheets],
        "side": side,
        "aspect": width / side,
        "per_side": _TILES_PER_SIDE,
        "full": _full_pictures(files, preferred),
    }


def pack_visualizers(
    run_dir: Path, paths: Sequence[str | None], store: Store, *, leave_out: str | None = None
) -> dict[str, dict[str, Any]]:
    """Return per visualizer its pictures.

    The pictures lie in ``visualizers/<visualizer>/``, under the name that the sample's thumbnail has.

    Parameters
    ----------
    run_dir : Path
        The run folder.
    paths : sequence of str or None
        The thumbnails' paths, one per sample.
    store : Store
        Takes the endings of linked pictures.
    leave_out : str, optional
        A visualizer whose pictures the page has already, as the thumbnails.

    Returns
    -------
    dict
        By visualizer, ``urls``: one data URI or None per sample. Instead, when they are too many: ``folder`` (quoted),
        ``endings`` and ``codes``, where the store holds which ending a sample's file has, 0 for none.
    """
    files = _visualizer_files(run_dir, paths)
    files.pop(leave_out or "", None)
    total = sum(file.stat().st_size for found in files.values() for file in found if file)
    if total <= VISUALIZER_BYTES:
        return {name: {"urls": [data_uri(file) if file else None for file in found]} for name, found in files.items()}
    return {name: _linked(name, found, store) for name, found in files.items()}


def _linked(name: str, files: list[Path | None], store: Store) -> dict[str, Any]:
    endings = ["", *sorted({file.suffix for file in files if file})]
    codes = np.array([endings.index(file.suffix) if file else 0 for file in files], np.uint16)
    return {"folder": quote(f"visualizers/{name}/"), "endings": endings, "codes": store.codes(codes)}


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


def _some(files: Sequence[Path | None]) -> list[Path | None]:
    return [files[i] for i in np.unique(np.linspace(0, len(files) - 1, _MEASURED_TILES, dtype=int))] if files else []


def _aspect(files: Sequence[Path | None]) -> float:
    """Return the width, in heights, of most pictures where they are wide; 1 where they are square or upright."""
    pictures = [picture for picture in map(_picture, _some(files)) if picture is not None]
    usual = float(np.median([picture.width / picture.height for picture in pictures])) if pictures else 1.0
    return min(usual, _MOST_WIDE) if usual >= _LEAST_WIDE else 1.0


def _tile_size(files: Sequence[Path | None], aspect: float) -> tuple[int, int]:
    """Return the best height and quality whose tiles, measured on some, fit the budget; the last when none does."""
    some = _some(files)
    for side, quality in TILES[:-1]:
        if len(_sheet(some, (round(side * aspect), side), quality)) / len(some) * len(files) <= SHEET_BYTES:
            return side, quality
    return TILES[-1]


def _sheet(files: Sequence[Path | None], size: tuple[int, int], quality: int) -> bytes:
    from PIL import Image, ImageOps

    n_rows = -(-len(files) // _TILES_PER_SIDE)
    width, height = size
    sheet = Image.new("RGB", (_TILES_PER_SIDE * width, n_rows * height))
    for number, file in enumerate(files):
        picture = _picture(file, size)
        if picture is not None:
            tile = ImageOps.pad(picture, size)
            sheet.paste(tile, (number % _TILES_PER_SIDE * width, number // _TILES_PER_SIDE * height))
    return _webp(sheet, quality)


def _full_pictures(files: Sequence[Path | None], preferred: Sequence[int]) -> dict[str, str]:
    """Return pictures of full size by sample, as many as there is room for."""
    full: dict[str, str] = {}
    room = PREFERRED_BYTES
    for number in dict.fromkeys([*preferred, *range(len(files))]):
        picture = _picture(files[number])
        content = _webp(picture, _FULL_QUALITY) if picture is not None else b""
        room -= len(content)
        if room < 0 or len(full) == MOST_FULL:
            break
        if content:
            full[str(number)] = _as_uri(content, "image/webp")
    return full


def _picture(file: Path | None, at_least: tuple[int, int] | None = None) -> Any:
    """Read a thumbnail; None for none, and for a damaged one, whose sample itself is sound."""
    from PIL import Image, UnidentifiedImageError

    if file is None:
        return None
    try:
        with Image.open(file) as picture:
            if at_least:
                picture.draft("RGB", at_least)
            return picture.convert("RGB")
    except (UnidentifiedImageError, OSError):
        return None


def _webp(picture: Any, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()
