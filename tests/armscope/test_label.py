"""`armscope label`, as typed, on a run that was made up."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latent_space.labelling import recommendation
from latent_space.labelling.replay import replay
from latent_space.population import Population

HOUSE = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def few_seeds(monkeypatch):
    monkeypatch.setattr(recommendation, "replay", lambda *args, **options: replay(*args, n_seeds=2, **options))


@pytest.fixture
def run(tmp_path):
    generator = np.random.default_rng(0)
    latents = generator.normal(size=(120, 3)).astype(np.float32)
    split = np.array(["training", "validation", "unlabeled"])[np.arange(120) % 3]
    loss = np.where(split == "unlabeled", np.nan, 2.0 * (latents[:, 0] > 0.8) + generator.random(120))
    samples = pd.DataFrame(
        {
            "sample_id": [f"sample {k}" for k in range(120)],
            "split": split,
            "loss": loss,
            "meta_scene": np.arange(120) // 6,
            "meta_half": np.arange(120) // 60,
            "meta_colour": np.where(np.arange(120) < 110, "blue", "yellow"),
            "metric_empty": np.nan,
            "umap_x": latents[:, 0],
            "umap_y": latents[:, 1],
        }
    )
    run = {"task": "made up", "metrics": {"empty": "Upward"}, "splits": {}}
    return Population(samples, latents, run=run).save(tmp_path / "run")


def typed(capsys, *arguments):
    """Run the command in this process, as `main` does."""
    from armscope.cli import main

    code, before = 0, sys.argv
    sys.argv = ["armscope", "label", *map(str, arguments)]
    try:
        main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = before
    done = capsys.readouterr()
    return code, done.out, done.err


def test_it_prints_the_first_picks_the_curve_and_where_all_is(run, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = typed(capsys, run, "--budget", 25)
    assert (code, err) == (0, "")
    assert out.startswith("Measure: loss, which takes a label to know.\nLabel next, 25 samples:")
    assert "... and 5 more" in out
    assert "worse than" in out
    assert "error predicted by" in out
    assert "AUC for failures" in out
    assert "failures (worst 15 % by loss)" in out
    for name, file in (("labelling", "labelling.csv"), ("curve", "labelling.png"), ("report", "report.html")):
        assert f"{name}: {run.absolute() / file}" in out
        assert (run / file).is_file()
    assert len(json.loads((run / "curves.json").read_text())["labelling"]) == 1
    with (run / "labelling.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 25


def test_where_the_loss_takes_no_label_it_says_what_labels_are_for(run, capsys):
    population = Population.load(run)
    new = (population.samples["split"] == "unlabeled").to_numpy()
    samples = population.samples.assign(
        loss=np.linspace(1, 2, 120), metric_correct=np.where(new, np.nan, population.latents[:, 0] < 0.8)
    )
    Population(samples, population.latents, run={"metrics": {"correct": "Upward"}}).save(run)
    code, out, err = typed(capsys, run, "--budget", 3)
    assert (code, err) == (0, "")
    assert out.startswith(
        "Measure: correct (0 is a failure), which takes a label to know; the loss of unlabelled samples"
    )
    n_failed = int((samples["metric_correct"] == 0).sum())
    assert re.search(
        rf"\nchance of failure predicted by .* 80 labelled samples, {n_failed} of them failures: AUC 0?[.\d]+, "
        r"Brier skill -?[.\d]+; of the tenth predicted worst \d+ % fail, \d+ % predicted\n",
        out,
    )
    assert "failures (correct = 0)" in out
    code, out, _ = typed(capsys, run, "--budget", 3, "--measure", "loss")
    assert code == 0
    assert out.startswith("Label next, 3 samples:")
    assert "predicted by" not in out
    assert "is measured, not predicted" in out
    assert not (run / "labelling.png").exists()


def test_json_holds_everything(run, capsys):
    code, out, _ = typed(capsys, run, "--budget", 4, "--strategy", "failure", "--classes", "colour", "--json")
    facts = json.loads(out)
    assert code == 0
    assert [pick["rank"] for pick in facts["picks"]] == [1, 2, 3, 4]
    assert facts["accuracy"]["n_known"] == 80
    assert len(facts["sentences"]) == 2
    assert facts["labelling"] == str((run / "labelling.csv").absolute())


def test_a_lasso_groups_and_floors(run, capsys, tmp_path):
    lasso = tmp_path / "lasso.json"
    lasso.write_text(json.dumps({"sample_ids": [f"sample {k}" for k in range(60, 120)]}))
    options = ["--budget", 8, "--from", lasso, "--groups", "scene", "--floor", "colour=2", "--json"]
    code, out, _ = typed(capsys, run, *options)
    rows = [int(pick["sample_id"].split()[1]) for pick in json.loads(out)["picks"]]
    assert code == 0
    assert len(rows) == 8
    assert min(rows) >= 60
    assert sum(row >= 110 for row in rows) >= 2
    assert all(sum(row // 6 == scene for row in rows) == 2 for scene in {row // 6 for row in rows})


def test_a_run_without_maps_is_labelled_without_a_report(run, capsys):
    population = Population.load(run)
    bare = population.samples.drop(columns=["umap_x", "umap_y"])
    Population(bare, population.latents, run=population.run).save(run)
    code, out, err = typed(capsys, run, "--budget", 2, "--json")
    assert code == 0, err
    assert "report" not in json.loads(out)
    assert not (run / "report.html").exists()


def test_an_export_comes_with_it(run, capsys, tmp_path):
    code, out, err = typed(capsys, run, "--budget", 3, "--format", "csv", "--out", tmp_path / "csv")
    assert code == 0, err
    assert f"export: {tmp_path / 'csv'}" in out
    assert any((tmp_path / "csv").iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--budget", 0], "budget must be at least 1; got 0."),
        (["--budget", 5, "--strategy", "best"], "strategy must be one of auto,"),
        (["--budget", 5, "--measure", "empty"], "measure must be one of loss; got 'empty', which has no two different"),
        (["--budget", 5, "--floor", "colour"], "floor must be COLUMN=N with N at least 1; got 'colour'."),
        (["--budget", 5, "--floor", "flavour=2"], "floor must be a column of the run's samples; got 'flavour'."),
        (["--budget", 5, "--groups", "flavour"], "groups must be a column of the run's samples; got 'flavour'."),
        (["--budget", 5, "--from", "nowhere.json"], "file of sample ids must exist; got nowhere.json."),
        (
            ["--budget", 5, "--groups", "half"],
            "budget must be at least 20, the size of the smallest group of 'half'; got 5.",
        ),
        (["--budget", 5, "--classes", "loss"], "classes must be a column of 2 to 16 classes, for 80 labelled samples;"),
        (["--budget", 5, "--out", "x"], "format must be given with out; got x alone."),
        (
            ["--budget", 5, "--format", "csv", "--out", "x.csv"],
            "out must be a folder; got x.csv, which has the name of",
        ),
        (["--budget", 5, "--format", "csv", "--out", HOUSE], "out must be a new or empty folder, or an export that is"),
        (["--budget", 5, "--format", "coco", "--data", "nowhere"], "data must be a folder or file; got nowhere, which"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_writes_nothing(run, capsys, options, message):
    code, out, err = typed(capsys, run, *options)
    assert (code, out) == (2, "")
    assert err.startswith(f"armscope: {message}")
    assert err.count("\n") == 1
    assert not (run / "labelling.csv").exists()


def test_unknown_ids_are_named(run, capsys, tmp_path):
    (tmp_path / "ids.csv").write_text("sample_id\nsample 2\nnobody\n")
    code, _, err = typed(capsys, run, "--budget", 5, "--from", tmp_path / "ids.csv")
    assert code == 2
    assert err == "armscope: sample_ids must be of this run; got 'nobody', which it does not have.\n"


def test_a_folder_that_is_no_run_and_a_run_that_is_all_labelled(run, capsys, tmp_path):
    code, _, err = typed(capsys, tmp_path, "--budget", 5)
    assert code == 2
    assert "run_dir must be a run folder with samples.parquet" in err
    full = Population.load(run)
    full = full.with_column("split", ["validation"] * 120, replace=True)
    full.with_column("loss", np.arange(120.0), replace=True).save(run)
    code, _, err = typed(capsys, run, "--budget", 5)
    assert code == 2
    assert err == "armscope: run must have samples without a label; got 120 samples that all have one.\n"


@pytest.mark.slow
def test_as_a_command_of_its_own(run):
    command = [
        sys.executable,
        "-c",
        "from armscope.cli import main; main()",
        "label",
        str(run),
        "--budget",
        "3",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HOUSE)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(json.loads(done.stdout)["picks"]) == 3
