"""The page in a real browser: what a user does, and what is then on the screen."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latent_space.explorer import write_report

pytestmark = pytest.mark.slow

DRAWN = "[...document.querySelectorAll('.plot')].map(plot => Number(plot.dataset.drawn))"
PLOTS = """[...document.querySelectorAll('.plot')].map(plot => {
    const box = plot.getBoundingClientRect(); return [box.left, box.top, box.width, box.height]; })"""


def place_of(page, i, n=30):
    """Pixel of sample i on the first map: the samples lie on a horizontal line that fills 92 % of it."""
    left, top, width, height = page.run(PLOTS)[0]
    return left + width / 2 + 0.92 * width * (i / (n - 1) - 0.5), top + height / 2


@pytest.fixture
def opened(page, make_run):
    page.open(write_report(*make_run()))
    yield page
    page.assert_silent()


def test_opens_from_disk_and_draws_every_sample(opened, tmp_path):
    assert opened.run(DRAWN) == [30, 30]
    opened.collect()
    assert opened.requests == [(tmp_path / "report.html").as_uri()]
    assert opened.text("h1") == "Totes: latent space"
    assert opened.text("#subtitle") == "30 samples: 10 training, 10 validation, 10 unlabeled"
    assert "01234567" in opened.content("#facts")
    assert "2026-01-02 03:04" in opened.content("#facts")
    assert "trustworthiness 0.938" in opened.text(".map .quality")
    lines = "[...document.querySelectorAll('.map h2')].map((name) => name.offsetHeight)"
    assert max(opened.run(lines)) < 25  # the name of a map is on one line
    assert "x/9 (training) was set aside: image: truncated" in opened.content("#warnings")
    assert "hollow: 10 without loss" in opened.text("#legend")


def test_selected_points_without_a_value_stand_out(opened, tmp_path):
    """Sample 14 is unlabelled, sample 29 is not selected."""
    left, top, _, height = opened.run(PLOTS)[0]
    edge = place_of(opened, 20)[0]
    corners = [(left + 2, top + 2), (edge, top + 2), (edge, top + height - 3), (left + 2, top + height - 3)]
    opened.key("l")
    opened.drag(corners)
    opened.settle()
    pixels = np.asarray(Image.open(opened.screenshot(tmp_path / "page.png")).convert("RGB")).astype(int)
    bluest = []
    for i in (14, 29):
        x, y = place_of(opened, i)
        around = pixels[int(y) - 8 : int(y) + 9, int(x) - 8 : int(x) + 9]
        bluest.append((around[..., 2] - around[..., 0]).max())
    assert bluest[0] > 60 > 30 > bluest[1]


def test_colours_are_on_the_canvas(opened, tmp_path):
    pixels = np.asarray(Image.open(opened.screenshot(tmp_path / "page.png")).convert("RGB")).astype(int)
    for i, color in ((0, (13, 8, 135)), (28, (253, 189, 42))):
        x, y = place_of(opened, i)
        around = pixels[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4].reshape(-1, 3)
        assert np.abs(around - color).max(axis=1).min() < 40


def test_hover_shows_the_numbers_and_the_same_sample_on_both_maps(opened):
    opened.mouse("mouseMoved", *place_of(opened, 13))
    opened.settle()
    shown = opened.text("#tooltip")
    assert "sample 13" in shown
    assert "0.4333" in shown
    assert "validation" in shown
    assert opened.run("document.querySelector('#tooltip img').naturalWidth") == 40
    left, top, width, height = opened.run(PLOTS)[0]
    opened.mouse("mouseMoved", left + width / 2, top + height * 0.9)
    assert opened.run("document.getElementById('tooltip').hidden")


def test_click_pins_every_picture_and_column(opened):
    opened.click(*place_of(opened, 4))
    shown = opened.text("#details")
    for text in ("sample 4", "colour", "blue", "parts", "0.1333"):
        assert text in shown
    assert opened.run("[...document.querySelectorAll('.views button')].map(b => b.innerText)") == [
        "picture",
        "gt boxes",
    ]
    opened.run("document.querySelectorAll('.views button')[1].click()")
    opened.settle()
    assert opened.run("document.querySelector('#details img').alt") == "gt boxes of sample 4"
    opened.key("Escape")
    assert "Nothing pinned" in opened.text("#details")


def test_the_gallery_holds_the_worst_first_and_pins_them(opened):
    assert opened.run("document.querySelector('#gallery button').title") == "sample 28"
    opened.click_on("#gallery button")
    assert "sample 28" in opened.text("#details")


def test_colour_by_a_category_and_by_nothing(opened):
    opened.choose("#color-by", "meta_colour")
    legend = opened.text("#legend")
    assert "blue" in legend
    assert "yellow" in legend
    assert opened.run(DRAWN) == [30, 30]
    opened.choose("#color-by", "")
    opened.choose("#size-by", "")
    assert "one colour" in opened.text("#legend")


def test_splits_and_maps_can_be_hidden(opened):
    opened.run("document.querySelectorAll('#split-filter input')[2].click()")
    opened.settle()
    assert opened.run(DRAWN) == [20, 20]
    opened.mouse("mouseMoved", *place_of(opened, 14))
    assert "sample 14" not in opened.content("#tooltip")
    opened.run("document.querySelectorAll('#map-choice input')[1].click()")
    opened.settle()
    assert opened.run("[...document.querySelectorAll('.map')].map(map => map.hidden)") == [True, False]


def test_keyboard_alone_finds_and_pins(opened):
    opened.run("document.querySelector('.plot .overlay').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        opened.key(key)
    first = opened.text("#details .id")
    assert first in {"sample 14", "sample 15"}
    for key in ("+", "ArrowRight", "Enter"):
        opened.key(key)
    assert int(opened.text("#details .id").split()[1]) == int(first.split()[1]) + 1
    opened.choose("#find", "sample 21")
    assert opened.text("#details .id") == "sample 21"


def test_wheel_zooms_at_the_pointer_and_a_drag_pans(opened):
    x, y = place_of(opened, 20)
    opened.mouse("mouseWheel", x, y, deltaX=0, deltaY=-700)
    opened.settle()
    opened.mouse("mouseMoved", x + 1, y)
    assert "sample 20" in opened.text("#tooltip")
    opened.mouse("mousePressed", x, y, button="left", clickCount=1)
    for step in (20, 40, 60):
        opened.mouse("mouseMoved", x - step, y, button="left", buttons=1)
    opened.mouse("mouseReleased", x - 60, y, button="left", clickCount=1)
    opened.mouse("mouseMoved", x - 60, y)
    opened.settle()
    assert "sample 20" in opened.text("#tooltip")


HOSTILE = '</script><script>document.title="broken"</script><img src=x onerror=alert(1)>"\'&{{scripts}}\u2028é漢'


def test_texts_of_the_user_are_shown_and_never_run(page, make_run):
    ids = [HOSTILE, *(f"sample {i}" for i in range(1, 30))]
    population, run = make_run(sample_id=ids, meta_note=[HOSTILE] * 30)
    page.open(write_report(population.with_run(task=HOSTILE, warnings=[HOSTILE]), run))
    page.click(*place_of(page, 0))
    assert page.run("document.querySelector('#details .id').textContent") == HOSTILE
    assert HOSTILE[:30] in page.content("#warnings")
    assert page.run("document.title") != "broken"
    assert page.run("document.querySelectorAll('[onerror]').length") == 0
    page.assert_silent()
    assert len(page.requests) == 1


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_sample(page, make_run, n):
    page.open(write_report(*make_run(n)))
    assert page.run(DRAWN) == [n, n]
    page.assert_silent()


def test_a_loss_that_never_varies_and_columns_without_any_value(page, make_run):
    population, run = make_run(loss=1.5, metric_parts=np.nan, meta_inf=np.inf)
    page.open(write_report(population, run))
    assert page.run(DRAWN) == [30, 30]
    assert "1.5" in page.text("#legend")
    page.choose("#color-by", "meta_inf")
    page.assert_silent()


def test_without_loss_splits_and_pictures(page, make_run):
    population, run = make_run(pictures=False)
    kept = population.samples[["sample_id", "umap_x", "umap_y"]]
    page.open(write_report(type(population)(kept, population.latents), run))
    assert page.run(DRAWN) == [30]
    page.click(*place_of(page, 3))
    assert "This sample has no picture." in page.text("#details")
    page.assert_silent()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (1280, "light"), (900, "light"), (600, "dark")])
def test_nothing_is_cut_off_at_any_width(page, make_run, width, scheme):
    page.open(write_report(*make_run()), width=width, scheme=scheme)
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("getComputedStyle(document.documentElement).backgroundColor") == (
        "rgb(18, 22, 28)" if scheme == "dark" else "rgb(244, 245, 247)"
    )
    shown = [(width, height) for _, _, width, height in page.run(PLOTS) if width]
    assert shown
    assert all(width > 300 and height > 300 for width, height in shown)


def test_many_samples_show_tiles_of_sheets(page, make_run, monkeypatch):
    monkeypatch.setattr("latent_space.explorer.thumbnails.FULL_BYTES", 2_000)
    monkeypatch.setattr("latent_space.explorer.thumbnails.MOST_FULL", 0)
    page.open(write_report(*make_run()))
    page.mouse("mouseMoved", *place_of(page, 13))
    page.settle()
    background = page.run("getComputedStyle(document.querySelector('#tooltip .tile')).backgroundImage")
    assert "data:image/webp" in background
    page.assert_silent()


def test_pictures_that_are_missing_are_told_where_they_would_be(page, make_run, tmp_path):
    population, run = make_run()
    page.open(write_report(population, run))
    assert page.run("document.querySelector('#pictures-note').hidden")
    (run / "thumbnails/s%203.jpg").unlink()
    page.open(write_report(population, run))
    assert page.text("#pictures-note") == "1 of 30 samples have no picture: their thumbnails are not there."
    page.click_on("[data-pane=table]")
    assert page.run("document.querySelector('#pictures-note').hidden")
    page.open(write_report(*make_run(pictures=False)))
    assert page.text("#pictures-note") == "This run has no pictures: no thumbnail is in its folder."
    page.assert_silent()


def test_pictures_that_are_not_in_the_page_are_told_and_need_no_run_folder(page, make_run, monkeypatch, tmp_path):
    for name, value in {"FULL_BYTES": 2_000, "MOST_FULL": 4, "VISUALIZER_BYTES": 0}.items():
        monkeypatch.setattr(f"latent_space.explorer.thumbnails.{name}", value)
    mailed = tmp_path / "elsewhere" / "report.html"
    mailed.parent.mkdir()
    write_report(*make_run()).rename(mailed)
    page.open(mailed)
    told = "Full pictures of 4 samples are in this page, those of the others in the run folder."
    assert page.text("#pictures-note") == told
    page.click(*place_of(page, 1))
    elsewhere = "The full picture is in the run folder, which is not beside this page."
    page.wait_for(f"document.querySelector('#details .picture').innerText === {elsewhere!r}")
    assert page.run("document.querySelectorAll('#details .tile').length") == 1
    page.click_on("#details .views button", 1)
    page.wait_for(f"document.querySelector('#details .picture').innerText === {elsewhere!r}")
    assert page.run("document.querySelectorAll('#details .picture img').length") == 0


ODD = {
    "all at one place": {"umap_x": 1.0},
    "no place": {"umap_x": np.nan},
    "some without a place": {"umap_x": np.where(np.arange(30) % 2, np.nan, 1.0)},
    "one split": {"split": "training"},
    "hardly any split": {"split": ["training"] + [None] * 29},
    "more splits than can be shown": {"split": [f"s{i}" for i in range(30)], "meta_many": [f"m{i}" for i in range(30)]},
    "names of JavaScript": {"meta___proto__": ["a", "b"] * 15, "meta_constructor": range(30), "meta_toString": 1.5},
    "extreme numbers": {"loss": [1e300, -1e300, 1e-300, np.inf, np.nan] * 6},
    "times and lists": {
        "meta_when": pd.date_range("2026-01-01", periods=30),
        "meta_list": [[1, 2], None, []] * 10,
        "meta_kind": pd.Categorical(["x", "y", None] * 10),
    },
}


@pytest.mark.parametrize("columns", ODD.values(), ids=ODD)
def test_odd_columns_break_nothing(page, make_run, columns):
    page.open(write_report(*make_run(**columns)))
    for pane in ("findings", "labelling", "pruning", "filters", "table"):
        page.click_on(f"[data-pane={pane}]")
    for select in ("#color-by", "#size-by"):
        for value in page.run(f"[...document.querySelector('{select}').options].map(option => option.value)"):
            page.choose(select, value)
    assert page.text("#listed") == "30 samples"
    page.assert_silent()
