"""The command line from outside: help everywhere, and which exit code means what."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from armscope import cli

ROOT = Path(__file__).resolve().parents[2]


def leaves(command: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every command below `command`, groups too, by the words that call it."""
    found = {path: command}
    for name, child in getattr(command, "commands", {}).items():
        found |= leaves(child, (*path, name))
    return found


COMMANDS = leaves(typer.main.get_command(cli.app))


def armscope(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from armscope.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_script_is_installed_and_helps() -> None:
    script = Path(sys.executable).parent / "armscope"
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "segmentation" in done.stdout


@pytest.mark.parametrize("path", sorted(COMMANDS), ids=" ".join)
def test_every_command_and_every_parameter_has_help(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help
    undocumented = [parameter.name for parameter in command.params if not getattr(parameter, "help", None)]
    assert undocumented == []


@pytest.mark.parametrize("path", sorted(COMMANDS), ids=" ".join)
def test_help_prints_and_exits_0(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["armscope", *path, "--help"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 0
    assert "Usage: armscope" in capsys.readouterr().out


def test_the_commands_named_in_the_design_exist() -> None:
    assert {("demo",), ("explore",), ("push",)} <= set(COMMANDS)
    assert {("segmentation", verb) for verb in ("synth", "train", "evaluate")} <= set(COMMANDS)


@pytest.mark.parametrize("arguments", [("no-such-command",), ("push", "--no-such-option")])
def test_a_wrong_call_exits_2(arguments: tuple[str, ...]) -> None:
    done = armscope(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_what_the_user_can_mend_is_one_line_and_exits_2(tmp_path: Path) -> None:
    done = armscope("push", "--folder", str(tmp_path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"armscope: No leap\.yaml in .*\.\n", done.stderr)


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "app", lambda **_: json.loads("not json"))
    with pytest.raises(json.JSONDecodeError):
        cli.main()


def test_push_dry_run_lists_the_bundle_with_its_sizes(tmp_path: Path) -> None:
    (tmp_path / "leap.yaml").write_text("entryFile: entry.py\ninclude: [big.txt]\n")
    (tmp_path / "entry.py").write_text("x" * 100)
    (tmp_path / "big.txt").write_text("x" * 2000)
    done = armscope("push", "--folder", str(tmp_path), "--dry-run", "--stage", str(tmp_path / "staged"))
    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines()][:2] == [
        ["2.0", "kB", "big.txt"],
        ["0.1", "kB", "entry.py"],
    ]
    assert "2.1 kB  in 2 files" in done.stdout
    assert (tmp_path / "staged/big.txt").stat().st_size == 2000
