"""Where a code-loader integration starts: the entry file that its `leap.yaml` names.

**Conventions**: nothing of the integration is imported here. Paths are absolute and without ``..``.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from latent_space.settings import read_yaml


@dataclass(frozen=True)
class Entry:
    """Where an integration starts.

    Attributes
    ----------
    root : Path
        Folder of `leap.yaml`, absolute.
    file : str
        The entry file, relative to `root`.
    """

    root: Path
    file: str


def find_entry(integration: str | os.PathLike[str]) -> Entry:
    """Find the entry file of an integration.

    Parameters
    ----------
    integration : path
        A folder with a `leap.yaml` that names its `entryFile`, or the entry file itself.

    Raises
    ------
    FileNotFoundError
        If the path, `leap.yaml` or the entry file does not exist.
    ValueError
        If `leap.yaml` names no entry file.
    """
    path = Path(integration).expanduser().absolute()
    path = Path(os.path.normpath(path))
    if path.is_file():
        root = next((folder for folder in path.parents if (folder / "leap.yaml").is_file()), path.parent)
        return Entry(root, path.relative_to(root).as_posix())
    if not (path / "leap.yaml").is_file():
        raise FileNotFoundError(f"integration must be a folder with a leap.yaml, or an entry file; got {path}.")
    name = _entry_file(path / "leap.yaml")
    if not (path / name).is_file():
        raise FileNotFoundError(f"entryFile of {path / 'leap.yaml'} must exist; got {name!r}.")
    return Entry(path, Path(os.path.normpath(name)).as_posix())


def _entry_file(file: Path) -> str:
    content = read_yaml(file)
    name = content.get("entryFile") if isinstance(content, dict) else None
    if not isinstance(name, str) or not name:
        raise ValueError(f"{file} must name the entry file under `entryFile`; got {name!r}.")
    return name
