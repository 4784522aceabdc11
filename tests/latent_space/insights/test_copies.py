"""Copies are found by what the model sees and by what they look like."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from latent_space.insights.copies import find_copies, read_looks
from latent_space.neighbors import build_graph


def pictures(folder, n=40, seed=0):
    """Coarse random pictures; 1 is a brighter copy of 0, 3 is 2 shifted by two pixels."""
    generator = np.random.default_rng(seed)
    drawn = [
        Image.fromarray(generator.integers(40, 200, (6, 6, 3), np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)
        for _ in range(n)
    ]
    drawn[1] = ImageEnhance.Brightness(drawn[0]).enhance(1.1)
    drawn[3] = Image.fromarray(np.roll(np.asarray(drawn[2]), 2, axis=1))
    for number, picture in enumerate(drawn):
        picture.save(folder / f"{number}.png")
    return [folder / f"{number}.png" for number in range(n)]


@pytest.fixture
def latents():
    """Nothing of the pictures; 8 is a copy of 0 and 9 of 5."""
    latents = np.random.default_rng(1).normal(size=(40, 6)).astype(np.float32)
    latents[[8, 9]] = latents[[0, 5]]
    return latents


def test_copies_by_look_and_by_latents_are_one_list(tmp_path, latents):
    found = find_copies(latents, read_looks(pictures(tmp_path)), graph=build_graph(latents))
    groups = [set(rows.index) for _, rows in found.query("is_near_duplicate").groupby("near_duplicate_group")]
    assert groups == [{0, 1, 8}, {2, 3}, {5, 9}]
    assert (found["near_duplicate_score"][found["is_near_duplicate"]] > 0.7).all()
    assert (found["is_near_duplicate"] == (found["near_duplicate_group"] >= 0)).all()


def test_without_pictures_the_latents_decide(tmp_path, latents):
    graph = build_graph(latents)
    alone = find_copies(latents, None, graph=graph)
    assert set(np.flatnonzero(alone["is_near_duplicate"])) == {0, 5, 8, 9}
    few = read_looks([*pictures(tmp_path, 10), *[None] * 30])
    assert alone.equals(find_copies(latents, few, graph=graph))


def test_no_brightness_and_no_contrast_change_a_look(tmp_path):
    noise = np.random.default_rng(0).integers(60, 120, (8, 8, 3), np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    Image.fromarray(noise).save(tmp_path / "a.png")
    Image.fromarray((noise * 2 - 20).astype(np.uint8)).save(tmp_path / "b.png")
    a, b = read_looks([tmp_path / "a.png", tmp_path / "b.png"])
    assert a.shape == (192,)
    assert (a.mean(), a.std()) == pytest.approx((0, 1), abs=1e-6)
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_what_is_no_picture_has_no_look(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    Image.new("RGB", (20, 20), "gray").save(tmp_path / "plain.png")
    looks = read_looks([None, tmp_path / "gone.png", tmp_path, tmp_path / "text.png", tmp_path / "plain.png"])
    assert looks.shape == (5, 192)
    assert np.isnan(looks).all()
    assert read_looks([]).shape == (0, 192)
