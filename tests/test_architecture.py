"""Who may import whom, read from the files themselves; lazy packages; names and sizes that the house agrees on."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from armscope.push import bundle_files

ROOT = Path(__file__).resolve().parent.parent
TASKS = ("armbench_segmentation", "anomaly_detection")
PACKAGES = tuple(name for name in ("armscope", "latent_space", *TASKS) if (ROOT / name).is_dir())
OURS = (*PACKAGES, "leap_binder")
HEAVY = ("torch", "faiss", "umap", "pandas", "ray", "mlflow", "cv2", "matplotlib")
# What requirements.txt installs, by import name.
ON_PLATFORM = {"code_loader", "cv2", "numpy", "onnxruntime", "pandas", "PIL", "pycocotools", "yaml"}
DATA_FILES = {"leap_binder.py", "settings.yaml", "requirements.txt"}


def tracked_files() -> list[Path]:
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def modules(package: str) -> dict[str, Path]:
    """Dotted name -> file, for a package of ours or for the binder."""
    if package == "leap_binder":
        return {package: ROOT / "leap_binder.py"}
    files = (ROOT / package).rglob("*.py")
    names = ((file.relative_to(ROOT).with_suffix("").parts, file) for file in files)
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): file for parts, file in names}


ALL_MODULES = {name: file for package in OURS for name, file in modules(package).items()}


def walk(node: ast.AST, *, inside_functions: bool) -> Iterator[ast.AST]:
    """Every node below `node` but what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if not inside_functions and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield child
        yield from walk(child, inside_functions=inside_functions)


def imports(name: str, *, inside_functions: bool = True) -> set[str]:
    """Dotted names of what module `name` imports: modules of ours in full, others by their top-level package."""
    found: set[str] = set()
    for node in walk(ast.parse(ALL_MODULES[name].read_text(encoding="utf-8")), inside_functions=inside_functions):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} line {node.lineno}: imports are absolute in this house"
            found.add(str(node.module))
            found.update(full for alias in node.names if (full := f"{node.module}.{alias.name}") in ALL_MODULES)
    return {dotted if dotted in ALL_MODULES else dotted.partition(".")[0] for dotted in found}


def lazy_names(package: str) -> dict[str, str]:
    """Public name -> module, for the names that a package's `__getattr__` resolves."""
    return {name: f"{package}.{home}" for name, home in getattr(importlib.import_module(package), "_HOME", {}).items()}


def closure(start: str) -> set[str]:
    """Every module of ours that `start` can import, the packages they lie in included."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        parts = name.split(".")
        waiting.extend(".".join(parts[:n]) for n in range(1, len(parts)))
        waiting.extend(dotted for dotted in imports(name) if dotted in ALL_MODULES)
    return reached


def top(dotted: str) -> str:
    return dotted.partition(".")[0]


@pytest.mark.parametrize("name", sorted(ALL_MODULES))
def test_a_module_imports_only_what_its_place_in_the_house_allows(name: str) -> None:
    siblings = {dotted for dotted in imports(name) if top(dotted) in OURS and top(dotted) != top(name)}
    if top(name) == "leap_binder":
        doors = {"latent_space", "latent_space.settings"}
        doors |= {door for task in TASKS for door in (task, f"{task}.integration")}
        assert siblings <= doors
    elif top(name) in TASKS:
        assert {top(dotted) for dotted in siblings} <= {"latent_space"}
        running = ("latent_space.engine", "latent_space.explorer")
        assert not [name for name in siblings if name.startswith(running)], "a task takes data types and generic tools"
    elif top(name) == "latent_space":
        assert not siblings


@pytest.mark.parametrize("name", sorted(ALL_MODULES))
def test_only_the_command_line_imports_a_command_line(name: str) -> None:
    clis = {dotted for dotted in imports(name) if dotted in ALL_MODULES and dotted.endswith(".cli")}
    assert not clis or name == "armscope.cli"


def test_leap_yaml_selects_exactly_what_the_binder_imports() -> None:
    reached = {ALL_MODULES[name].relative_to(ROOT).as_posix() for name in closure("leap_binder")}
    assert set(bundle_files(ROOT)) == reached | DATA_FILES


def test_bundled_modules_load_only_what_requirements_txt_installs() -> None:
    for name in sorted(closure("leap_binder")):
        others = {dotted for dotted in imports(name, inside_functions=False) if dotted not in ALL_MODULES}
        assert others - set(sys.stdlib_module_names) <= ON_PLATFORM, name


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "armscope"])
def test_importing_a_package_imports_no_heavy_library(package: str) -> None:
    code = f"import sys, {package}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "armscope"])
def test_public_names_resolve_and_are_documented(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__doc__
    assert module.__all__ == sorted(module.__all__, key=str)
    assert set(module.__all__) == set(lazy_names(package))
    for name in module.__all__:
        assert getattr(module, name).__doc__, f"{package}.{name} has no docstring"
    with pytest.raises(AttributeError, match="has no attribute 'surely_not'"):
        _ = module.surely_not


@pytest.mark.parametrize("name", sorted(ALL_MODULES))
def test_every_module_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(ast.parse(ALL_MODULES[name].read_text(encoding="utf-8")))


def test_no_file_of_code_is_longer_than_400_lines() -> None:
    code = [file for file in tracked_files() if file.suffix in {".py", ".js", ".css", ".html"}]
    lengths = {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in code}
    assert {name: n for name, n in lengths.items() if n > 400} == {}


def test_every_room_has_a_purpose_in_its_name() -> None:
    words = {"utils", "util", "helpers", "helper", "common", "misc"}
    parts = {part for file in tracked_files() for part in file.relative_to(ROOT).with_suffix("").parts}
    assert not {part for part in parts if words & set(part.lower().split("_"))}


def test_no_file_names_a_place_on_someones_machine() -> None:
    place = re.compile(r"(?<![\w.}])/(?:" + "|".join(("work", "root", "home", "Users")) + r")/\w")
    named = {}
    for file in tracked_files():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures
        if found := place.search(text):
            named[str(file.relative_to(ROOT))] = found.group()
    assert named == {}


def test_the_import_reader_sees_imports_in_functions_and_skips_type_checking() -> None:
    source = "import os\nif TYPE_CHECKING:\n    import torch\ndef f():\n    import cv2\n"
    tree = ast.parse(source)
    everywhere = {n.names[0].name for n in walk(tree, inside_functions=True) if isinstance(n, ast.Import)}
    outside = {n.names[0].name for n in walk(tree, inside_functions=False) if isinstance(n, ast.Import)}
    assert everywhere == {"os", "cv2"}
    assert outside == {"os"}
