import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latent_space.maps import add_maps, draw_maps
from latent_space.population import Population


@pytest.fixture(scope="module")
def population():
    rng = np.random.default_rng(0)
    n = 60
    split = np.repeat(["training", "validation", "unlabeled"], 20)
    samples = pd.DataFrame(
        {
            "sample_id": [f"s{i}" for i in range(n)],
            "split": split,
            "loss": np.where(split == "unlabeled", np.nan, rng.gamma(2, 0.3, n)),
        }
    )
    instances = pd.DataFrame({"sample_id": np.repeat(samples["sample_id"], 2).to_numpy()})
    return Population(samples, rng.normal(size=(n, 8)), instances, rng.normal(size=(2 * n, 4)), {"task": "totes"})


@pytest.fixture(scope="module")
def mapped(population):
    return add_maps(population)


def test_columns_and_facts(population, mapped):
    added = ["umap_x", "umap_y", "umap_neighbors_kept", "tsne_x", "tsne_y", "tsne_neighbors_kept"]
    assert list(mapped.samples) == [*population.samples, *added]
    assert list(mapped.instances) == ["sample_id", *added]
    assert mapped.samples[added].dtypes.eq(np.float32).all()
    assert np.isfinite(mapped.samples[added]).all(axis=None)
    maps = mapped.run["maps"]
    assert (maps["n_mapped"], maps["n_neighbors"], maps["instances"]["n_mapped"]) == (60, 15, 120)
    for facts in (maps, maps["instances"]):
        for method in ("umap", "tsne"):
            assert 0.6 < facts[method]["trustworthiness"] <= 1
            assert facts[method]["seconds"] > 0
    for method in ("umap", "tsne"):  # the figure of the map is the mean of its points'
        assert mapped.samples[f"{method}_neighbors_kept"].mean() == pytest.approx(maps[method]["neighbors_kept"])
    assert mapped.run["task"] == "totes"


def test_again_gives_the_same_and_replaces(mapped):
    again = add_maps(mapped)
    pd.testing.assert_frame_equal(again.samples, mapped.samples)


def test_maps_are_found_again_and_made_anew_for_other_latents(population, mapped, tmp_path, monkeypatch):
    first = add_maps(population, cache=tmp_path)
    assert sorted(file.name.rpartition("-")[0] for file in tmp_path.iterdir()) == [
        "instances-tsne",
        "instances-umap",
        "samples-tsne",
        "samples-umap",
    ]
    with monkeypatch.context() as patch:
        patch.setattr("latent_space.map_cache.project", None)  # whoever makes a map again fails
        again = add_maps(population, cache=tmp_path)
    pd.testing.assert_frame_equal(again.samples, first.samples)
    pd.testing.assert_frame_equal(first.samples, mapped.samples)
    other = Population(population.samples, population.latents * [1, -1, 1, 1, 1, 2, 1, 1])
    assert not add_maps(other, cache=tmp_path).samples["umap_x"].equals(first.samples["umap_x"])
    assert len(list(tmp_path.glob("samples-*"))) == 2
    for file in tmp_path.iterdir():
        file.write_bytes(b"cut off")
    pd.testing.assert_frame_equal(add_maps(population, cache=tmp_path).samples, first.samples)


def test_more_instances_than_the_cap_and_bad_latents_are_not_mapped(population):
    latents = population.latents.copy()
    latents[7, 2] = np.nan
    mapped = add_maps(
        Population(population.samples, latents, population.instances, population.instance_latents), max_instances=30
    )
    assert np.isfinite(mapped.instances["tsne_x"]).sum() == mapped.run["maps"]["instances"]["n_mapped"] == 30
    assert np.flatnonzero(np.isnan(mapped.samples["umap_x"])).tolist() == [7]
    assert mapped.run["maps"]["n_mapped"] == 59


def test_without_latents_there_is_nothing_to_map(population):
    with pytest.raises(ValueError, match="population must have latents to be mapped; got none"):
        add_maps(Population(population.samples, np.zeros((60, 0))))


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_hardly_any_sample(population, n):
    mapped = add_maps(Population(population.samples.iloc[:n], population.latents[:n]))
    assert np.isfinite(mapped.samples[["umap_x", "tsne_y"]]).all(axis=None)
    assert mapped.run["maps"]["n_mapped"] == n


def test_pictures_show_the_losses(mapped, tmp_path):
    paths = draw_maps(mapped, tmp_path / "run")
    assert [path.name for path in paths] == ["umap.png", "tsne.png"]
    assert sorted((tmp_path / "run").iterdir()) == sorted(paths)
    with Image.open(paths[0]) as picture:
        assert min(picture.size) >= 900
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3).astype(int)
    worst = np.array(matplotlib.colormaps["plasma"](0.88)[:3]) * 255
    assert (np.abs(pixels - worst).max(axis=1) < 12).sum() > 100


@pytest.mark.parametrize("change", ["no loss", "no split", "constant loss", "unknown split", "one sample", "no sample"])
def test_pictures_of_odd_populations(mapped, tmp_path, change):
    samples = {
        "no loss": mapped.samples.drop(columns="loss"),
        "no split": mapped.samples.drop(columns="split"),
        "constant loss": mapped.samples.assign(loss=1.0),
        "unknown split": mapped.samples.assign(split="$field_{$"),
        "one sample": mapped.samples.iloc[:1],
        "no sample": mapped.samples.iloc[:0],
    }[change]
    assert len(draw_maps(Population(samples, mapped.latents[: len(samples)]), tmp_path)) == 2


def test_without_maps_there_are_no_pictures(population, tmp_path):
    assert draw_maps(population, tmp_path) == []
