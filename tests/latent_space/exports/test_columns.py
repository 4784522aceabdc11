import pandas as pd
import pytest

from latent_space.exports.columns import find_column, numbers, texts


@pytest.mark.parametrize(
    ("names", "role", "expected"),
    [
        (["sample_id", "meta_a_file_name", "meta_b_file_name"], "file_name", "meta_a_file_name"),
        (["meta_profile_name"], "file_name", None),
        (["meta_mean_box_width", "meta_image_width_px"], "width", "meta_image_width_px"),
        (["width"], "width", "width"),
        (["meta_bandwidth"], "width", None),
        (["meta_window_start", "meta_window_end"], "end", "meta_window_end"),
        (["meta_trend"], "end", None),
    ],
)
def test_columns_are_found_by_their_last_words(names, role, expected):
    assert find_column(names, role) == expected


def test_what_is_missing_is_none():
    table = pd.DataFrame({"name": ["a", None, " ", 3], "value": ["1", None, "x", float("inf")]})
    assert texts(table, "name") == ["a", None, None, "3"]
    assert numbers(table, "value") == [1.0, None, None, None]
    assert texts(table.assign(name=pd.array([7, None, None, 3], dtype="Int64")), "name") == ["7", None, None, "3"]
    assert texts(table, None) == numbers(table, "other") == [None] * 4
