"""Only folders that are ours are written to, and in them only what is ours is removed."""

import json

import pytest

from latent_space import run_folder as files
from latent_space.engine.folder import begin_replacing, close_work, discard_work, keep_work, open_work, run_folder


def test_new_empty_and_earlier_runs_are_taken(tmp_path):
    assert run_folder(tmp_path / "new") == tmp_path / "new"
    assert run_folder(tmp_path) == tmp_path
    facts = {"fingerprint": "a", "engine_fingerprint": "b", "splits": {}}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    assert run_folder(tmp_path) == tmp_path
    open_work(tmp_path / "killed")
    assert run_folder(tmp_path / "killed") == tmp_path / "killed"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", "{}"),
        ("run.json", "[1]"),
        ("run.json", "no json"),
        ("run.json", '{"fingerprint": "of something else"}'),
        (".work/mydata/thesis.txt", "years of work"),
        ("thesis.txt", "years of work"),
    ],
)
def test_a_folder_that_only_looks_like_a_run_is_refused(name, content, tmp_path):
    (tmp_path / "thumbnails").mkdir()
    (tmp_path / "thumbnails" / "mine.jpg").write_text("mine")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match="out must be a new or empty folder, or an earlier run"):
        run_folder(tmp_path)
    assert (tmp_path / name).read_text() == content


def test_what_is_not_ours_stays_in_the_work_folder(tmp_path):
    open_work(tmp_path)
    for name in ("0123456789abcdef", "fedcba9876543210", "pictures", "mydata"):
        (tmp_path / ".work" / name).mkdir()
    keep_work(tmp_path, tmp_path / ".work" / "0123456789abcdef")
    assert {path.name for path in (tmp_path / ".work").iterdir()} == {"logs", "armscope", "0123456789abcdef", "mydata"}
    close_work(tmp_path)
    assert {path.name for path in (tmp_path / ".work").iterdir()} == {"armscope", "mydata"}
    (tmp_path / ".work" / "mydata").rmdir()
    close_work(tmp_path)
    assert not (tmp_path / ".work").exists()


def test_nothing_but_what_was_printed_stays_of_a_run_that_could_not_start(tmp_path):
    out = tmp_path / "run"
    logs = open_work(out)
    (logs / "worker-0.log").write_text("")
    discard_work(out)
    assert not out.exists()
    open_work(out)
    (logs / "worker-0.log").write_text("printed")
    discard_work(out)
    assert run_folder(out) == out, "it can be used again"
    assert (logs / "worker-0.log").read_text() == "printed"


def test_nothing_that_tells_of_an_earlier_population_survives_a_new_run(tmp_path):
    of_later_stages = {name for key, name in vars(files).items() if key.endswith(("_FILE", "_PICTURE"))}
    of_the_population = {"samples.parquet", "latents.npy", "instances.parquet", "instance_latents.npy"}  # replaced
    for name in of_later_stages:
        (tmp_path / name).write_text("old")
    begin_replacing(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == of_the_population


def test_pages_with_placed_samples_go_with_the_run_they_show(tmp_path):
    (tmp_path / "placed" / "new data").mkdir(parents=True)
    for name in ("report-new data.html", "report-mine.html"):
        (tmp_path / name).write_text("old")
    begin_replacing(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["placed", "report-mine.html"]


def test_new_data_that_lay_on_the_maps_of_an_earlier_run_go_with_them(tmp_path):
    facts = json.dumps({"fingerprint": "a", "engine_fingerprint": "b", "splits": {}})
    for name in ("plain", "exported", "theirs"):
        placed = tmp_path / "placed" / name
        (placed / "thumbnails").mkdir(parents=True)
        for file in ("samples.parquet", "latents.npy", "report.html", "labelling.csv", "thumbnails/0.jpg"):
            (placed / file).write_text("old")
        (placed / "run.json").write_text(facts if name != "theirs" else "{}")
        (tmp_path / f"report-{name}.html").write_text("old")
    mine = tmp_path / "placed/exported/labelling_coco/annotations.json"
    mine.parent.mkdir()
    mine.write_text("corrected by hand")
    begin_replacing(tmp_path)
    assert not (tmp_path / "placed/plain").exists()
    assert [path.name for path in (tmp_path / "placed/exported").rglob("*")] == ["labelling_coco", "annotations.json"]
    assert len(list((tmp_path / "placed/theirs").rglob("*"))) == 7
    assert list(tmp_path.glob("*.html")) == []
