"""`armscope similar` and `armscope export`, as typed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latent_space.insights.insight import Insight, Insights, write_insights
from latent_space.population import Population

HOUSE = Path(__file__).resolve().parents[2]
IDS = ["a b.png", "it's.png", "名.png", "<b>.png"]


def armscope(*arguments):
    command = [sys.executable, "-c", "from armscope.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(HOUSE)})


@pytest.fixture
def run(tmp_path):
    (tmp_path / "data" / "images").mkdir(parents=True)
    for name in IDS:
        Image.new("RGB", (20, 10)).save(tmp_path / "data" / "images" / name)
    samples = pd.DataFrame({"sample_id": IDS, "split": "training", "loss": [0.5, 1.0, np.nan, 2.0]})
    samples["meta_image_file_name"], samples["meta_image_id"] = IDS, ["5", "6", "7", "8"]
    found = {"sample_id": IDS, "kind": "pred", "label": "cup", "confidence": 0.5, "box_rel": [[0.0, 0.0, 0.5, 1.0]] * 4}
    facts = {"data": str(tmp_path / "data")}
    latents = np.array([[0.0], [3.0], [1.0], [7.0]])
    return Population(samples, latents, pd.DataFrame(found), run=facts).save(tmp_path / "run")


def test_the_nearest_are_listed_first(run):
    done = armscope("similar", run, "a b.png", "--n", 2, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert [(one["sample_id"], one["distance"], one["loss"]) for one in facts["similar"]] == [
        ("名.png", 1.0, None),
        ("it's.png", 3.0, 1.0),
    ]
    assert facts["export"] is None
    shown = armscope("similar", run, "a b.png").stdout
    assert shown.index("名.png") < shown.index("it's.png") < shown.index("<b>.png")


def test_they_are_exported_with_the_one_they_are_like(run, tmp_path):
    done = armscope("similar", run, "a b.png", "--n", 1, "--format", "coco", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert f"export: {tmp_path / 'out'}" in done.stdout
    images = json.loads((tmp_path / "out" / "annotations.json").read_text())["images"]
    assert [(one["file_name"], one["reason"]) for one in images] == [
        ("a b.png", "compared with"),
        ("名.png", "1 from a b.png"),
    ]
    done = armscope("similar", run, "a b.png", "--format", "csv")
    assert (run / "similar_csv" / "selection.csv").is_file(), done.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.json", json.dumps({"sample_ids": ["<b>.png", "a b.png"]})),
        ("mine.json", json.dumps({"image_ids": [8, 5]})),
        ("mine.csv", "sample_id,reason\n<b>.png,odd\na b.png,far\n"),
    ],
)
def test_a_selection_of_the_page_is_exported(run, tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    done = armscope("export", run, "--from", tmp_path / name, "--format", "csv", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts == {"format": "csv", "n_samples": 2, "export": str(run / "mine_csv")}
    table = pd.read_csv(run / "mine_csv" / "selection.csv")
    assert table["sample_id"].tolist() == ["<b>.png", "a b.png"]
    assert table["reason"].isna().all() == (name == "mine.json")


def test_an_insight_is_exported_with_its_title_as_reason(run):
    found = Insight("slice-1", "outlier", "dark", "", 1, 0.5, None, None, (), ("名.png",))
    write_insights(run, Insights((found,), {}, {}))
    done = armscope("export", run, "--insight", "slice-1", "--format", "yolo")
    assert done.returncode == 0, done.stderr
    assert (
        run / "insight_slice-1_yolo" / "labels" / "train" / "名.txt"
    ).read_text() == "0 0.250000 0.500000 0.500000 1.000000\n"


def test_what_can_be_mended_is_one_line(run, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("")
    (tmp_path / "ids.json").write_text('{"sample_ids": ["名.jpg"]}')
    csv = ("--format", "csv")
    for arguments, expected in {
        ("similar", run, "a c.png"): "got 'a c.png'. Did you mean 'a b.png'?",
        ("similar", run, "a b.png", "--out", tmp_path / "x"): "format must be given with out",
        ("similar", run, "a b.png", *csv, "--out", tmp_path / "full"): "which holds something else",
        ("similar", run, "a b.png", *csv, "--out", tmp_path / "ids.json"): "which is a file",
        ("similar", tmp_path, "a b.png"): "must be a run folder with samples.parquet",
        ("export", run, *csv): "from or insight must be given, and not both",
        ("export", run, *csv, "--insight", "x"): "insights.json does not exist",
        ("export", run, *csv, "--from", tmp_path / "ids.json"): "got '名.jpg'. Did you mean '名.png'?",
        ("export", run, *csv, "--from", tmp_path / "none.json"): "must exist",
        ("export", run, *csv, "--from", tmp_path / "full" / "notes.txt"): "must be JSON or CSV with sample ids",
    }.items():
        done = armscope(*arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert expected in done.stderr
        assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in (tmp_path / "full").iterdir()) == ["notes.txt"]
