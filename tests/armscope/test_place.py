"""`armscope place`, as typed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from armscope.explore import explore_again, explore_ours
from armscope.place import place
from latent_space.population import Population

HOUSE = Path(__file__).resolve().parents[2]
MAPS = ["umap_x", "umap_y", "tsne_x", "tsne_y"]


def armscope(*arguments):
    command = [sys.executable, "-c", "from armscope.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(HOUSE)})


@pytest.fixture(scope="module")
def run(totes, tote_model, tmp_path_factory):
    out = tmp_path_factory.mktemp("place") / "run"
    explore_ours("segmentation", out=out, data=totes, model=tote_model, jobs=1, visualizers=False)
    return out


@pytest.mark.slow
def test_data_of_the_run_come_to_lie_where_they_were(run, totes):
    before = {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}
    done = armscope("place", run, "--data", totes, "--jobs", 1, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["n_samples"], facts["n_placed"], facts["strange"]) == (15, 15, [])
    assert facts["out"] == str(run / "placed" / totes.name)
    old, new = (pd.read_parquet(folder / "samples.parquet") for folder in (run, Path(facts["out"])))
    np.testing.assert_allclose(new[MAPS], old[MAPS], atol=1e-3)
    assert new["nearest_sample_id"].tolist() == old["sample_id"].tolist()
    assert facts["report"] == str(run / f"report-{totes.name}.html"), "old and new on one page"
    assert Path(facts["report"]).is_file()
    after = {name: (run / name).read_bytes() for name in before}
    assert after == before, "the run itself stays as it is"
    again = armscope("place", run, "--data", totes, "--jobs", 1, "--limit", 2)
    assert again.returncode == 0, again.stderr
    assert "placed 6 of 6 new samples" in again.stdout


def test_what_is_not_there_is_told_in_one_line(run, totes, tmp_path):
    for arguments, expected in {
        (run, "--data", tmp_path / "none"): "none, which does not exist",
        (tmp_path, "--data", tmp_path): "must be a run folder with samples.parquet",
        (run, "--data", totes, "--out", run / "x" / ".."): "out must be another folder than the run",
    }.items():
        done = armscope("place", *arguments)
        assert done.returncode == 2
        assert expected in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_run_without_maps_is_told_before_the_model_runs(run, tmp_path):
    known = Population.load(run)
    bare = tmp_path / "bare"
    Population(known.samples.drop(columns=MAPS), known.latents, run=known.run).save(bare)
    with pytest.raises(ValueError, match="must have a map to place samples on"):
        place(bare, tmp_path)
    assert not (bare / "placed").exists()


@pytest.mark.parametrize("is_there", [False, True])
def test_data_that_cannot_be_placed_leave_no_run(run, monkeypatch, tmp_path, is_there):
    """A run that was there before stays."""
    known, out = Population.load(run), tmp_path / "new"
    other = Population(known.samples, known.latents[:, 1:], run=known.run)
    if is_there:
        other.save(out)
    monkeypatch.setattr("armscope.place.explore_again", lambda facts, *, data, out, **options: saved(other, out))
    with pytest.raises(ValueError, match="new samples must have latents like the run's"):
        place(run, tmp_path, out=out)
    assert out.exists() == is_there


def saved(population, out):
    population.save(out)
    return population


def test_a_run_that_does_not_say_how_it_was_made(run, totes, tmp_path):
    for name in ("samples.parquet", "latents.npy", "graph.npz"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    done = armscope("place", tmp_path, "--data", totes)
    assert done.returncode == 2
    assert "its run.json names no integration" in done.stderr


def test_new_data_go_through_the_model_and_the_layer_of_the_run(run, monkeypatch, tmp_path):
    facts = json.loads((run / "run.json").read_text())
    asked = {}
    monkeypatch.setattr("armscope.explore.explore_ours", lambda task, **options: asked.update(options))
    explore_again(facts | {"latent": facts["latent"] | {"name": "earlier"}}, data=tmp_path, out=tmp_path / "new")
    assert (asked["latent"], asked["model"]) == ("earlier", facts["model"])
    with pytest.raises(ValueError, match=r"must be the run's; .* has changed since"):
        explore_again(facts | {"model_sha256": "0" * 64}, data=tmp_path, out=tmp_path / "new")
