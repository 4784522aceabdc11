"""The pushed bundle by itself: what `leap.yaml` selects, in an empty folder, with `requirements.txt` and nothing else.

The repository cannot help here: the environment is the bundle's own and does not know of this checkout.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from armscope.push import stage

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
OF_TASK = {
    "segmentation": ("armbench_segmentation", {"image", "boxes", "masks"}),
    "anomaly": ("anomaly_detection", {"window", "labels", "anomaly_type"}),
}
CHECK_DATASET = """
import json, sys
from code_loader.leaploader import LeapLoader

result = LeapLoader(sys.argv[1], "leap_binder.py").check_dataset()
failed = {payload.name: payload.display for payload in result.payloads if not payload.is_passed}
files = {name: str(module.__file__) for name, module in sys.modules.items() if getattr(module, "__file__", None)}
print(json.dumps({"valid": result.is_valid, "failed": failed, "error": result.general_error, "files": files,
                  "payloads": sorted(payload.name for payload in result.payloads)}))
"""


@pytest.fixture(scope="module")
def bundle_python() -> Path:
    """Interpreter of an environment holding `requirements.txt` alone, kept between runs while that stays the same."""
    wanted = "".join((ROOT / name).read_text() for name in ("requirements.txt", "constraints.txt"))
    key = hashlib.sha256(f"{ROOT} {sys.version} {wanted}".encode()).hexdigest()[:16]
    folder = ROOT / ".cache" / f"bundle-venv-{key}"
    python, complete = folder / "bin/python", folder / "complete"
    if not complete.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [python, "-m", "pip", "install", "-qq", "-r", "requirements.txt", "-c", "constraints.txt"]
        subprocess.run(install, cwd=ROOT, check=True)
        complete.touch()
    return python


@pytest.fixture(scope="module", params=["segmentation", "anomaly"])
def task(request: pytest.FixtureRequest) -> dict[str, str]:
    """Variables that choose a task, its data and its model; the data and the model are tiny."""
    if request.param == "segmentation":
        data, model = request.getfixturevalue("totes"), request.getfixturevalue("tote_model")
    else:
        data, model = request.getfixturevalue("small_rig")
    return {"ARMSCOPE_TASK": request.param, "ARMSCOPE_DATA": str(data), "ARMSCOPE_MODEL": str(model)}


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "staged"
    stage(ROOT, out)
    return out


def clean_environment(**variables: str) -> dict[str, str]:
    """The caller's environment without what could lead an interpreter back to this checkout."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ARMSCOPE_", "VIRTUAL_"))
    }
    return {**kept, "TL_DISABLE_ANALYTICS": "1", "PYTHONNOUSERSITE": "1", **variables}


def check_dataset(python: Path, staged: Path, cwd: Path, **variables: str) -> dict[str, Any]:
    command = [python, "-c", CHECK_DATASET, staged]
    done = subprocess.run(
        command, cwd=cwd, env=clean_environment(**variables), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_the_environment_holds_the_requirements_alone(bundle_python: Path) -> None:
    code = "from importlib.metadata import distributions as d; print(*(x.metadata['Name'].lower() for x in d()))"
    names = subprocess.run([bundle_python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"code-loader", "numpy", "pandas", "pycocotools"} <= set(names)
    assert not {"armscope", "torch", "pyarrow", "scikit-learn", "scipy", "rich", "typer", "umap-learn"} & set(names)


def test_the_binder_runs_as_a_script(bundle_python: Path, staged: Path, task: dict[str, str]) -> None:
    command, environment = [bundle_python, "leap_binder.py"], clean_environment(**task)
    done = subprocess.run(command, cwd=staged, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Successful!" in done.stdout
    assert "⚠" not in done.stdout, done.stdout
    assert "Warning" not in done.stderr, done.stderr


def test_check_dataset_is_valid_and_everything_of_ours_comes_from_the_bundle(
    bundle_python: Path, staged: Path, task: dict[str, str], tmp_path: Path
) -> None:
    answer = check_dataset(bundle_python, staged, tmp_path, **task)
    assert answer["valid"], (answer["failed"], answer["error"])
    package, encoders = OF_TASK[task["ARMSCOPE_TASK"]]
    assert {"preprocess", *encoders} <= set(answer["payloads"])
    ours = {
        name: Path(file)
        for name, file in answer["files"].items()
        if name.partition(".")[0] in {"latent_space", "armbench_segmentation", "armscope", "anomaly_detection"}
    }
    assert {"latent_space.settings", f"{package}.integration"} <= set(ours)
    assert {name.partition(".")[0] for name in ours} == {"latent_space", package}
    assert {name: file for name, file in ours.items() if not file.resolve().is_relative_to(staged.resolve())} == {}


def test_check_dataset_is_valid_as_on_the_platform_without_a_model_file(
    bundle_python: Path, staged: Path, task: dict[str, str], tmp_path: Path
) -> None:
    variables = task | {"ARMSCOPE_MODEL": str(tmp_path / "none"), "IS_TENSORLEAP_PLATFORM": "true"}
    answer = check_dataset(bundle_python, staged, tmp_path, **variables)
    assert answer["valid"], (answer["failed"], answer["error"])
