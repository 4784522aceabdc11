"""The whole job, small: totes, training, exploration, report."""

import os
import subprocess
import sys

import pytest

from latent_space.population import Population

CODE = "from armscope.cli import main; main()"
SMALL = ["--train", "8", "--val", "4", "--unlabeled", "3", "--epochs", "1", "--image-size", "64", "--jobs", "1"]


@pytest.mark.slow
def test_the_demo_goes_from_nothing_to_a_report(tmp_path):
    command = [sys.executable, "-c", CODE, "demo", "--out", "here", *SMALL]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    run = tmp_path / "here" / "run"
    assert str(run / "report.html") in done.stdout
    assert "mask mAP50 on the validation images" in done.stdout
    assert "planted failure" in done.stdout
    assert (run / "report.html").stat().st_size > 100_000
    population = Population.load(run)
    assert population.samples["split"].value_counts().to_dict() == {"training": 8, "validation": 4, "unlabeled": 3}
    assert population.samples.loc[population.samples["split"] == "unlabeled", "loss"].isna().all()
    assert population.samples.loc[population.samples["split"] != "unlabeled", "loss"].notna().all()
    assert population.samples[["umap_x", "tsne_y"]].notna().all(axis=None)
    assert population.latents.shape == (15, 128)
