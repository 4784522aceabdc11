import base64
import json
import re
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latent_space.explorer import thumbnails as packing
from latent_space.explorer import write_report
from latent_space.explorer.decisions import Decisions
from latent_space.explorer.packing import Store
from latent_space.explorer.payload import page_content
from latent_space.explorer.thumbnails import pack_thumbnails, pack_visualizers
from latent_space.population import Population


def content_of(population, decisions=None):
    store = Store()
    return page_content(population, decisions or Decisions(), store), store


def columns_of(**columns):
    n = len(next(iter(columns.values())))
    samples = pd.DataFrame({"sample_id": [str(i) for i in range(n)], **columns})
    content, store = content_of(Population(samples, np.zeros((n, 1))))
    return {column["name"]: {**column, "store": store} for column in content["tables"][0]["columns"]}


def codes_of(column):
    planes = np.frombuffer(zlib.decompress(base64.b64decode(column["store"].base64())), np.uint8)
    at, n = column["values"]["at"], column["values"]["n"]
    return (planes[at : at + n].astype(int) * 256 + planes[at + n : at + 2 * n]).tolist()


def test_few_texts_are_categories_and_many_are_texts():
    columns = columns_of(
        split=["test", "validation", "training", "test"], meta_yes=[True, False, True, None], meta_note=list("bbba")
    )
    assert columns["split"]["levels"] == ["training", "validation", "test"]
    assert columns["meta_note"]["levels"] == ["b", "a"]
    assert columns["meta_yes"]["levels"] == ["True", "False"]
    assert codes_of(columns["meta_yes"]) == [0, 1, 0, 65535]
    assert columns_of(meta_name=[f"n{i}" for i in range(61)])["meta_name"]["kind"] == "text"


def test_roles_labels_and_columns_without_values():
    columns = columns_of(
        metric_over_segmented=[1.0, 2.0], meta_tote=["a", None], cluster_id=[7, -1], meta_none=[None, None]
    )
    assert [(column["role"], column["label"]) for column in columns.values()] == [
        ("metric", "over segmented"),
        ("metadata", "tote"),
        ("sample", "cluster id"),
    ]
    assert columns["cluster_id"]["levels"] == ["7"]
    assert codes_of(columns["cluster_id"]) == [0, 65535]
    assert (columns["metric_over_segmented"]["min"], columns["metric_over_segmented"]["max"]) == (1, 2)


def test_a_prediction_for_every_sample_is_not_replaced_by_that_of_the_queue():
    samples = pd.DataFrame({"sample_id": ["a", "b"], "predicted_error": [0.25, 0.5]})
    decisions = Decisions(
        columns={"predicted_error": pd.Series([0.25, np.nan]), "labelling_rank": pd.Series([1, None])}
    )
    content, _ = content_of(Population(samples, np.zeros((2, 1))), decisions)
    columns = {column["name"]: column for column in content["tables"][0]["columns"]}
    assert (columns["predicted_error"]["min"], columns["predicted_error"]["max"]) == (0.25, 0.5)
    assert columns["labelling_rank"]["max"] == 1


def test_means_by_split_leave_out_what_is_undefined():
    samples = pd.DataFrame(
        {"sample_id": list("abcd"), "split": ["validation", "training", "training", "unlabeled"]}
    ).assign(loss=[3.0, 1.0, np.nan, np.nan], metric_iou=[0.5, 0.25, 0.75, np.nan], metric_note=["x"] * 4)
    metrics = content_of(Population(samples, np.zeros((4, 1))))[0]["metrics"]
    assert metrics == {
        "splits": ["training", "validation", "unlabeled"],
        "counts": [2, 1, 1],
        "rows": [{"label": "loss", "means": [1.0, 3.0, None]}, {"label": "iou", "means": [0.5, 0.5, None]}],
    }


def test_a_run_that_says_nothing_and_one_with_very_many_failures():
    samples = pd.DataFrame({"sample_id": ["a"]})
    facts = content_of(Population(samples, np.zeros((1, 1))))[0]["run"]
    assert facts["task"] == "run"
    assert facts["warnings"] == []
    failed = [{"sample_id": f"s{i}", "split": "test", "reason": "torn"} for i in range(1203)]
    run = {"failed": failed}
    lines = content_of(Population(samples, np.zeros((1, 1)), run=run))[0]["run"]["warnings"]
    assert lines[0] == "s0 (test) was set aside: torn"
    assert lines[-1] == "... and 1,003 more; run.json names them all."


def test_the_page_is_one_file_and_its_data_ends_no_script(make_run):
    population, run = make_run(meta_note=["</script><!--"] * 30)
    text = write_report(population, run).read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="content">(.*?)</script>', text, re.S)[1]
    assert "<" not in data
    assert json.loads(data)["tables"][0]["n"] == 30
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    assert not re.search(r"https?://(?!www.w3.org/2000/svg)", text)
    assert "{{" not in text.replace(data, "")


def test_same_population_same_bytes(make_run):
    population, run = make_run()
    assert write_report(population, run).read_bytes() == write_report(population, run).read_bytes()
    assert not list(run.glob(".*"))


def test_a_population_without_maps_is_refused(tmp_path):
    population = Population(pd.DataFrame({"sample_id": ["a"]}), np.zeros((1, 1)))
    with pytest.raises(ValueError, match="population must have a map to be explored; got none"):
        write_report(population, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_thumbnails_go_in_as_they_are(make_run):
    population, run = make_run(3)
    (run / "thumbnails/s%201.jpg").unlink()
    packed = pack_thumbnails(run, population.samples["thumbnail"].tolist(), Store())
    first = (run / "thumbnails/s%200.jpg").read_bytes()
    assert packed["urls"][0] == "data:image/jpeg;base64," + base64.b64encode(first).decode()
    assert packed["urls"][1] is None
    assert list(packed) == ["paths", "aspect", "urls"]


@pytest.mark.parametrize(
    ("sizes", "aspect"),
    [
        ([(320, 200)], 1.6),
        ([(320, 200), (320, 200), (30, 90)], 1.6),
        ([(50, 50)], 1),
        ([(52, 50)], 1),
        ([(30, 90)], 1),
        ([(900, 30)], 2),
        ([], 1),
    ],
)
def test_tiles_are_as_wide_as_most_pictures_are(tmp_path, sizes, aspect):
    paths = [f"{k}.png" for k in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        Image.new("RGB", size).save(tmp_path / path)
    (tmp_path / "damaged.png").write_bytes(b"damaged")
    assert pack_thumbnails(tmp_path, [*paths, "damaged.png", None], Store())["aspect"] == aspect


def test_only_pictures_inside_the_run_folder_are_taken(make_run, tmp_path_factory):
    _, run = make_run(1)
    outside = tmp_path_factory.mktemp("outside") / "secret.png"
    Image.new("RGB", (4, 4)).save(outside)
    (run / "notes.txt").write_text("not a picture")
    paths = [str(outside), f"../{outside.parent.name}/secret.png", "notes.txt", "", None, "thumbnails"]
    assert pack_thumbnails(run, paths, Store())["urls"] == [None] * 6


def test_too_many_thumbnails_become_sheets_of_the_largest_tile_that_fits(make_run, monkeypatch):
    population, run = make_run(60)
    paths = population.samples["thumbnail"].tolist()
    (run / paths[2]).write_bytes(b"damaged" * 100)
    monkeypatch.setattr(packing, "FULL_BYTES", 6_000)
    monkeypatch.setattr(packing, "_TILES_PER_SIDE", 5)
    monkeypatch.setattr(packing, "SHEET_BYTES", 6_000)
    monkeypatch.setattr(packing, "MOST_FULL", 3)
    store = Store()
    packed = pack_thumbnails(run, paths, store, preferred=[40, 2, 50])
    assert packed["side"] in {side for side, _ in packing.TILES}
    assert len(packed["sheets"]) == 3
    assert list(packed["full"]) == ["40", "50", "0"], "the damaged one has none"
    assert packed["full"]["40"].startswith("data:image/webp;base64,")
    assert b'"thumbnails/s%25200.jpg"' in zlib.decompress(base64.b64decode(store.base64()))
    content = base64.b64decode(packed["sheets"][1].partition(",")[2])
    (run / "sheet.webp").write_bytes(content)
    with Image.open(run / "sheet.webp") as sheet:
        side = packed["side"]
        width = round(side * 4 / 3)
        assert packed["aspect"] == width / side
        assert sheet.size == (5 * width, 5 * side)
        red, green, blue = sheet.convert("RGB").getpixel((int(3.5 * width), int(1.5 * side)))  # sample 25 + 8
    assert abs(red - 255) < 40
    assert abs(green - 33) < 40
    assert blue < 40


def test_the_visualizer_that_gave_the_thumbnail_is_not_carried_twice(make_run):
    population, run = make_run(3)
    (run / "visualizers/image").symlink_to(run / "thumbnails")
    text = write_report(population, run).read_text(encoding="utf-8")
    pictures = json.loads(re.search(r'<script type="application/json" id="pictures">(.*?)</script>', text, re.S)[1])
    assert pictures["thumbnails"]["name"] == "image"
    assert list(pictures["visualizers"]) == ["gt boxes"]


def test_visualizers_are_found_by_the_thumbnails_name(make_run, monkeypatch):
    population, run = make_run(3)
    (run / "visualizers/gt boxes/s%201.jpg").unlink()
    (run / "visualizers/empty").mkdir()
    paths = population.samples["thumbnail"].tolist()
    packed = pack_visualizers(run, paths, Store())
    assert list(packed) == ["gt boxes"]
    assert [url and url[:22] for url in packed["gt boxes"]["urls"]] == [
        "data:image/jpeg;base64",
        None,
        "data:image/jpeg;base64",
    ]
    monkeypatch.setattr(packing, "VISUALIZER_BYTES", 100)
    linked = pack_visualizers(run, paths, Store())["gt boxes"]
    assert linked["folder"] == "visualizers/gt%20boxes/"
    assert linked["endings"] == ["", ".jpg"]


def test_the_outlines_of_instances_take_no_place_in_the_page():
    samples = pd.DataFrame({"sample_id": ["a", "b"]})
    found = pd.DataFrame(
        {"sample_id": ["a", "b"], "instance_id": ["a:0", "b:0"], "umap_x": [0.0, 1], "umap_y": [0.0, 1]}
    )
    rings = [[np.arange(6.0)], None]
    outlined = found.assign(polygons_rel=rings, polygons_px=rings)
    pages = [content_of(Population(samples, np.zeros((2, 1)), table))[0] for table in (found, outlined)]
    assert pages[0] == pages[1]
    assert [table["key"] for table in pages[1]["tables"]] == ["samples", "instances"]
