import pytest

from anomaly_detection.tables.options import ReadOptions


def test_one_name_is_a_list_of_one():
    options = ReadOptions(label_column=" fault ", channels=["a", " b "])
    assert options.label_columns == ("fault",)
    assert options.channels == ("a", "b")


def test_without_label_columns_they_are_to_be_found():
    assert ReadOptions().label_columns is None


def test_changed_replaces_single_options():
    assert ReadOptions(decimal=",").changed(step_s=2.0) == ReadOptions(decimal=",", step_s=2.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decimal": ";"}, r"decimal must be '\.' or ','; got ';'"),
        ({"delimiter": ",,"}, "delimiter must be one character; got ',,'"),
        ({"delimiter": ",", "decimal": ","}, "decimal must differ from the delimiter"),
        ({"step_s": 0}, "step_s must be a positive number of seconds; got 0"),
        ({"max_gap_s": float("nan")}, "max_gap_s must be a positive number"),
        ({"channels": ("a", "a")}, "channels must name each column once; got a, a"),
        ({"channels": ()}, "channels must name at least one column"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        ReadOptions(**options)


def test_an_unknown_option():
    with pytest.raises(TypeError, match="'colour' must be an option of reading"):
        ReadOptions().changed(colour="red")
