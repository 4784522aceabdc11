import numpy as np
import pytest

from armbench_segmentation.precision import to_float32


def test_every_half_precision_number_keeps_its_value():
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    np.testing.assert_array_equal(to_float32(every), every.astype(np.float32))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (), (1,), (2, 3, 4)])
def test_shapes_are_kept(shape):
    array = np.full(shape, 1.5, np.float16)
    assert to_float32(array).shape == shape
    assert to_float32(array).dtype == np.float32


def test_views_that_are_not_contiguous():
    array = np.arange(24, dtype=np.float16).reshape(4, 6)
    np.testing.assert_array_equal(to_float32(array[::2, ::3].T), array[::2, ::3].T.astype(np.float32))


def test_float32_is_not_copied():
    array = np.ones(3, np.float32)
    assert to_float32(array) is array
