import numpy as np
import pytest

from latent_space.neighbors import build_graph
from latent_space.pruning.labels import class_codes, class_probabilities, hardness, likely_classes, neighbor_votes


def test_codes_by_hand():
    codes, classes = class_codes(np.array(["b", "a", "b"], object), 3)
    assert (codes.tolist(), classes.tolist()) == ([1, 0, 1], ["a", "b"])


def test_a_column_of_ids_or_measurements_is_no_column_of_classes():
    with pytest.raises(ValueError, match="labels must have at most 1,000 different values; got 1,001"):
        class_codes(np.arange(1001), 1001)
    assert len(class_codes(np.arange(1000), 1000)[1]) == 1000


def test_a_rare_class_is_not_taken_for_wrong_labels():
    codes = np.repeat([0, 1], [95, 5])
    probabilities = np.tile([0.9, 0.1], (100, 1))  # 0.1 is far more than 5 in 100
    assert likely_classes(probabilities, codes)[95:].tolist() == [1] * 5


def test_probabilities_never_see_the_own_label():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 50)
    latents = rng.normal(size=(100, 4)) + 8 * codes[:, None]
    codes[0] = 1
    probabilities = class_probabilities(latents, codes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert hardness(probabilities, codes).argmax() == 0
    assert neighbor_votes(build_graph(latents), codes)[0, 0] > 0.9
    np.testing.assert_array_equal(probabilities, class_probabilities(latents, codes))


def test_noise_is_not_learned_by_heart():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 100)
    probabilities = class_probabilities(rng.normal(size=(100, 200)), codes)
    assert (probabilities.argmax(axis=1) == codes).mean() < 0.7


@pytest.mark.parametrize("codes", [np.zeros(6, int), np.arange(6), np.zeros(1, int)])
def test_one_class_and_one_sample_per_class(codes):
    probabilities = class_probabilities(np.random.default_rng(0).normal(size=(len(codes), 2)), codes)
    assert np.isfinite(probabilities).all()
