import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from latent_space.joined_graph import joined_graph
from latent_space.neighbors import build_graph


def joined(places, n_neighbors=1):
    points = np.array(places, np.float32)[:, None]
    return joined_graph(points, build_graph(points, n_neighbors=n_neighbors))


def test_each_part_is_joined_to_the_nearest_of_those_before_by_hand():
    expected = np.zeros((6, 6))
    for start, end, far in [(0, 1, 1), (2, 3, 1), (4, 5, 1), (0, 2, 10), (2, 4, 20)]:
        expected[start, end] = expected[end, start] = far
    np.testing.assert_allclose(joined([0, 1, 10, 11, 30, 31]).toarray(), expected)


def test_the_order_of_the_parts_is_that_of_their_distances():
    found = joined([0, 1, 30, 31, 10, 11]).toarray()
    assert (found[0, 4], found[4, 2], found[0, 2]) == (10, 20, 0)


def test_a_graph_of_one_part_keeps_its_edges_and_no_others():
    found = joined([0, 1, 3, 6], n_neighbors=3).toarray()
    assert found.tolist() == [[0, 1, 3, 6], [1, 0, 2, 5], [3, 2, 0, 3], [6, 5, 3, 0]]


@pytest.mark.parametrize("places", [[0, 0, 0, 5], [5, 5, 5, 5, 7, 7, 7, 7]])
def test_copies_are_joined_by_edges_that_count(places):
    found = joined(places)
    assert (found.data > 0).all()
    assert connected_components(found)[0] == 1
    assert (found != found.T).nnz == 0
