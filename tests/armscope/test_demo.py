"""The whole job of both tasks, small: data, training, exploration, report."""

import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from armscope.demo_anomaly import _by_type, _weakest
from latent_space.population import Population

CODE = "from armscope.cli import main; main()"
SMALL = ["--train", "8", "--val", "4", "--unlabeled", "3", "--epochs", "1", "--image-size", "64", "--jobs", "1"]


@pytest.mark.slow
def test_the_demo_goes_from_nothing_to_a_report(tmp_path):
    command = [sys.executable, "-c", CODE, "demo", "--only", "segmentation", "--out", "here", *SMALL]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    run = tmp_path / "here" / "run"
    assert str(run / "report.html") in done.stdout
    assert "mask mAP50 on the validation images" in done.stdout
    assert "planted failure" in done.stdout
    assert "Where it fails" in done.stdout
    assert "Label next, 3 samples:" in done.stdout
    assert (run / "report.html").stat().st_size > 100_000
    population = Population.load(run)
    assert population.samples["split"].value_counts().to_dict() == {"training": 8, "validation": 4, "unlabeled": 3}
    assert population.samples.loc[population.samples["split"] == "unlabeled", "loss"].isna().all()
    assert population.samples.loc[population.samples["split"] != "unlabeled", "loss"].notna().all()
    assert population.samples[["umap_x", "tsne_y"]].notna().all(axis=None)
    assert population.latents.shape == (15, 64)


@pytest.mark.slow
def test_the_demo_of_the_rig_ends_with_what_it_found(tmp_path):
    command = [sys.executable, "-c", CODE, "demo", "--only", "anomaly", "--out", "here", "--rig-steps", "2000"]
    # What the settings or the caller say of the task does not count.
    environment = os.environ | {"ARMSCOPE_TASK": "segmentation"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    run = tmp_path / "here" / "anomaly" / "run"
    found = next(line for line in done.stdout.splitlines() if line.startswith("F1 "))
    assert re.match(
        r"F1 \d\.\d\d on the test rows, recall .* \d\.\d\d; most missed among the windows is [A-Z_]+, ", found
    )
    told = done.stdout[done.stdout.index(found) :]
    assert re.search(r"^Where it fails", told, re.MULTILINE)
    assert "Label next, 20 samples:\n   1  machine" in told
    assert re.search(r"can be dropped", told)
    assert f"report: {run / 'report.html'}" in told
    assert (run / "report.html").stat().st_size > 100_000
    population = Population.load(run)
    assert set(population.samples["split"]) == {"training", "validation", "test", "unlabeled"}
    decisions = [pd.read_csv(run / name) for name in ("labelling.csv", "pruning.csv")]
    of_split = population.samples.set_index("sample_id")["split"]
    assert [set(of_split.loc[table["sample_id"]]) for table in decisions] == [{"unlabeled"}, {"training"}]
    assert population.latents.shape[1] == 4
    assert population.samples[["loss", "umap_x", "tsne_y"]].notna().all(axis=None)


@pytest.mark.parametrize(
    ("recalls", "line"),
    [
        ({"a": {"recall": 0.5}, "b": {"recall": 1.0}}, "F1 0.25 on the test rows, recall a 0.50, b 1.00"),
        ({}, "F1 0.25 on the test rows, recall unknown"),
    ],
)
def test_the_line_on_types(recalls, line):
    assert _by_type({"f1": 0.25, "per_type": recalls}) == line


def test_the_type_that_is_missed_most_is_named():
    columns = {"metric_detected_A": [1.0, np.nan], "metric_detected_B": [0.0, 1.0], "metric_detected_C": [np.nan] * 2}
    population = Population(pd.DataFrame({"sample_id": ["1", "2"], **columns}), np.zeros((2, 3)))
    assert _weakest(population) == "most missed among the windows is B, 50% found"
    bare = Population(pd.DataFrame({"sample_id": ["1"]}), np.zeros((1, 3)))
    assert _weakest(bare) == "no anomaly among the windows"
