import re

import numpy as np
import pandas as pd
import pytest

from latent_space import neighbors
from latent_space.population import Population
from latent_space.space import as_space, sample_space


@pytest.fixture
def population():
    latents = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    latents[7, 1] = np.nan
    return Population(pd.DataFrame({"sample_id": [f"s{i}" for i in range(30)]}), latents)


def test_rows_that_are_not_finite_are_out_and_values_come_back_to_their_rows(population):
    space = sample_space(population)
    assert len(space) == 29
    assert 7 not in space.rows
    np.testing.assert_array_equal(space.latents, population.latents[space.rows])
    np.testing.assert_array_equal(space.graph.indices, neighbors.build_graph(space.latents).indices)
    full = space.spread(np.arange(29), fill=-1)
    assert full[[6, 7, 8]].tolist() == [6, -1, 7]


def test_values_of_another_length_are_refused(population):
    with pytest.raises(ValueError, match=re.escape("one per row that has latents, 29; got shape (30,)")):
        sample_space(population).spread(np.zeros(30))


def test_graph_is_built_once_and_read_from_the_run_folder(population, tmp_path, monkeypatch):
    first = sample_space(population, tmp_path)
    monkeypatch.setattr("latent_space.space.build_graph", None)  # whoever builds again fails
    again = sample_space(population, tmp_path)
    np.testing.assert_array_equal(first.graph.indices, again.graph.indices)
    np.testing.assert_array_equal(first.graph.distances, again.graph.distances)
    np.testing.assert_array_equal(first.rows, again.rows)


def test_values_come_back_to_their_rows_from_a_stored_graph_too(population, tmp_path):
    for _ in range(2):
        full = sample_space(population, tmp_path).spread(np.arange(29))
        assert len(full) == 30
        assert np.flatnonzero(np.isnan(full)).tolist() == [7]


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut off"])
def test_damaged_graph_is_built_again(population, tmp_path, content):
    (tmp_path / "graph.npz").write_bytes(content)
    assert len(sample_space(population, tmp_path).graph.indices) == 29
    assert (tmp_path / "graph.npz").stat().st_size > 100


def test_graph_of_other_latents_is_built_again(population, tmp_path):
    sample_space(population, tmp_path)
    other = Population(population.samples, population.latents[::-1])
    expected = as_space(other.latents).graph.indices
    np.testing.assert_array_equal(sample_space(other, tmp_path).graph.indices, expected)


def test_without_latents_there_is_no_space():
    with pytest.raises(ValueError, match="must have latents to be compared; got none"):
        sample_space(Population(pd.DataFrame({"sample_id": ["a"]}), np.zeros((1, 0))))


def test_one_sample_and_none():
    assert as_space(np.zeros((1, 2))).graph.indices.shape == (1, 0)
    assert len(as_space(np.full((3, 2), np.nan))) == 0
