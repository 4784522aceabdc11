"""The files of a run folder: their names, reading them with errors that name them, writing them all or not at all.

**Conventions**: a file is written under a temporary name beside its place and then renamed, so a reader or a crash
never meets half a file. JSON is strict: NaN and infinities become null.
"""

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

SAMPLES_FILE = "samples.parquet"
LATENTS_FILE = "latents.npy"
INSTANCES_FILE = "instances.parquet"
INSTANCE_LATENTS_FILE = "instance_latents.npy"
RUN_FILE = "run.json"
REPORT_FILE = "report.html"
GRAPH_FILE = "graph.npz"
MAPS_FOLDER = "maps"
PLACED_FOLDER = "placed"
INSIGHTS_FILE = "insights.json"
LABELLING_FILE = "labelling.csv"
PRUNING_FILE = "pruning.csv"
CURVES_FILE = "curves.json"
LABELLING_PICTURE = "labelling.png"
PROBE_PICTURE = "labelling_probe.png"
PRUNING_PICTURE = "pruning.png"


def page_beside(name: str) -> str:
    """Return the file name of the page on which samples that were placed stand beside the run's own."""
    return f"report-{name}.html"


def read_file(path: Path, reader: Callable[[Path], Any]) -> Any:
    """Return what `reader` makes of the file, or None where there is none.

    Raises
    ------
    ValueError
        If the file cannot be read; it names the file.
    """
    if not path.is_file():
        return None
    try:
        return reader(path)
    except (ValueError, OSError, EOFError) as error:  # pyarrow's and json's errors are ValueErrors
        raise ValueError(f"{path} must be a readable file of a run folder; got: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the mapping that a JSON file holds."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"a {type(content).__name__} instead of a mapping")
    return content


def write_json(path: Path, content: dict[str, Any] | list[dict[str, Any]]) -> None:
    """Write a mapping, or a list of such, as strict, indented JSON."""
    path.write_text(json.dumps(to_json(content), indent=2, allow_nan=False) + "\n", encoding="utf-8")


@contextmanager
def replaced_files() -> Iterator[Callable[[Path], Path]]:
    """Give temporary names beside the paths asked for; rename all at the end, or remove all on an error.

    Yields
    ------
    callable
        From the path a file shall have to the path to write it at; keeps the file's suffix.
    """
    temporary: dict[Path, Path] = {}

    def temporary_name(path: Path) -> Path:
        temporary[path] = path.with_name(f".{os.getpid()}.{path.name}")
        return temporary[path]

    try:
        yield temporary_name
        for path, written in temporary.items():
            written.replace(path)
    finally:
        for written in temporary.values():
            written.unlink(missing_ok=True)


def to_json(value: Any) -> Any:
    """Return `value` as JSON knows it: numpy's values as Python's, NaN and infinities as None, paths as strings.

    Raises
    ------
    ValueError
        If it holds anything else.

    Examples
    --------
    >>> to_json({"loss": np.float32(0.5), "ap": float("nan")})
    {'loss': 0.5, 'ap': None}
    """
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [to_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Path):
        return str(value)
    raise ValueError(f"run must hold only JSON values; got {type(value).__name__}.")
