"""The order of samples that does not depend on how they are listed."""

import numpy as np

from latent_space.labelling.order import own_order


def test_equal_zeros_of_both_signs_are_the_same_sample():
    points = np.array([[0.0, 1.0], [2.0, 0.0], [3.0, 3.0]], np.float32)
    signed = np.where(points == 0, np.float32(-0.0), points)
    assert own_order(points).tolist() == own_order(signed).tolist()


def test_it_is_a_permutation_with_exact_duplicates_in_their_order():
    order = own_order(np.ones((4, 2), np.float32)).tolist()
    assert order == [0, 1, 2, 3]
    assert own_order(np.empty((0, 3), np.float32)).tolist() == []
