import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_space.explorer.packing import Store

SIZES = {"f4": 4, "f8": 8, "int": 4, "few": 1}


def unpacked(store, place):
    """What the page reads: the twin of unpacking.js."""
    stream = zlib.decompress(base64.b64decode(store.base64()))
    at, n, planes = place["at"], place["n"], place["planes"]
    size = SIZES[place["type"]]
    items = np.zeros((n, size), np.uint8)
    top = size - planes if place["type"] == "int" else 0
    for plane in range(planes):
        items[:, size - 1 - plane - top] = np.frombuffer(stream[at + plane * n : at + (plane + 1) * n], np.uint8)
    if place["type"] in ("f4", "f8"):
        return items.view(f"<{place['type']}")[:, 0].astype(float)
    codes = items.view(f"<u{size}")[:, 0].astype(float)
    if place["type"] == "few":
        return np.array([*place["levels"], *[np.nan] * (256 - len(place["levels"]))])[codes.astype(int)]
    return np.where(codes == 256**planes - 1, np.nan, codes + place["offset"])


def round_trip(values):
    store = Store()
    store.json("something before")
    place = store.numbers(np.asarray(values, float))
    return place, unpacked(store, place)


@pytest.mark.parametrize(
    ("values", "kind", "planes"),
    [
        ([], "few", 1),
        ([np.nan] * 3, "few", 1),
        ([0.1, np.nan, -7.25], "few", 1),
        (np.arange(300), "int", 2),
        ([*range(1000, 1300), np.nan], "int", 2),
        (np.arange(0, 300 * 65_536, 65_536), "int", 4),
        (np.arange(300) * 2.0**40 + 1, "f8", 8),
        (np.arange(300) * 1e300, "f8", 8),
        (1e9 + np.linspace(0, 1, 300), "f8", 8),
        ([*np.linspace(0, 1, 300), np.inf], "f4", 3),
    ],
)
def test_every_kind_of_column_comes_back(values, kind, planes):
    place, back = round_trip(values)
    assert (place["type"], place["planes"]) == (kind, planes)
    if kind == "f4":
        np.testing.assert_allclose(back, values, rtol=2**-16)
    else:
        np.testing.assert_array_equal(back, values)


@given(st.lists(st.floats(allow_subnormal=False), max_size=20), st.integers(0, 2**32))
def test_numbers_keep_the_digits_that_are_shown(values, seed):
    more = np.random.default_rng(seed).lognormal(0, 3, 400)
    values = np.array([*values, *more])
    _, back = round_trip(values)
    finite = np.isfinite(values)
    np.testing.assert_array_equal(back[~finite], values[~finite])
    np.testing.assert_allclose(back[finite], values[finite], rtol=2**-16, atol=0)


def test_texts_of_any_script():
    store = Store()
    place = store.json(['</script> "ä漢', None])
    stream = zlib.decompress(base64.b64decode(store.base64()))
    assert stream[place["at"] : place["at"] + place["n"]].decode() == '["</script> \\"ä漢",null]'


def test_a_population_of_50_000_samples_with_40_columns_is_small():
    generator = np.random.default_rng(0)
    store = Store()
    for _ in range(40):
        store.numbers(generator.normal(size=50_000))
    for _ in range(4):
        store.places(generator.normal(size=50_000))
    store.json([f"image_{i:06d}.jpg" for i in range(50_000)])
    assert len(store.base64()) < 8e6 - 150_000, "with the page's own text"
