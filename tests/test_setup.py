"""The set-up's promises: exact pins, a Makefile that knows when it is done, and a README that names what exists."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from armscope.cli import app
from armscope.push import bundle_files

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def requirements(file: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    return [Requirement(line) for line in lines if line]


PINS = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in requirements("constraints.txt")}
DIRECT = [Requirement(text) for text in (*PROJECT["dependencies"], *(r for extra in EXTRAS.values() for r in extra))]
PLATFORM = requirements("requirements.txt")


class TestPins:
    def test_every_pin_is_exact_and_given_once(self) -> None:
        pins = requirements("constraints.txt")
        assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in pins)
        assert len(pins) == len(PINS)

    @pytest.mark.parametrize("requirement", DIRECT, ids=str)
    def test_every_dependency_is_pinned_inside_its_range(self, requirement: Requirement) -> None:
        assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])

    def test_no_gpu_library_and_one_opencv(self) -> None:
        assert not [name for name in PINS if re.search("nvidia|cuda|triton|cudnn", name)]
        assert [name for name in PINS if name.startswith("opencv")] == ["opencv-python-headless"]
        assert PINS["opencv-python-headless"].startswith("4.")

    def test_what_is_installed_is_what_is_pinned(self) -> None:
        installed = {canonicalize_name(d.metadata["Name"]): d.version.partition("+")[0] for d in distributions()}
        assert not [name for name in installed if name.startswith("opencv") and name != "opencv-python-headless"]
        differing = {name: (v, PINS[name]) for name, v in installed.items() if v != PINS.get(name, v)}
        assert differing == {}, "run `make setup`"


class TestPlatform:
    def test_requirements_are_compatible_releases_that_the_pins_satisfy(self) -> None:
        for requirement in PLATFORM:
            assert re.fullmatch(r"~=[\d.]+", str(requirement.specifier)), requirement
            assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)]), requirement

    def test_no_training_stack(self) -> None:
        names = {canonicalize_name(requirement.name) for requirement in PLATFORM}
        assert names <= {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
        assert not names & {"torch", "onnxscript", "scikit-learn", "umap-learn", "faiss-cpu", "matplotlib"}

    def test_leap_yaml_has_the_keys_that_leap_knows(self) -> None:
        config = yaml.safe_load((ROOT / "leap.yaml").read_text())
        keys = {"projectId", "secretId", "branch", "entryFile", "include", "exclude", "pythonVersion"}
        assert set(config) == keys
        assert config["entryFile"] == "leap_binder.py"
        assert config["pythonVersion"] == "py311"
        assert config["projectId"] == config["secretId"] == ""

    def test_data_models_and_tests_stay_at_home(self, tmp_path: Path) -> None:
        shutil.copy(ROOT / "leap.yaml", tmp_path / "leap.yaml")
        home = ("armbench_segmentation/dataset/a.py", "armbench_segmentation/model/model.onnx", "tests/test_setup.py")
        for file in (*home, "leap_binder.py"):
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).touch()
        assert bundle_files(tmp_path) == ["leap_binder.py"]
        ignored = ["git", "check-ignore", "-q", "armbench_segmentation/dataset/train.json"]
        assert subprocess.run(ignored, cwd=ROOT, check=False).returncode == 0


class TestMakefile:
    """The Makefile in a folder of its own, with what it would install replaced by nothing."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for file in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / file, tmp_path / file)
        return tmp_path

    def make(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        # The tests may themselves run under make, whose flags would reach this one.
        clean = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
        return subprocess.run(["make", *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=False)

    def complete(self, folder: Path) -> None:
        for stamp in re.findall(r"touch (\S+)", self.make(folder, "-n", "setup").stdout):
            (folder / stamp).parent.mkdir(exist_ok=True)
            (folder / stamp).touch()

    def test_help_names_every_target(self, folder: Path) -> None:
        shown = re.findall(r"make (\w+)", self.make(folder).stdout)
        assert shown == ["help", "setup", "fmt", "check", "bench", "demo", "test", "clean"]

    @pytest.mark.parametrize("target", ["demo", "test", "check", "bench", "fmt"])
    def test_a_target_sets_up_only_what_is_missing(self, folder: Path, target: str) -> None:
        assert "-m venv" in self.make(folder, "-n", target).stdout
        self.complete(folder)
        assert "-m venv" not in self.make(folder, "-n", target).stdout

    @pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
    def test_a_changed_pin_sets_up_again_and_a_touched_file_does_not(self, folder: Path, file: str) -> None:
        self.complete(folder)
        (folder / file).touch()
        assert self.make(folder, "-q", "setup").returncode == 0
        (folder / file).write_text((folder / file).read_text() + "\n# changed\n")
        assert self.make(folder, "-q", "setup").returncode == 1

    def test_a_moved_folder_sets_up_again(self, folder: Path) -> None:
        self.complete(folder)
        moved = folder.rename(folder.with_name("moved"))
        assert self.make(moved, "-q", "setup").returncode == 1

    def test_an_interrupted_set_up_is_not_taken_for_a_complete_one(self, folder: Path) -> None:
        self.complete(folder)
        stamp = next((folder / ".venv").glob(".complete-*"))
        (folder / "constraints.txt").write_text("pip==0.0.0\ntorch==0.0.0\n")
        broken = self.make(folder, "setup", "PYTHON=/nowhere/python")
        assert broken.returncode != 0
        assert not stamp.exists()
        assert not list((folder / ".venv").glob(".complete-*"))

    def test_an_interpreter_that_exists_and_fails_is_refused_with_advice(self, folder: Path) -> None:
        shim = folder / "python3.12"
        shim.write_text("#!/bin/sh\nexit 127\n")
        shim.chmod(0o755)
        done = self.make(folder, "setup", f"PYTHON={shim}")
        assert done.returncode != 0
        assert f"needs Python 3.11 or 3.12 with its venv module; found none in PYTHON={shim}" in done.stderr
        assert not (folder / ".venv").exists()

    @pytest.mark.parametrize(
        ("poetry", "passes"),
        [
            ('echo "3 passed, 1 skipped in 0.12s"', True),
            ('echo "1 failed, 3 passed in 0.12s"; exit 1', False),
            ('echo "no tests ran in 0.01s"', False),
            ('shift; "$@"', False),  # the shell's own `test`
            ("exit 0", False),
        ],
    )
    def test_only_pytests_closing_line_counts_as_tested(self, folder: Path, poetry: str, passes: bool) -> None:
        script = folder / ".poetry/bin/poetry"
        script.parent.mkdir(parents=True)
        script.write_text(f"#!/bin/sh\n{poetry}\n")
        script.chmod(0o755)
        assert (self.make(folder, "test", "SETUP=", "ARGS=anything").returncode == 0) is passes

    def test_a_failing_benchmark_fails_bench_after_the_others_ran(self, folder: Path) -> None:
        for name, body in (("bench_a", "exit 1"), ("bench_b", "echo ran b")):
            (folder / "benchmarks").mkdir(exist_ok=True)
            (folder / f"benchmarks/{name}.py").write_text(body)
        (folder / ".venv/bin").mkdir(parents=True)
        (folder / ".venv/bin/python").symlink_to("/bin/sh")
        done = self.make(folder, "bench", "SETUP=")
        assert "ran b" in done.stdout
        assert done.returncode != 0
        assert "Failed: benchmarks/bench_a.py" in done.stderr


class TestReadme:
    TEXT = "\n".join(
        file.read_text()
        for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
    )

    def commands(self) -> set[tuple[str, ...]]:
        def leaves(command: Any, path: tuple[str, ...]) -> set[tuple[str, ...]]:
            children = getattr(command, "commands", {})
            return {path}.union(*(leaves(child, (*path, name)) for name, child in children.items()))

        return leaves(typer.main.get_command(app), ())

    def test_it_names_only_commands_that_exist(self) -> None:
        named = re.findall(r"^\s*armscope ((?:[a-z]+ ?)+)|`armscope ((?:[a-z]+ ?)+)", self.TEXT, flags=re.MULTILINE)
        words = {tuple((a or b).split()) for a, b in named}
        known = self.commands()
        groups = {path for path in known if any(other[: len(path)] == path and other != path for other in known)}
        assert words
        wrong = {w for w in words if not any(w[:n] in known - groups for n in range(len(w), 0, -1)) and w not in groups}
        assert wrong == set()

    def test_it_names_only_make_targets_that_exist(self) -> None:
        targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
        named = set(re.findall(r"(?:^|`)make ([a-z]+)", self.TEXT, flags=re.MULTILINE))
        assert {"demo", "test"} <= named <= targets

    def test_every_link_to_a_file_leads_somewhere(self) -> None:
        pages = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
        links = {(page, link) for page in pages for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())}
        assert links
        assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("modes", [["samples"], ["episodes", "samples"]])
def test_a_benchmark_refuses_what_it_would_not_measure(modes: list[str]) -> None:
    command = [sys.executable, "benchmarks/bench_rig.py", "--detectors", "pca", "--mode", *modes]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--mode samples is for tcn alone: add it to --detectors, or give --full" in done.stderr
