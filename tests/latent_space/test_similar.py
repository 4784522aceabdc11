import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from latent_space.population import Population
from latent_space.similar import find_similar, row_of

POINTS = arrays(np.float32, (9, 2), elements=st.integers(-3, 3).map(float))


def population(latents, ids=None, **columns):
    names = [f"s{i}" for i in range(len(latents))] if ids is None else ids
    return Population(pd.DataFrame({"sample_id": names, **columns}), np.asarray(latents, np.float32))


def test_by_hand():
    known = population([[0], [3], [np.nan], [1], [-2]], split=list("aabbb"), loss=[0.0, 1.0, 2.0, np.nan, 4.0])
    found = find_similar(known, "s0")
    assert found["sample_id"].tolist() == ["s3", "s4", "s1"]
    assert found["distance"].tolist() == [1, 2, 3]
    assert found["split"].tolist() == ["b", "b", "a"]
    assert found["loss"].isna().tolist() == [True, False, False]
    assert find_similar(known, "s0", n=1)["sample_id"].tolist() == ["s3"]


@given(POINTS, st.integers(0, 8), st.integers(1, 10))
def test_distances_are_those_of_brute_force(latents, row, n):
    found = find_similar(population(latents), f"s{row}", n=n)
    distances = np.linalg.norm(latents - latents[row], axis=1)
    order = [i for i in np.argsort(distances, kind="stable") if i != row][:n]
    assert found["sample_id"].tolist() == [f"s{i}" for i in order]
    np.testing.assert_allclose(found["distance"], distances[order], rtol=1e-6)


def test_directions_can_be_compared_instead():
    found = find_similar(population([[1, 0], [1, 0.5], [9, 0]]), "s0", metric="cosine")
    assert found["sample_id"].tolist() == ["s2", "s1"]


def test_a_sample_that_is_alone():
    assert find_similar(population([[1.0]]), "s0").empty


def test_refusals():
    known = population([[0], [np.nan]])
    with pytest.raises(ValueError, match="must have finite latents; got 's1'"):
        find_similar(known, "s1")
    with pytest.raises(ValueError, match="n must be at least 1; got 0"):
        find_similar(known, "s0", n=0)
    with pytest.raises(ValueError, match="must have latents to be compared; got none"):
        find_similar(population(np.zeros((2, 0))), "s0")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("train_0000.jp", "train_00000.jpg"),
        ("VAL_00001.JPG", "val/val_00001.jpg"),
        ("val_00001", "val/val_00001.jpg"),
        ("tain_00002.jpg", "train_00002.jpg"),
    ],
)
def test_an_unknown_id_is_answered_with_the_nearest(typed, meant):
    ids = ["train_00010.jpg", "train_00000.jpg", "train_00002.jpg", "val/val_00001.jpg"]
    with pytest.raises(ValueError, match=rf"one of the 4 of the run; got '{typed}'. Did you mean '{meant}'\?$"):
        row_of(population(np.zeros((4, 1)), ids), typed)


@pytest.mark.parametrize("typed", ["", "?", "something else"])
def test_without_a_near_spelling_there_is_no_advice(typed):
    with pytest.raises(ValueError, match=r"got '[^']*'\.$"):
        row_of(population(np.zeros((2, 1)), ["a1", "b2"]), typed)
