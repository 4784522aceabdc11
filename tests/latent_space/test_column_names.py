"""A column is found by any name that the page or an insight shows."""

import pytest

from latent_space.column_names import column_named

COLUMNS = ["sample_id", "split", "loss", "meta_image_condition_clutter", "meta_kind", "metric_f1", "meta_left_size"]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("split", "split"),
        ("kind", "meta_kind"),
        ("meta_kind", "meta_kind"),
        ("f1", "metric_f1"),
        ("clutter", "meta_image_condition_clutter"),
        ("condition_clutter", "meta_image_condition_clutter"),
        ("image_condition_clutter", "meta_image_condition_clutter"),
    ],
)
def test_the_last_parts_of_a_name_are_enough(name, column):
    assert column_named(COLUMNS, name, "groups") == column


def test_the_whole_name_wins_over_longer_ones():
    assert column_named(["meta_left_size", "meta_size"], "size", "groups") == "meta_size"


def test_messages():
    with pytest.raises(
        ValueError, match=r"groups must name one column .*; got 'size', which may be any of meta_a_size"
    ):
        column_named(["meta_a_size", "meta_b_size"], "size", "groups")
    with pytest.raises(ValueError, match=r"got 'cluter'\. Did you mean meta_image_condition_clutter\?"):
        column_named(COLUMNS, "cluter", "floor")
    for name in ("", "zzz", "lutter_"):
        with pytest.raises(ValueError, match=f"classes must be a column of the run's samples; got '{name}'"):
            column_named(COLUMNS, name, "classes")
