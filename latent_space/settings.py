"""The one reader of `settings.yaml`, used by the binder and by both tasks.

**Conventions**: paths in the file are relative to the file's folder; `ARMSCOPE_TASK`, `ARMSCOPE_DATA` and
`ARMSCOPE_MODEL` override the task, its data root and its model, and are relative to the working directory.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TASKS = ("segmentation", "anomaly")


@dataclass(frozen=True)
class Settings:
    """The task, its own section of the file, and where the file lies.

    Attributes
    ----------
    task : str
        One of `TASKS`.
    seed : int
        For every seeded choice.
    root : Path
        Folder of `settings.yaml`; absolute.
    section : dict
        What the file says below the task's name, overrides applied.
    """

    task: str
    seed: int
    root: Path
    section: dict[str, Any]

    def path(self, key: str) -> Path | None:
        """Absolute path that `section` names under `key`, or None where it names none."""
        value = self.section.get(key)
        return None if value is None else self.root / Path(str(value)).expanduser()


def load_settings(path: Path | None = None) -> Settings:
    """Read `settings.yaml` and apply the environment's overrides.

    Parameters
    ----------
    path : Path, optional
        The file; by default the one beside the `latent_space` package (the repository's root, or the pushed bundle's).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a mapping, or names a task that does not exist.
    """
    file = (path or Path(__file__).resolve().parent.parent / "settings.yaml").resolve()
    if not file.is_file():
        raise FileNotFoundError(f"No settings file at {file}.")
    content = read_mapping(file)
    task = os.environ.get("ARMSCOPE_TASK") or content.get("task")
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}; got {task!r} (from {file} or ARMSCOPE_TASK).")
    section = dict(content.get(task) or {})
    for key, variable in (("data", "ARMSCOPE_DATA"), ("model", "ARMSCOPE_MODEL")):
        if os.environ.get(variable):
            section[key] = str(Path(os.environ[variable]).expanduser().absolute())
    return Settings(task, int(content.get("seed", 0)), file.parent, section)


def read_mapping(file: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises
    ------
    ValueError
        If it is not UTF-8, not YAML or no mapping; the message is one line that names the file.
    """
    content = read_yaml(file)
    if not isinstance(content, dict):
        raise ValueError(f"{file} must hold a mapping; got {type(content).__name__}.")
    return content


def read_yaml(file: Path) -> Any:
    """Read a YAML file, whatever it holds.

    Raises
    ------
    ValueError
        If it is not UTF-8 or not YAML; the message is one line that names the file.
    """
    import yaml

    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} must be UTF-8 text; got: {error}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{file} must be valid YAML; got: {' '.join(str(error).split())}") from error
