import numpy as np
import pandas as pd
import pytest

from latent_space.maps import add_maps
from latent_space.newcomers import beside, place_newcomers
from latent_space.population import Population
from latent_space.space import sample_space

MAPS = ["umap_x", "umap_y", "tsne_x", "tsne_y"]


def population(latents, name):
    return Population(pd.DataFrame({"sample_id": [f"{name}{i}" for i in range(len(latents))]}), latents)


@pytest.fixture(scope="module")
def known():
    return add_maps(population(np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32), "old"))


def test_known_samples_return_to_their_places_and_far_ones_are_strange(known):
    latents = np.vstack([known.latents[:10], np.full((1, 5), 40)])
    placed = place_newcomers(population(latents, "new"), known, sample_space(known)).samples
    np.testing.assert_allclose(placed[MAPS][:10], known.samples[MAPS][:10], atol=1e-3)
    assert placed["nearest_sample_id"][:10].tolist() == [f"old{i}" for i in range(10)]
    assert (placed["nearest_distance"][:10] == 0).all()
    assert placed["is_strange"].tolist() == [False] * 10 + [True]
    assert placed["strangeness_score"].iloc[-1] == 1


def test_score_is_the_share_of_known_samples_that_are_less_lonely(known):
    nearest = sample_space(known).graph.distances[:, 0]
    new = known.latents[:5] + np.float32([0.9, 0, 0, 0, 0])
    placed = place_newcomers(population(new, "new"), known, sample_space(known)).samples
    expected = [(nearest < distance).mean() for distance in placed["nearest_distance"]]
    np.testing.assert_allclose(placed["strangeness_score"], expected)
    assert np.min(expected) > 0


def test_samples_without_latents_have_no_place(known):
    latents = known.latents[:3].copy()
    latents[1] = np.nan
    placed = place_newcomers(population(latents, "new"), known, sample_space(known)).samples
    assert placed["tsne_x"].isna().tolist() == [False, True, False]
    assert placed["is_strange"].tolist() == [False] * 3
    assert placed["nearest_sample_id"].isna().tolist() == [False, True, False]


def test_known_samples_without_latents_move_nobody(known):
    samples = pd.concat([known.samples.head(3).assign(sample_id=["x", "y", "z"], tsne_x=np.nan), known.samples])
    more = Population(samples, np.vstack([np.full((3, 5), np.nan), known.latents]))
    new = population(known.latents[::7] + np.float32(0.1), "new")
    expected = place_newcomers(new, known, sample_space(known)).samples
    pd.testing.assert_frame_equal(place_newcomers(new, more, sample_space(more)).samples, expected)


def test_latents_of_another_model_and_runs_without_maps_are_refused(known):
    with pytest.raises(ValueError, match="latents like the run's, 5 features; got 4"):
        place_newcomers(population(np.zeros((2, 4)), "new"), known, sample_space(known))
    bare = population(known.latents, "old")
    with pytest.raises(ValueError, match="must have a map to place samples on; got none"):
        place_newcomers(known, bare, sample_space(bare))


def test_both_stand_on_one_map(known):
    old = Population(known.samples.assign(split="training", thumbnail=None), known.latents, run={"task": "t"})
    new = population(np.vstack([known.latents[:2], np.full((1, 5), 40)]), "old")  # ids that are taken
    new = new.with_column("split", ["test"] * 3).with_column("thumbnail", ["thumbnails/a b.jpg", None, "c.png"])
    both = beside(place_newcomers(new, old, sample_space(old)), old, "placed/x")
    assert len(both) == 83
    assert both.samples["split"].value_counts().to_dict() == {"training": 80, "new": 3}
    assert both.samples["sample_id"].tolist()[80:] == ["new: old0", "new: old1", "new: old2"]
    thumbnails = both.samples["thumbnail"].fillna("").tolist()
    assert thumbnails == [""] * 80 + ["placed/x/thumbnails/a b.jpg", "", "placed/x/c.png"]
    assert both.samples["is_strange"].tolist() == [False] * 82 + [True]
    assert both.samples["nearest_distance"].notna().sum() == 3
    np.testing.assert_allclose(both.samples[MAPS][80:82], known.samples[MAPS][:2], atol=1e-3)
