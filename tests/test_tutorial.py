"""The tutorial notebook runs, prints what it shows, and takes a user's own data."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

NOTEBOOK = Path(__file__).resolve().parent.parent / "docs" / "robot_arm_tutorial.ipynb"
CELLS = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def execute(folder: Path, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the code of all cells, one after the other, in a process of its own."""
    script = folder / "notebook.py"
    script.write_text("\n\n".join("".join(cell["source"]) for cell in CELLS), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "RUNWAY_DATA_PATH"}
    if data is not None:
        environment["RUNWAY_DATA_PATH"] = str(data)
    return subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        env=environment | {"TMPDIR": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_it_prints_what_it_shows(tmp_path: Path) -> None:
    done = execute(tmp_path)
    assert done.returncode == 0, done.stderr
    shown = "".join("".join(output["text"]) for cell in CELLS for output in cell["outputs"])
    assert done.stdout == shown


@pytest.mark.slow
def test_it_takes_a_folder_of_csv_and_parquet(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rng = np.random.default_rng(0)
    times = pd.date_range("2026-01-01", periods=700, freq="5s")
    axes = pd.DataFrame(rng.normal(size=(700, 4)), columns=[f"axis_{n}" for n in (1, 2, 3, 4)])
    frame = axes.assign(id=range(700), datetime=times, machine="arm")
    frame[:400].to_csv(data / "a.csv", index=False)
    frame[400:].to_parquet(data / "b.parquet", index=False)
    done = execute(tmp_path, data)
    assert done.returncode == 0, done.stderr
    assert "700 rows of axis_1, axis_2, axis_3, axis_4, one every 5 s" in done.stdout
    assert "equal to scikit-learn to 1e-6" in done.stdout


@pytest.mark.slow
def test_another_file_among_the_data_is_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "readme.docx").write_bytes(b"PK")
    done = execute(tmp_path, data)
    assert done.returncode == 1
    assert "ValueError: Not valid file type" in done.stderr
    assert "readme.docx" in done.stderr
