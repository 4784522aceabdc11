"""Selecting, filtering, exporting and linking in a real browser, on small runs and on one of 50,000 rows."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from latent_space.explorer import write_report
from latent_space.population import Population
from latent_space.sample_ids import read_sample_ids

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script>"
SELECTED = "[...document.querySelectorAll('.grid-row')].map(row => Number(row.dataset.row))"


@pytest.fixture(params=["webgl", "canvas"])
def opened(request, page, scattered):
    population, run = scattered
    page.open(write_report(population, run), link=f"?renderer={request.param}")
    page.run("localStorage.clear()")
    page.population = population
    assert page.run("document.querySelector('.plot').dataset.renderer").startswith(request.param)
    yield page
    page.assert_silent()


@pytest.mark.parametrize("tool", ["l", "r"])
def test_exactly_the_points_inside_are_selected(opened, tool):
    expected = opened.lasso(tool)
    assert 20 < len(expected) < 300
    assert opened.text("#listed").startswith(f"{len(expected)} selected")
    ids = opened.population.samples["sample_id"]
    assert set(opened.chosen()["sample_ids"]) == set(ids[expected])
    assert "gray: not selected" in opened.text("#legend")
    assert "What sets it apart" in opened.text("#details")
    opened.key("Escape")
    assert opened.text("#listed") == "400 samples"


def test_unselected_points_turn_gray(opened, tmp_path):
    from PIL import Image

    opened.choose("#size-by", "")
    opened.choose("#color-by", "")
    x, y = (opened.population.samples[f"umap_{axis}"].to_numpy(float) for axis in "xy")
    px, py = opened.pixels_of(x, y)
    lonely = [i for i in range(400) if np.sort(np.hypot(px - px[i], py - py[i]))[1] > 14]
    expected = opened.lasso()
    opened.mouse("mouseMoved", 5, 5)
    opened.settle()
    pixels = np.asarray(Image.open(opened.screenshot(tmp_path / "page.png")).convert("RGB")).astype(int)
    spread = {i: np.ptp(pixels[round(py[i]), round(px[i])]) for i in lonely}
    assert all((value > 60) == (i in expected) for i, value in spread.items())
    assert {i in expected for i in lonely} == {True, False}


def test_a_lasso_adds_and_takes_away(silent):
    first = set(silent.lasso())
    left, top, width, height = silent.box(".plot")
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
    expected = silent.lasso()
    silent.choose("#selection-name", "Yellow / 黄")
    ids = silent.population.samples["sample_id"]
    name, text = silent.downloaded("json")
    assert set(read_sample_ids(name)) == set(ids[expected])
    assert name.name == "Yellow-黄.json"
    content = json.loads(text)
    assert (content["name"], content["run"]) == ("Yellow / 黄", "abc123")
    silent.click_on('[data-pane="table"]')
    for _ in range(2):
        silent.click_on(".grid-head button", 0)
    _, text = silent.downloaded("csv")
    table = pd.read_csv(io.StringIO(text, newline=""), keep_default_na=False, dtype={"sample_id": str})
    assert set(table["sample_id"]) == set(ids[expected])
    losses = silent.population.samples.set_index("sample_id")["loss"]
    found = pd.to_numeric(table["loss"], errors="coerce")
    np.testing.assert_allclose(found, losses[table["sample_id"]], rtol=1e-4)
    assert sorted(silent.chosen("coco")["image_ids"]) == [1000 + int(i) for i in expected]


def test_ids_of_every_kind_come_back_as_they_were(silent):
    content = silent.chosen()
    assert sorted(content["sample_ids"]) == sorted(silent.population.samples["sample_id"])
    file, _ = silent.downloaded("csv")
    assert sorted(read_sample_ids(file)) == sorted(silent.population.samples["sample_id"])


def test_a_link_opens_the_same_view(silent):
    expected = silent.lasso()
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
    expected = silent.lasso()
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
    expected = page.lasso()
    assert page.text("#listed").startswith(f"{len(expected)} selected")
    page.assert_silent()


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
    expected = page.lasso()
    assert page.text("#listed").startswith(f"{len(expected):,} selected")
    assert sorted(page.chosen()["sample_ids"]) == samples["sample_id"][expected].tolist()
    page.wait_for("window.location.hash.includes('rows=')")
    link, listed = page.run("window.location.hash"), page.text("#listed")
    page.driver.get("about:blank")
    page.driver.get(report.resolve().as_uri() + link)
    page.wait_for("document.documentElement.dataset.firstPaint")
    assert page.text("#listed") == listed
    page.click_on('[data-pane="filters"]')
    page.wait_for("document.querySelector('[data-column=\"loss\"] .bound')")
    page.choose('[data-column="loss"] .bound', "2")
    passing = samples["loss"] >= 2
    assert page.run("Number(document.querySelector('.plot').dataset.drawn)") == passing.sum()
    page.click_on('[data-pane="table"]')
    assert page.run("document.querySelectorAll('.grid-row').length") < 60
    page.assert_silent()


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
