"""What a `leap.yaml` selects, by hand; and `leap` run for real, as a script that notes how it was called."""

import os
from pathlib import Path

import pytest

from armscope.push import bundle_files, push, stage

FILES = ("entry.py", "a.txt", "pkg/__init__.py", "pkg/one.py", "pkg/deep/two.py", "pkg/data/x.npy", "tests/test_a.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "integration"
    for file in FILES:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(file)
    return root


def configure(root: Path, text: str) -> None:
    (root / "leap.yaml").write_text(text)


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["pkg/one.py"], [], {"pkg/one.py"}),
        (["./a.txt"], [], {"a.txt"}),
        (["pkg/*.py"], [], {"pkg/__init__.py", "pkg/one.py"}),
        (["pkg/**/*.py"], [], {"pkg/__init__.py", "pkg/one.py", "pkg/deep/two.py"}),
        (["pkg/**"], ["pkg/data/**"], {"pkg/__init__.py", "pkg/one.py", "pkg/deep/two.py"}),
        (["pkg/on?.py"], [], {"pkg/one.py"}),
        (["pkg"], [], set()),
        (["p*g/**/two.py"], [], {"pkg/deep/two.py"}),
        (["*.txt"], ["a.*"], set()),
        (["no/such/file.py"], [], set()),
        ([], ["**/test_*.py", "leap.yaml"], set(FILES) - {"tests/test_a.py"}),
    ],
)
def test_patterns_select_as_leap_does(folder: Path, include: list[str], exclude: list[str], expected: set[str]) -> None:
    configure(folder, f"entryFile: entry.py\ninclude: {include}\nexclude: {exclude}\n")
    assert bundle_files(folder) == sorted(expected | {"entry.py"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("include: [a.txt]", "entryFile in .* must be the path of the entry file; got None"),
        ("- a", "must hold a mapping; got list"),
        ("entryFile: [", "must be valid YAML"),
        ("entryFile: entry.py\ninclude: a.txt", "include in .* must be a list of patterns; got 'a.txt'"),
        ("entryFile: entry.py\ninclude: ['*.{py,txt}']", r"no more than \*, \*\* and \?"),
    ],
)
def test_a_bad_leap_yaml_is_named(folder: Path, text: str, message: str) -> None:
    configure(folder, text)
    with pytest.raises(ValueError, match=message):
        bundle_files(folder)


def test_missing_files_are_named(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No leap.yaml in "):
        bundle_files(folder)
    configure(folder, "entryFile: binder.py")
    with pytest.raises(FileNotFoundError, match=r"No entry file binder.py in "):
        bundle_files(folder)


def test_stage_copies_the_bundle_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    configure(folder, "entryFile: entry.py\ninclude: ['pkg/**']\nexclude: ['pkg/data/**']\n")
    files = stage(folder, tmp_path / "staged")
    found = {path.relative_to(tmp_path / "staged").as_posix() for path in (tmp_path / "staged").rglob("*.*")}
    assert found == set(files)
    assert (tmp_path / "staged/pkg/deep/two.py").read_text() == "pkg/deep/two.py"
    with pytest.raises(ValueError, match="stage must be an empty or a new folder"):
        stage(folder, tmp_path / "staged")


def install_leap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    """A `leap` on PATH that notes its arguments and its working directory."""
    log = tmp_path / "calls.txt"
    script = tmp_path / "bin/leap"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$(basename "$PWD") $*" >> {log}\n{body}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    return log


def test_push_runs_leap_push_in_the_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = install_leap(tmp_path, monkeypatch, "exit 0")
    push(folder, ["-n", "my-model"])
    assert log.read_text().splitlines()[-1] == "integration push -n my-model"


def test_push_falls_back_for_an_older_leap(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = install_leap(tmp_path, monkeypatch, 'test "$1" = project')
    push(folder)
    assert log.read_text().splitlines()[-1] == "integration project push"


def test_a_failing_leap_is_told_in_one_line(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_leap(tmp_path, monkeypatch, 'test "$2" = --help || exit 3')
    with pytest.raises(RuntimeError, match="`leap push` stopped with exit code 3"):
        push(folder)


def test_push_says_how_to_get_leap(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="`leap` is not on PATH: install it from https"):
        push(folder)
