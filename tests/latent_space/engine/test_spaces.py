"""Latent spaces that an integration registers itself."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow


def vectors(split, k):
    seed = ("training", "validation", "unlabeled").index(split)
    return np.random.default_rng([seed, k]).normal(size=12).astype(np.float32)


LATENT_SPACES = """
@tensorleap_custom_latent_space("raw")
def raw(sample_id, response: PreprocessResponse):
    return vector(sample_id, response).reshape(3, 4)


@tensorleap_custom_latent_space("pooled"{flag}, reduce=LatentSpaceReduction.MEAN_POOL, channel_axis=1)
def pooled(scores: np.ndarray, x: np.ndarray):
    assert scores.dtype == np.float16
    return np.stack([x.astype(np.float32)] * 2, 2)


@tensorleap_custom_latent_space("thrown", reduce=LatentSpaceReduction.RANDOM_PROJECTION, n_components=7)
def thrown(sample_id, response: PreprocessResponse):
    return np.arange(30.0) * len(sample_id)
"""


SPACE_IMPORTS = {"import DataStateType, ": "import DataStateType, LatentSpaceReduction, "}


def test_several_latent_spaces_the_flagged_one_first(write_integration, tmp_path, run):
    extra = LATENT_SPACES.format(flag=", use_ls_for_analysis=True")
    folder = write_integration(extra, "pooled(scores, vector)", change=SPACE_IMPORTS)
    out = tmp_path / "run"
    population = run(folder, out)
    assert population.run["latent"] == {"kind": "latent space", "name": "pooled", "n_features": 12}
    np.testing.assert_allclose(population.latents[0], vectors("training", 0).astype(np.float16), rtol=1e-6)
    others = {path.stem: np.load(path) for path in (out / "latent_spaces").iterdir()}
    assert set(others) == {"raw", "thrown"}
    np.testing.assert_array_equal(others["raw"][13], vectors("validation", 0))
    assert others["thrown"].shape == (24, 7)
    assert not np.array_equal(run(folder, tmp_path / "b", latent="thrown", seed=1).latents, others["thrown"])


def test_without_a_flag_the_first_by_name_and_another_by_wish(write_integration, tmp_path, run):
    extra = LATENT_SPACES.format(flag="")
    folder = write_integration(extra, "pooled(scores, vector)", change=SPACE_IMPORTS)
    assert run(folder, tmp_path / "run").run["latent"]["name"] == "pooled"
    raw = run(folder, tmp_path / "raw", latent="raw")
    np.testing.assert_array_equal(raw.latents[0], vectors("training", 0))
    assert run(folder, tmp_path / "tensor", latent="hidden").latents.shape == (24, 5)


def test_a_space_that_reads_ground_truth_gives_way_where_there_are_unlabelled_samples(write_integration, tmp_path, run):
    extra = """
    @tensorleap_custom_latent_space("truth")
    def truth(label: np.ndarray, scores: np.ndarray):
        return np.concatenate([label, scores], 1)
    """
    folder = write_integration(extra, "truth(label, scores)")
    population = run(folder, tmp_path / "run")
    assert population.run["latent"]["kind"] == "tensor"
    assert any("latent spaces truth cannot serve all samples" in line for line in population.run["warnings"])
    space = np.load(tmp_path / "run" / "latent_spaces" / "truth.npy")
    assert np.isnan(space).all(axis=1).tolist() == [False] * 19 + [True] * 5


def test_a_space_with_nan_sets_its_sample_aside(write_integration, tmp_path, run):
    extra = """
    @tensorleap_custom_latent_space("holes")
    def holes(sample_id, response: PreprocessResponse):
        return vector(sample_id, response) * (np.nan if sample_id == "training-1" else 1)
    """
    population = run(write_integration(extra), tmp_path / "run")
    (failed,) = population.run["failed"]
    assert (failed["sample_id"], failed["function"]) == ("training-1", "latent space 'holes'")
