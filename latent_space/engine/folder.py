"""The run folder while a run is made: whether it may be written to, and what in it is ours to remove.

**Conventions**: a folder that is not empty is an earlier run only if its `run.json` is one of ours or if `.work` holds
our mark; anything else is somebody's own. Inside, only names that the engine makes are removed.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from latent_space.engine.assembly import CONFUSION_FILE, PICTURE_FOLDERS, SPACES_FOLDER
from latent_space.maps import MAPPED_METHODS
from latent_space.population import Population
from latent_space.run_folder import (
    CURVES_FILE,
    GRAPH_FILE,
    INSIGHTS_FILE,
    INSTANCE_LATENTS_FILE,
    INSTANCES_FILE,
    LABELLING_FILE,
    LABELLING_PICTURE,
    LATENTS_FILE,
    MAPS_FOLDER,
    PLACED_FOLDER,
    PROBE_PICTURE,
    PRUNING_FILE,
    PRUNING_PICTURE,
    REPORT_FILE,
    RUN_FILE,
    SAMPLES_FILE,
    page_beside,
    read_json,
)

WORK_FOLDER = ".work"
LOGS = "logs"
_MARK = "armscope"
_OUR_KEYS = {"fingerprint", "engine_fingerprint", "splits"}
_OUR_WORK = re.compile(r"logs|pictures|[0-9a-f]{16}")
_PICTURES_OF_MAPS = tuple(f"{method}.png" for method in MAPPED_METHODS)
_OF_LATER_STAGES = (
    GRAPH_FILE,
    INSIGHTS_FILE,
    LABELLING_FILE,
    LABELLING_PICTURE,
    PROBE_PICTURE,
    PRUNING_FILE,
    PRUNING_PICTURE,
    CURVES_FILE,
    REPORT_FILE,
    *_PICTURES_OF_MAPS,
)
_OF_SAMPLES = (SAMPLES_FILE, LATENTS_FILE, INSTANCES_FILE, INSTANCE_LATENTS_FILE, CONFUSION_FILE)
_FOLDERS = (*PICTURE_FOLDERS, SPACES_FOLDER, MAPS_FOLDER, WORK_FOLDER)


def run_folder(out: str | os.PathLike[str]) -> Path:
    """Return the folder for a run as an absolute path.

    Raises
    ------
    ValueError
        If it is a file, or holds anything but an earlier run.
    """
    folder = Path(out).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"out must be a folder; got {folder}, which is a file.")
    if folder.is_dir() and any(folder.iterdir()) and not _is_ours(folder):
        raise ValueError(f"out must be a new or empty folder, or an earlier run; {folder} holds other files.")
    return folder


def _is_ours(folder: Path) -> bool:
    if (folder / WORK_FOLDER / _MARK).is_file():
        return True
    try:
        return read_json(folder / RUN_FILE).keys() >= _OUR_KEYS
    except (OSError, ValueError):
        return False


def open_work(out: Path) -> Path:
    """Make the folder for what is needed only until the run is complete; returns that of the workers' logs."""
    logs = out / WORK_FOLDER / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    (out / WORK_FOLDER / _MARK).write_text("Chunks of an unfinished run of armscope explore.\n", encoding="utf-8")
    return logs


def keep_work(out: Path, *keep: Path) -> None:
    """Remove what earlier runs left in the work folder, but for the logs and what is to be kept."""
    for path in _made_by_us(out):
        if path.name != LOGS and path not in keep:
            shutil.rmtree(path)


def close_work(out: Path) -> None:
    """Remove all that is needed only until the run is complete."""
    for path in _made_by_us(out):
        shutil.rmtree(path)
    _remove_if_empty(out / WORK_FOLDER)


def discard_work(out: Path) -> None:
    """Leave no trace of a run that could not start, but for what its worker printed."""
    logs = out / WORK_FOLDER / LOGS
    for log in logs.iterdir():
        if log.stat().st_size == 0:
            log.unlink()
    if not any(logs.iterdir()):
        logs.rmdir()
    _remove_if_empty(out / WORK_FOLDER)
    if not any(out.iterdir()):
        out.rmdir()


def _made_by_us(out: Path) -> Iterator[Path]:
    work = out / WORK_FOLDER
    return (path for path in list(work.iterdir()) if path.is_dir() and _OUR_WORK.fullmatch(path.name))


def _remove_if_empty(work: Path) -> None:
    """Remove the work folder where nothing but the mark is left in it."""
    if {path.name for path in work.iterdir()} <= {_MARK}:
        (work / _MARK).unlink(missing_ok=True)
        work.rmdir()


def begin_replacing(out: Path) -> None:
    """Take an earlier run's marks of being complete away, and what tells of its samples alone."""
    placed = list((out / PLACED_FOLDER).glob("*"))
    for name in (RUN_FILE, *_OF_LATER_STAGES, *(page_beside(folder.name) for folder in placed)):
        (out / name).unlink(missing_ok=True)
    for folder in placed:
        if folder.is_dir() and _is_ours(folder):
            remove_run(folder)


def remove_run(folder: Path) -> None:
    """Remove what the engine and later stages wrote, and the folder with it where nothing else is in it."""
    for name in _FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (*_OF_SAMPLES, *_OF_LATER_STAGES, RUN_FILE):
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def finished_run(out: Path, fingerprint: str) -> Population | None:
    """Load the run that is in the folder, if it was made from the same and to its end."""
    if not all((out / name).is_file() for name in (RUN_FILE, SAMPLES_FILE, LATENTS_FILE)):
        return None
    done = Population.load(out)
    return done if done.run.get("fingerprint") == fingerprint and done.run.get("finished") else None


def has_maps(out: Path, population: Population) -> bool:
    """Whether the maps of a run and its report are all there."""
    return "maps" in population.run and all((out / name).is_file() for name in (REPORT_FILE, *_PICTURES_OF_MAPS))
