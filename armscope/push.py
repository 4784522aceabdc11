"""What `leap.yaml` sends to Tensorleap, and the sending of it through the Tensorleap command line, `leap`.

**Conventions**: a bundle is a list of files relative to the integration's folder, "/" between their parts, sorted.
Patterns are those of `leap`: ``**`` any folders, ``*`` and ``?`` within one name; a folder does not stand for what is
in it; no include pattern at all means everything; the entry file always goes along.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from latent_space.settings import read_mapping

CONFIG = "leap.yaml"
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def bundle_files(folder: Path) -> list[str]:
    """Select the files of `folder` that its `leap.yaml` sends, as `leap` would.

    Raises
    ------
    FileNotFoundError
        If there is no `leap.yaml`, or its entry file does not exist.
    ValueError
        If `leap.yaml` is no mapping, names no entry file, or a pattern cannot be read.
    """
    config = _read_config(folder)
    entry = config.get("entryFile")
    if not isinstance(entry, str) or not entry:
        raise ValueError(f"entryFile in {folder / CONFIG} must be the path of the entry file; got {entry!r}.")
    if not (folder / entry).is_file():
        raise FileNotFoundError(f"No entry file {entry} in {folder.resolve()}; {CONFIG} names it.")
    exclude = [_expression(pattern) for pattern in _patterns(config, "exclude", folder)]
    chosen = {entry}
    for pattern in _patterns(config, "include", folder) or ["**"]:
        chosen.update(file for file in _matching(folder, pattern) if not any(e.fullmatch(file) for e in exclude))
    return sorted(chosen)


def stage(folder: Path, out: Path) -> list[str]:
    """Copy the bundle of `folder` to `out`, an empty or new folder, and return its files."""
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"stage must be an empty or a new folder; got {out}.")
    files = bundle_files(folder)
    for file in files:
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / file, out / file)
    return files


def push(folder: Path, arguments: Sequence[str] = ()) -> None:
    """Push the integration in `folder`: `leap push`, or `leap project push` where `leap` is too old to know it.

    Parameters
    ----------
    folder : Path
        Holds `leap.yaml`, in which `leap` notes the project it pushed to.
    arguments : sequence of str
        Given to `leap` as they are.

    Raises
    ------
    FileNotFoundError
        If `leap` is not installed.
    RuntimeError
        If `leap` fails.
    """
    leap = shutil.which("leap")
    if leap is None:
        raise FileNotFoundError(
            "The Tensorleap command line `leap` is not on PATH: install it from "
            "https://github.com/tensorleap/leap-cli, then `leap auth login` (README.md, 'Push to Tensorleap')."
        )
    # An older `leap` answers an unknown command with an error.
    known = subprocess.run([leap, "push", "--help"], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    verb = ["push"] if known.returncode == 0 else ["project", "push"]
    code = subprocess.run([leap, *verb, *arguments], cwd=folder, check=False).returncode
    if code:
        raise RuntimeError(f"`leap {' '.join(verb)}` stopped with exit code {code}; its own message is above.")


def _read_config(folder: Path) -> dict[str, object]:
    file = folder / CONFIG
    if not file.is_file():
        raise FileNotFoundError(f"No {CONFIG} in {folder.resolve()}.")
    return read_mapping(file)


def _patterns(config: dict[str, object], key: str, folder: Path) -> list[str]:
    value = config.get(key) or []
    if not isinstance(value, list) or not all(isinstance(pattern, str) for pattern in value):
        raise ValueError(f"{key} in {folder / CONFIG} must be a list of patterns; got {value!r}.")
    return [pattern.removeprefix("./") for pattern in value]


def _matching(folder: Path, pattern: str) -> list[str]:
    """Files of `folder` that match, walking only the part of it that the pattern's fixed beginning names."""
    expression = _expression(pattern)
    fixed = re.split(r"[*?]", pattern)[0]
    if fixed == pattern:
        return [pattern] if (folder / pattern).is_file() else []
    start = folder / fixed.rpartition("/")[0]
    files = (path.relative_to(folder).as_posix() for path in start.rglob("*") if path.is_file())
    return [file for file in files if expression.fullmatch(file)]


def _expression(pattern: str) -> re.Pattern[str]:
    if re.search(r"[\[\]{}\\]", pattern):
        raise ValueError(f"Patterns in {CONFIG} must use no more than *, ** and ?; got {pattern!r}.")
    tokens = re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", pattern)
    return re.compile("".join(_MEANING.get(token) or re.escape(token) for token in tokens))
