"""The gallery and the table in a real browser: that what tells samples apart is not cut off."""

import numpy as np
import pytest
from PIL import Image

from latent_space.explorer import write_report

pytestmark = pytest.mark.slow

GREEN, BLACK = (0, 200, 0), (0, 0, 0)


def edged(run, size, n=30):
    """Make the thumbnails black with a green right edge, a tenth of their width."""
    picture = Image.new("RGB", size, BLACK)
    picture.paste(GREEN, (size[0] * 9 // 10, 0, *size))
    for i in range(n):
        picture.save(run / f"thumbnails/s%20{i}.jpg", quality=95)


def shown_in_tile(page, file, number):
    """Left, top, width and height of a tile of the gallery, and its pixels."""
    box = f"document.querySelectorAll('#gallery button')[{number}].getBoundingClientRect()"
    left, top, width, height = page.run(f"(box => [box.x, box.y, box.width, box.height])({box})")
    pixels = np.asarray(Image.open(page.screenshot(file)).convert("RGB")).astype(int)
    return (width, height), pixels[round(top) : round(top + height), round(left) : round(left + width)]


@pytest.mark.parametrize("n_full", [30, 0])
def test_wide_pictures_are_seen_to_their_edges(page, make_run, monkeypatch, tmp_path, n_full):
    population, run = make_run()
    edged(run, (320, 200))
    if not n_full:
        monkeypatch.setattr("latent_space.explorer.thumbnails.FULL_BYTES", 2_000)
        monkeypatch.setattr("latent_space.explorer.thumbnails.MOST_FULL", 0)
    page.open(write_report(population, run))
    assert page.run("document.querySelectorAll('#gallery .tile').length > 0") == (not n_full)
    (width, height), pixels = shown_in_tile(page, tmp_path / "page.png", 1)
    assert page.run("document.querySelectorAll('#gallery button .value')[1].textContent").startswith("loss")
    value = page.run("document.querySelectorAll('#gallery button .value')[1].getBoundingClientRect().height")
    assert width / (height - value) == pytest.approx(1.6, rel=0.03)
    middle = pixels[20]
    green = np.flatnonzero(np.abs(middle - GREEN).max(axis=1) < 60)
    assert green.max() >= width - 5
    assert len(green) == pytest.approx(width / 10, abs=4)
    assert np.abs(middle[3 : green.min() - 2]).max() < 60, "black up to the edge: no picture beside it, no border"
    below = pixels[round(height - value) - 5, green.min() + 2]
    assert np.abs(below - GREEN).max() < 60, "the value hides nothing"
    page.assert_silent()


def test_square_pictures_fill_square_tiles(page, make_run, tmp_path):
    population, run = make_run()
    edged(run, (90, 90))
    page.open(write_report(population, run))
    (width, height), pixels = shown_in_tile(page, tmp_path / "page.png", 0)
    assert width == height
    assert np.abs(pixels[20, 3 : round(0.85 * width)]).max() < 60
    assert np.abs(pixels[20, round(0.95 * width)] - GREEN).max() < 60
    page.assert_silent()


def test_ids_of_a_moment_are_whole_in_the_table(page, make_run):
    ids = [f"machine1:2026-01-01T00:00:{i:02d}" for i in range(30)]
    population, run = make_run(sample_id=ids)
    page.open(write_report(population, run), width=1280, height=720)
    page.click_on("[data-pane=table]")
    assert page.run("[...document.querySelectorAll('.grid-row .id')].every(id => id.scrollWidth <= id.clientWidth)")
    page.assert_silent()
