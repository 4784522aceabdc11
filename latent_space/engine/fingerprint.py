"""What a run was made from, as hashes: a chunk of an interrupted run is used again only if nothing of it has changed.

**Conventions**: the files of an integration are its Python and YAML files, and settings and tables in other formats,
these by content where they are small, else by size and time. Tests, documents, hidden files, virtual environments, run
folders and what is given to be left out do not count. A data folder counts by the names, sizes and times of its
files, which is cheap; single files of it may be large.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from latent_space.run_folder import RUN_FILE

_CODE = (".py", ".yaml", ".yml")
_SETTINGS = (".json", ".toml", ".csv", ".txt", ".ini")
_SMALL = 256 * 1024
_MARKS_OF_OTHERS = ("pyvenv.cfg", RUN_FILE)
_IGNORED = {"tests", "benchmarks", "docs", "runs", "__pycache__", "node_modules", "site-packages"}


def files_fingerprint(root: Path, leave_out: Sequence[Path] = ()) -> str:
    """Hash the code of an integration.

    Parameters
    ----------
    root : Path
        Its folder.
    leave_out : sequence of Path
        Folders below it that do not count, such as runs and data.
    """
    digest = hashlib.sha256()
    for path in _files(root, {folder.resolve() for folder in leave_out}):
        if path.suffix not in _CODE + _SETTINGS:
            continue
        digest.update(os.fsencode(path.relative_to(root).as_posix()) + b"\0")
        facts = path.stat()
        if path.suffix in _CODE or facts.st_size <= _SMALL:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        else:
            digest.update(f"{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def data_fingerprint(data: Path | None, first_samples: str) -> str:
    """Hash the data: the file list of `data` where it is given, and what the integration made of its first samples."""
    digest = hashlib.sha256(first_samples.encode())
    if data is not None and data.exists():
        for path in _files(data, set()) if data.is_dir() else [data]:
            facts = path.stat()
            name = os.fsencode(path.relative_to(data).as_posix())
            digest.update(name + f"\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def settings_fingerprint(settings: Any) -> str:
    """Hash JSON values."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _files(root: Path, leave_out: set[Path]) -> Iterator[Path]:
    """Files below a folder in a fixed order."""
    for folder, names, files in os.walk(root):
        here = Path(folder)
        names[:] = sorted(
            name
            for name in names
            if not name.startswith(".")
            and name not in _IGNORED
            and not any((here / name / mark).is_file() for mark in _MARKS_OF_OTHERS)
            and (here / name).resolve() not in leave_out
        )
        # Editors keep locks as links to nowhere.
        paths = (here / name for name in sorted(files) if not name.startswith("."))
        yield from (path for path in paths if path.is_file())
