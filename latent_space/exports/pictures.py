"""The picture files of a selection: where they are, how large they are, and bringing them into the export.

**Conventions**: names are relative paths with ``/``. A name is looked for in the data folder and in its sub-folders,
two levels deep; where several hold it, the one that is named after the sample's split is taken, and none if that
leaves a doubt. A file that is no picture has no size.
"""

import os
import shutil
from pathlib import Path
from typing import Literal

Pictures = Literal["copy", "link", "none"]
_LEVELS = 2
_SPLIT_NAMES = {
    "training": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test",),
    "unlabeled": ("unlabeled", "unlabelled", "test"),
}
_TURNED = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height
_ORIENTATION = 0x0112


class PictureFolder:
    """Finds pictures by name below a folder.

    Parameters
    ----------
    root : Path, optional
        The data folder; a file stands for its folder, and nothing is found without one.
    """

    def __init__(self, root: Path | None) -> None:
        folder = root.parent if root is not None and root.is_file() else root
        self._folders = [] if folder is None or not folder.is_dir() else [folder, *_subfolders(folder, _LEVELS)]

    def find(self, name: str, split: str | None = None) -> Path | None:
        """Return the file of a picture, or None."""
        found = [folder / name for folder in self._folders if (folder / name).is_file()]
        if len(found) > 1 and found[0].parent != self._folders[0]:
            wanted = _SPLIT_NAMES.get(split or "", ())
            found = [file for file in found if any(part.lower() in wanted for part in file.parts)]
        return found[0] if found and (len(found) == 1 or self._folders[0] / name == found[0]) else None


def thumbnail_of(run_dir: Path | None, path: str | None) -> Path | None:
    """Return the thumbnail that a run holds, or None; what leads out of the run is none."""
    if run_dir is None or path is None:
        return None
    file = (run_dir / path).resolve()
    return file if file.is_relative_to(run_dir.resolve()) and file.is_file() else None


def picture_size(file: Path | None) -> tuple[int, int] | None:
    """Read width and height in pixels, as shown, from the head of a file; None where it is no picture."""
    from PIL import Image, UnidentifiedImageError

    if file is None:
        return None
    try:
        with Image.open(file) as image:
            width, height = image.size
            return (height, width) if image.getexif().get(_ORIENTATION) in _TURNED else (width, height)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return None


def place_picture(picture: Path | None, target: Path, mode: Pictures) -> bool:
    """Bring a picture to its place in the export; tell whether it is there."""
    if picture is None or mode == "none":
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    if mode == "copy":
        shutil.copyfile(picture, target)
    else:
        target.symlink_to(picture.resolve())
    return True


def _subfolders(folder: Path, levels: int) -> list[Path]:
    if levels == 0:
        return []
    with os.scandir(folder) as items:
        inside = sorted(Path(item.path) for item in items if not item.name.startswith(".") and item.is_dir())
    return inside + [deeper for child in inside for deeper in _subfolders(child, levels - 1)]
