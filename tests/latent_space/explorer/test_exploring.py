"""Selecting, filtering, exporting and linking in a real browser, on small runs and on one of 50,000 rows."""

import io
import json
import time

import numpy as np
import pandas as pd
import pytest

from latent_space.explorer import write_report
from latent_space.population import Population
from latent_space.sample_ids import read_sample_ids

pytestmark = pytest.mark.slow

IDS = ["plain", "with space", 'quo"te,comma', "<script>alert(1)</script>", "漢字 é", "=1+1", "new\nline", "a/b.jpg"]
BOX = "(e => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })"
SELECTED = "[...document.querySelectorAll('.grid-row')].map(row => Number(row.dataset.row))"


def assert_silent(page):
    page.collect()
    assert page.problems == []
    assert [url for url in page.requests if not url.startswith("file:")] == []


def box(page, selector):
    return page.run(f"{BOX}(document.querySelector('{selector}'))")


def pixels_of(page, x, y):
    """Where points of the first map are, from what the page must do: fit the map's bounds into 92 % of the plot."""
    left, top, width, height = box(page, ".map:not([hidden]) .plot")
    scale = 0.92 * min(width / (x.max() - x.min()), height / (y.max() - y.min()))
    middle_x, middle_y = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
    return left + width / 2 + (x - middle_x) * scale, top + height / 2 - (y - middle_y) * scale


def inside(polygon, x, y):
    from matplotlib.path import Path

    return Path(polygon).contains_points(np.column_stack([x, y]))


def downloaded(page, format_name):
    for file in page.downloads.iterdir():
        file.unlink()
    page.click_on(f'[data-format="{format_name}"]')
    for _ in range(100):
        new = [file for file in page.downloads.iterdir() if file.suffix != ".crdownload"]
        if new:
            return new[0], new[0].read_bytes().decode("utf-8")
        time.sleep(0.1)
    raise AssertionError("nothing was downloaded")


@pytest.fixture
def scattered(tmp_path):
    """A run of 400 scattered samples with ids of every kind, instances on maps, and decisions."""
    generator = np.random.default_rng(0)
    n = 400
    split = np.array(["training", "validation", "unlabeled"])[np.arange(n) % 3]
    samples = pd.DataFrame(
        {
            "sample_id": [*IDS, *(f"s{i}" for i in range(len(IDS), n))],
            "split": split,
            "loss": np.where(split == "unlabeled", np.nan, generator.gamma(2, 1, n)),
            "cluster_id": generator.integers(-1, 4, n),
            "is_outlier": generator.random(n) < 0.1,
            "meta_image_id": [str(i + 1000) for i in range(n)],
            "meta_note": [f"note {i} of {i % 7}" for i in range(n)],
            "metric_iou": generator.random(n),
            "umap_x": generator.normal(size=n).astype(np.float32),
            "umap_y": generator.normal(size=n).astype(np.float32),
            "umap_neighbors_kept": generator.random(n),
        }
    )
    instances = pd.DataFrame(
        {
            "sample_id": samples["sample_id"].repeat(2).to_numpy(),
            "instance_id": [f"{i}:{k}" for i in samples["sample_id"] for k in range(2)],
            "kind": ["gt", "pred"] * n,
            "confidence": generator.random(2 * n),
            "box_rel": [[0.1, 0.2, 0.5, 0.75]] * (2 * n),
            "umap_x": np.where(np.arange(2 * n) < 700, generator.normal(size=2 * n), np.nan).astype(np.float32),
            "umap_y": generator.normal(size=2 * n).astype(np.float32),
        }
    )
    insight = {"id": "x", "kind": "slice", "title": "<b>Worst</b>", "size": 3, "severity": 0.5, "p_value": 0.004}
    insight |= {"sample_ids": ["s20", IDS[3], "s99", "gone"], "explained_by": [{"column": "c", "text": "note < 7"}]}
    (tmp_path / "insights.json").write_text(json.dumps({"insights": [insight]}))
    (tmp_path / "labelling.csv").write_text(
        "rank,sample_id,predicted_error,predicted_error_low,predicted_error_high,reason\n"
        "1,s11,0.5,0.25,0.75,likely failure\n2,s14,0.25,0,0.5,<i>covers</i>\n"
    )
    (tmp_path / "pruning.csv").write_text("sample_id,decision,rank,reason\ns20,drop,1,twin of s21\ns21,keep,2,\n")
    line = {"mean": [1, 2, 4], "low": [0.5, 1, None], "high": [1.5, 3, 5]}
    curve = {"title": "Failures found", "x_label": "labels", "y_label": "failures", "budgets": [10, 20, 400]}
    curve |= {"n_seeds": 5, "strategies": {"random": line, "auto": line}, "full": 5, "sentence": "Saves 12 labels."}
    (tmp_path / "curves.json").write_text(json.dumps({"labelling": [curve], "pruning": [curve]}))
    run = {"task": "totes", "fingerprint": "abc123"}
    return Population(samples, np.zeros((n, 3)), instances, np.zeros((2 * n, 3)), run=run), tmp_path


@pytest.fixture(params=["webgl", "canvas"])
def opened(request, page, scattered):
    population, run = scattered
    page.open(write_report(population, run), link=f"?renderer={request.param}")
    page.run("localStorage.clear()")
    page.population = population
    assert page.run("document.querySelector('.plot').dataset.renderer").startswith(request.param)
    yield page
    assert_silent(page)


@pytest.fixture
def silent(page, scattered):
    population, run = scattered
    page.open(write_report(population, run))
    page.run("localStorage.clear()")
    page.population = population
    yield page
    assert_silent(page)


def lasso(page, tool="l"):
    samples = page.population.samples
    x, y = (samples[f"umap_{axis}"].to_numpy(float) for axis in "xy")
    px, py = pixels_of(page, x, y)
    left, top, width, height = box(page, ".plot")
    share = [(0.35, 0.3), (0.7, 0.25), (0.6, 0.5), (0.75, 0.8), (0.4, 0.7)]
    if tool == "r":
        share = [(0.35, 0.3), (0.7, 0.8)]
    corners = [(round(left + a * width), round(top + b * height)) for a, b in share]
    page.key(tool)
    page.drag(corners)
    if tool == "r":
        (x0, y0), (x1, y1) = corners
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    return np.flatnonzero(inside(corners, px, py))


def chosen(page, format_name="json"):
    _, text = downloaded(page, format_name)
    return json.loads(text)


@pytest.mark.parametrize("tool", ["l", "r"])
def test_exactly_the_points_inside_are_selected(opened, tool):
    expected = lasso(opened, tool)
    assert 20 < len(expected) < 300
    assert opened.text("#listed").startswith(f"{len(expected)} selected")
    ids = opened.population.samples["sample_id"]
    assert set(chosen(opened)["sample_ids"]) == set(ids[expected])
    assert "gray: not selected" in opened.text("#legend")
    assert "What sets it apart" in opened.text("#details")
    opened.key("Escape")
    assert opened.text("#listed") == "400 samples"


def test_unselected_points_turn_gray(opened, tmp_path):
    from PIL import Image

    opened.choose("#size-by", "")
    opened.choose("#color-by", "")
    x, y = (opened.population.samples[f"umap_{axis}"].to_numpy(float) for axis in "xy")
    px, py = pixels_of(opened, x, y)
    lonely = [i for i in range(400) if np.sort(np.hypot(px - px[i], py - py[i]))[1] > 14]
    expected = lasso(opened)
    opened.mouse("mouseMoved", 5, 5)
    opened.settle()
    pixels = np.asarray(Image.open(opened.screenshot(tmp_path / "page.png")).convert("RGB")).astype(int)
    spread = {i: np.ptp(pixels[round(py[i]), round(px[i])]) for i in lonely}
    assert all((value > 60) == (i in expected) for i, value in spread.items())
    assert {i in expected for i in lonely} == {True, False}


def test_a_lasso_adds_and_takes_away(silent):
    first = set(lasso(silent))
    left, top, width, height = box(silent, ".plot")
    whole = [
        (left + 1, top + 1),
        (left + width - 2, top + 1),
        (left + width - 2, top + height - 2),
        (left + 1, top + height - 2),
    ]
    silent.drag(whole, modifiers=1)  # Alt
    assert silent.text("#listed") == "400 samples"
    silent.drag(whole)
    assert silent.text("#listed").startswith("400 selected")
    assert 0 < len(first) < 400


def test_exports_round_trip(silent):
    expected = lasso(silent)
    silent.choose("#selection-name", "Yellow / 黄")
    ids = silent.population.samples["sample_id"]
    name, text = downloaded(silent, "json")
    assert set(read_sample_ids(name)) == set(ids[expected])
    assert name.name == "Yellow-黄.json"
    content = json.loads(text)
    assert (content["name"], content["run"]) == ("Yellow / 黄", "abc123")
    silent.click_on('[data-pane="table"]')
    for _ in range(2):
        silent.click_on(".grid-head button", 0)
    _, text = downloaded(silent, "csv")
    table = pd.read_csv(io.StringIO(text, newline=""), keep_default_na=False, dtype={"sample_id": str})
    assert set(table["sample_id"]) == set(ids[expected])
    losses = silent.population.samples.set_index("sample_id")["loss"]
    found = pd.to_numeric(table["loss"], errors="coerce")
    np.testing.assert_allclose(found, losses[table["sample_id"]], rtol=1e-4)
    assert sorted(chosen(silent, "coco")["image_ids"]) == [1000 + int(i) for i in expected]


def test_ids_of_every_kind_come_back_as_they_were(silent):
    content = chosen(silent)
    assert sorted(content["sample_ids"]) == sorted(silent.population.samples["sample_id"])
    file, _ = downloaded(silent, "csv")
    assert sorted(read_sample_ids(file)) == sorted(silent.population.samples["sample_id"])


def test_filters_hide_and_tell(silent):
    samples = silent.population.samples
    silent.click_on('[data-pane="filters"]')
    silent.run("document.querySelector('[data-column=\"metric_iou\"]').scrollIntoView()")
    silent.wait_for("document.querySelector('[data-column=\"metric_iou\"] .bound')")
    silent.choose('[data-column="metric_iou"] .bound', "0.5")
    n = int((samples["metric_iou"] >= 0.5).sum())
    assert silent.text("#listed") == f"{n} of 400 samples pass the filters"
    assert silent.run("Number(document.querySelector('.plot').dataset.drawn)") == n
    silent.choose('[data-column="meta_note"] input', "OF 3")
    both = (samples["metric_iou"] >= 0.5) & samples["meta_note"].str.contains("of 3")
    assert silent.text("#listed").startswith(f"{both.sum()} of 400")
    silent.click_on('[data-column="is_outlier"] input', 0)
    both &= samples["is_outlier"]
    assert silent.text("#listed").startswith(f"{both.sum()} of 400")
    silent.click_on(".stick button")
    assert silent.text("#listed") == "400 samples"


def test_a_range_is_drawn_on_a_histogram(silent):
    silent.click_on('[data-pane="filters"]')
    silent.wait_for("document.querySelector('[data-column=\"loss\"] .brush')")
    left, top, width, _ = box(silent, '[data-column="loss"] .brush')
    silent.drag([(left + 0.5 * width, top + 9), (left + 0.7 * width, top + 9), (left + width + 20, top + 9)])
    loss = silent.population.samples["loss"]
    low, high = np.percentile(loss.dropna(), [2, 98])
    n = int((loss >= low + (high - low) / 2).sum())
    assert abs(int(silent.text("#listed").split()[0]) - n) <= 3
    assert silent.text('[data-column="loss"] .state').startswith("≥ ")
    silent.click_on('[data-column="loss"] .x')
    assert silent.text("#listed") == "400 samples"


def test_the_table_is_linked_and_sorted(silent):
    samples = silent.population.samples
    silent.click_on('[data-pane="table"]')
    order = samples["loss"].sort_values(ascending=False, kind="stable").index
    assert silent.run(SELECTED)[:5] == order[:5].tolist()
    silent.click_on('.grid-head [title="Sort by loss"]')
    assert silent.run(SELECTED)[:3] == samples["loss"].sort_values(kind="stable").index[:3].tolist()
    silent.click_on(".grid-row", 1)
    assert silent.text("#details .id") == samples["sample_id"][silent.run(SELECTED)[1]]
    silent.key("Escape")
    silent.run("document.querySelector('.grid-rows').focus()")
    for key in ("ArrowDown", "ArrowDown", " ", "Enter"):
        silent.key(key)
    assert silent.text("#listed").startswith("1 selected")
    assert silent.run("document.querySelectorAll('.grid-row[aria-selected=\"true\"]').length") == 1
    silent.click_on(".chooser summary")
    n = silent.run("document.querySelectorAll('.grid-head > span').length")
    silent.click_on(".choices input", 0)
    assert abs(silent.run("document.querySelectorAll('.grid-head > span').length") - n) == 1


def test_insights_and_clusters_highlight_their_samples(silent):
    assert silent.run("document.querySelector('.finding .title').textContent") == "<b>Worst</b>"
    assert "note < 7" in silent.text("#findings")
    assert "p = 0.004" in silent.text("#findings")
    silent.click_on(".finding")
    assert silent.text("#listed").startswith("3 selected")
    assert set(chosen(silent)["sample_ids"]) == {"s20", IDS[3], "s99"}
    assert silent.run("document.querySelector('.finding').getAttribute('aria-pressed')") == "true"
    silent.click_on(".finding")
    assert silent.text("#listed") == "400 samples"
    samples = silent.population.samples
    worst = samples[samples["cluster_id"] >= 0].groupby("cluster_id")["loss"].mean().idxmax()
    assert silent.run("document.querySelectorAll('.finding .title')[1].textContent").startswith(f"Cluster {worst}")
    silent.click_on(".finding", 1)
    n = (samples["cluster_id"] == worst).sum()
    assert silent.text("#listed").startswith(f"{n} selected")
    assert "insights.json names 1 samples that this run does not have" in silent.content("#warnings")


def test_queues_show_their_curves_and_reasons(silent):
    silent.click_on('[data-pane="labelling"]')
    shown = silent.text("#labelling")
    for text in (
        "Saves 12 labels.",
        "5 seeds",
        "everything",
        "s11",
        "expected error 0.5 (0.25 to 0.75)",
        "<i>covers</i>",
    ):
        assert text in shown
    assert silent.run("document.querySelectorAll('#labelling polyline').length") == 2
    assert silent.run("document.querySelectorAll('#labelling polygon').length") == 2
    silent.click_on("#labelling .finding")
    assert chosen(silent)["sample_ids"] in (["s11", "s14"], ["s14", "s11"])
    silent.click_on("#labelling .entry", 1)
    assert silent.text("#details .id") == "s14"
    silent.click_on('[data-pane="pruning"]')
    assert "To drop" in silent.text("#pruning")
    assert "twin of s21" in silent.text("#pruning")
    silent.choose("#color-by", "pruning_decision")
    assert "398 without pruning decision" in silent.text("#legend")


def test_instances_have_a_map_of_their_own(silent):
    silent.click_on("#table-choice input", 1)
    assert silent.text("#listed") == "700 instances on the maps (800 in all)"
    assert silent.run("Number(document.querySelector('.plot').dataset.drawn)") == 700
    silent.click_on("#gallery button", 5)
    assert silent.run("document.querySelector('#details .note').textContent").startswith("in ")
    content = chosen(silent)
    assert len(content["instance_ids"]) == 700
    assert len(content["sample_ids"]) == 350
    silent.click_on("#table-choice input", 0)
    assert silent.text("#listed") == "400 samples"


def test_a_link_opens_the_same_view(silent):
    expected = lasso(silent)
    silent.choose("#color-by", "cluster_id")
    silent.choose("#size-by", "metric_iou")
    silent.choose("#selection-name", "mine & yours")
    silent.click_on("#split-filter input", 2)
    silent.run("document.querySelector('.zoom button').click()")
    silent.click_on("#gallery button", 2)
    silent.wait_for("window.location.hash.includes('pin=')")
    link = silent.run("window.location.hash")
    listed, pinned = silent.text("#listed"), silent.text("#details .id")
    view = silent.run("window.location.hash.match(/at-umap=[^&]*/)[0]")
    report = silent.run("window.location.pathname")
    silent.driver.get("about:blank")
    silent.driver.get(f"file://{report}{link}")
    silent.wait_for("document.documentElement.dataset.firstPaint")
    silent.settle()
    assert silent.text("#listed") == listed
    assert silent.text("#details .id") == pinned
    assert silent.run("document.querySelector('#color-by').value") == "cluster_id"
    assert silent.run("document.querySelector('#selection-name').value") == "mine & yours"
    assert silent.run("window.location.hash.match(/at-umap=[^&]*/)[0]") == view
    split = silent.population.samples["split"].to_numpy()
    assert listed.startswith(f"{(split[expected] != 'unlabeled').sum()} selected")


@pytest.mark.parametrize(
    "link", ["#rows=%25%25&filter={", "#show=x&pin=nobody&color=gone&at-umap=1", "#filter=%7B%22loss%22%3A7%7D"]
)
def test_a_damaged_link_opens_the_page(silent, link):
    report = silent.run("window.location.pathname")
    silent.driver.get("about:blank")
    silent.driver.get(f"file://{report}{link}")
    silent.wait_for("document.documentElement.dataset.firstPaint")
    silent.settle()
    assert silent.text("#listed") == "400 samples"


def test_selections_are_kept_in_the_browser(silent):
    expected = lasso(silent)
    silent.choose("#selection-name", "<i>kept</i>")
    silent.click_on("#selection-bar button", 0)
    silent.key("Escape")
    report = silent.run("window.location.pathname")
    silent.driver.get("about:blank")
    silent.driver.get(f"file://{report}")
    silent.wait_for("document.documentElement.dataset.firstPaint")
    assert "<i>kept</i>" in silent.text("#details")
    silent.click_on(".kept .plain")
    assert silent.text("#listed").startswith(f"{len(expected)} selected")
    silent.key("Escape")
    silent.click_on(".kept .x")
    assert "<i>kept</i>" not in silent.text("#details")


def test_every_control_has_a_name(silent):
    silent.click_on('[data-pane="filters"]')
    silent.settle()
    tree = silent.command("Accessibility.getFullAXTree")["nodes"]
    roles = {
        "button",
        "textbox",
        "searchbox",
        "combobox",
        "checkbox",
        "radio",
        "tab",
        "application",
        "grid",
        "spinbutton",
    }
    roles |= {"image", "tabpanel", "dialog"}
    nameless = [
        node
        for node in tree
        if node.get("role", {}).get("value") in roles
        and not node.get("ignored")
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []


def test_dark_and_light_at_a_click(silent):
    before = silent.run("getComputedStyle(document.querySelector('.card')).backgroundColor")
    silent.click_on("#theme")
    assert silent.run("getComputedStyle(document.querySelector('.card')).backgroundColor") != before


def test_without_webgl_the_page_draws_on_a_canvas(page_without_webgl, scattered):
    population, run = scattered
    page = page_without_webgl
    page.open(write_report(population, run), link="?renderer=webgl")
    page.population = population
    assert page.run("document.querySelector('.plot').dataset.renderer") == "canvas"
    assert page.text("#listed") == "400 samples"
    expected = lasso(page)
    assert page.text("#listed").startswith(f"{len(expected)} selected")
    assert_silent(page)


def test_a_lost_graphics_card_is_survived(opened):
    opened.run(
        "document.querySelector('.points').getContext('webgl2')?.getExtension('WEBGL_lose_context').loseContext()"
    )
    opened.wait_for("document.querySelector('.plot').dataset.renderer === 'canvas'")
    opened.choose("#color-by", "cluster_id")
    assert opened.run("Number(document.querySelector('.plot').dataset.drawn)") == 400
    opened.collect()
    opened.problems = [line for line in opened.problems if "WebGL" not in line]


def test_50_000_rows_with_60_columns(page, tmp_path):
    generator = np.random.default_rng(0)
    n = 50_000
    columns = {f"meta_{k}": generator.normal(size=n) for k in range(50)}
    columns |= {f"meta_kind_{k}": np.array(["a", "b", "c"])[generator.integers(0, 3, n)] for k in range(10)}
    places = {
        f"{method}_{axis}": generator.normal(size=n).astype(np.float32) for method in ("umap", "tsne") for axis in "xy"
    }
    ids = [f"image_{i:06d}.jpg" for i in range(n)]
    samples = pd.DataFrame({"sample_id": ids, "loss": generator.gamma(2, 1, n), **columns, **places})
    population = Population(samples, np.zeros((n, 1)))
    report = write_report(population, tmp_path)
    assert report.stat().st_size < 12e6
    page.open(report)
    page.population = population
    assert page.text("#listed") == "50,000 samples"
    page.choose("#color-by", "meta_kind_3")
    page.choose("#size-by", "meta_7")
    expected = lasso(page)
    assert page.text("#listed").startswith(f"{len(expected):,} selected")
    assert sorted(chosen(page)["sample_ids"]) == samples["sample_id"][expected].tolist()
    page.click_on('[data-pane="filters"]')
    page.wait_for("document.querySelector('[data-column=\"loss\"] .bound')")
    page.choose('[data-column="loss"] .bound', "2")
    passing = samples["loss"] >= 2
    assert page.run("Number(document.querySelector('.plot').dataset.drawn)") == passing.sum()
    page.click_on('[data-pane="table"]')
    assert page.run("document.querySelectorAll('.grid-row').length") < 60
    assert_silent(page)


def test_what_has_the_focus_keeps_it_and_lists_stay_scrolled(silent):
    silent.run("document.querySelectorAll('.finding')[4].focus()")
    silent.run("document.querySelector('#findings').scrollTo(0, 60)")
    before = silent.run("document.querySelector('#findings').scrollTop")
    silent.click_on(".finding", 4)
    assert silent.run("[...document.querySelectorAll('.finding')].indexOf(document.activeElement)") == 4
    assert silent.run("document.querySelector('#findings').scrollTop") == before


def test_keys_choose_tools_and_help(silent):
    for key, tool in (("l", "lasso"), ("r", "box"), ("p", "pan")):
        silent.key(key)
        assert silent.run("document.querySelector('.plot').dataset.tool") == tool
    silent.run("document.querySelector('.overlay').focus()")
    for key in ("ArrowRight", " "):
        silent.key(key)
    assert silent.text("#listed").startswith("1 selected")
    silent.key("/")
    assert silent.run("document.activeElement.id") == "find"
    silent.key("Escape")
    silent.run("document.activeElement.blur()")
    silent.key("?")
    assert silent.run("document.querySelector('#help').open")
