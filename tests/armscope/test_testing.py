"""The `test` script: finds the repository, passes its arguments on, and returns pytest's own exit code."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from armscope.testing import environment, find_root

ROOT = Path(__file__).resolve().parents[2]
PASSING = "tests/armscope/test_testing.py::test_the_root_is_the_checkout"


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "armscope.testing", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_root_is_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_root() == ROOT


def test_works_from_a_sub_directory_and_ends_with_pytests_closing_line() -> None:
    done = run(PASSING, cwd=ROOT / "tests/armscope")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("1 passed in ")


@pytest.mark.parametrize(("arguments", "code"), [(("-k", "surely_none", PASSING), 5), (("tests/nowhere.py",), 4)])
def test_the_exit_code_is_pytests(arguments: tuple[str, ...], code: int) -> None:
    assert run(*arguments, cwd=ROOT).returncode == code


def test_a_checkout_is_found_from_the_working_directory_of_a_copy(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "leap.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "tests/deep").mkdir(parents=True)
    copied = tmp_path / "elsewhere/armscope/testing.py"
    copied.parent.mkdir(parents=True)
    shutil.copy(ROOT / "armscope/testing.py", copied)
    code = "from testing import find_root; print(find_root())"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(copied.parent)!r}); {code}"],
        cwd=tmp_path / "tests/deep",
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == tmp_path.resolve()


def test_outside_a_checkout_it_says_so(tmp_path: Path) -> None:
    shutil.copy(ROOT / "armscope/testing.py", tmp_path / "testing.py")
    done = subprocess.run([sys.executable, "testing.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "must be run inside a checkout of armscope" in done.stderr


def test_the_environment_has_one_thread_and_no_telemetry() -> None:
    base = {"OMP_NUM_THREADS": "8", "HOME": "somewhere"}
    changed = environment(base)
    assert changed["HOME"] == "somewhere"
    assert changed["TL_DISABLE_ANALYTICS"] == "1"
    assert {changed[name] for name in changed if name.endswith("_NUM_THREADS")} == {"1"}
    assert base == {"OMP_NUM_THREADS": "8", "HOME": "somewhere"}
