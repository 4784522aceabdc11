"""`armscope prune`, as typed."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from armscope.cli import app
from latent_space.population import Population


@pytest.fixture
def run(tmp_path):
    """A run of 90 samples with a map: two kinds, the second one hard, 80 of them for training."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 90)
    latents = (rng.normal(size=(2, 4))[kind] * 5 + rng.normal(size=(90, 4))).astype(np.float32)
    samples = pd.DataFrame({
        "sample_id": [f"tote {i}.jpg" for i in range(90)],
        "split": np.repeat(["training", "unlabeled"], [80, 10]),
        "loss": np.where(np.arange(90) < 80, kind + rng.uniform(size=90), np.nan),
        "meta_kind": np.array(["box", "bag"])[kind],
        "umap_x": latents[:, 0],
        "umap_y": latents[:, 1],
    })  # fmt: skip
    return Population(samples, latents, run={"task": "demo", "splits": {}}).save(tmp_path / "run")


def prune(*arguments):
    return CliRunner().invoke(app, ["prune", *map(str, arguments)])


def test_share_writes_decisions_curve_picture_and_page(run):
    done = prune(run, "--keep", "0.5", "--seeds", "3")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(run / "pruning.csv")
    assert table["decision"].value_counts().to_dict() == {"keep": 40, "drop": 40}
    (curve,) = json.loads((run / "curves.json").read_text())["pruning"]
    assert done.stdout.splitlines()[0] == curve["sentence"]
    assert "keep 40 and drop 40 of 80 labelled training samples" in done.stdout
    assert {"pruning.png", "report.html"} <= {path.name for path in run.iterdir()}
    for name, file in {"decisions": "pruning.csv", "curve": "pruning.png", "report": "report.html"}.items():
        assert f"{name}: {run.absolute() / file}" in done.stdout.splitlines()


def test_auto_as_json(run):
    done = prune(run, "--auto", "--classes", "kind", "--seeds", "3", "--json")
    facts = json.loads(done.stdout)
    assert facts["kept"] + facts["dropped"] == 80
    assert facts["fraction"] == pytest.approx(facts["kept"] / 80, abs=0.01)
    assert f"keeping {facts['fraction']:.0%}" in facts["sentence"]
    assert facts["decisions"] == str((run / "pruning.csv").absolute())


def test_export_of_what_is_kept(run, tmp_path):
    done = prune(run, "--keep", "0.25", "--seeds", "3", "--format", "csv", "--out", tmp_path / "kept")
    assert done.exit_code == 0, done.output
    (table,) = [pd.read_csv(path) for path in (tmp_path / "kept").rglob("*.csv")]
    kept = pd.read_csv(run / "pruning.csv").query("decision == 'keep'")
    assert table["sample_id"].tolist() == kept["sample_id"].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "keep must be given, or --auto, but not both"),
        (("--auto", "--keep", "0.5"), "keep must be given, or --auto, but not both"),
        (("--keep", "0"), "fraction to keep must be between 0 and 1, both excluded; got 0.0"),
        (("--keep", "1"), "fraction to keep must be between 0 and 1, both excluded; got 1.0"),
        (("--keep", "0.5", "--strategy", "best"), "strategy must be one of auto, random"),
        (("--keep", "0.5", "--out", "there"), "format must be given with out"),
        (("--keep", "0.5", "--classes", "colour"), "classes must be a column of the run's samples"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_writes_nothing(run, arguments, message):
    before = {path.name for path in run.iterdir()}
    done = prune(run, *arguments)
    assert isinstance(done.exception, ValueError)  # `armscope.cli.main` makes one line and exit code 2 of it
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)
    assert {path.name for path in run.iterdir()} - before <= {"graph.npz"}


def test_an_export_that_cannot_be_written_is_told_before_any_work(run, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    before = {path.name for path in run.iterdir()}
    for out, message in {
        "file": "is a file",
        "file/x": "is a file",
        "full": "something else",
        "x.csv": "of a file",
    }.items():
        done = prune(run, "--keep", "0.5", "--seeds", "3", "--format", "csv", "--out", tmp_path / out)
        assert isinstance(done.exception, ValueError | FileExistsError)
        assert message in str(done.exception)
    assert {path.name for path in run.iterdir()} == before
