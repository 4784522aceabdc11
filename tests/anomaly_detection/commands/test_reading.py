import pytest

from anomaly_detection.commands.reading import assignments, names, number, read_options, setting_assignments


def test_pairs_become_options() -> None:
    options = read_options(["label_column=stop, grip", "step-s=0.5", "decimal=,", "datetime_column=when = then"])
    assert options.label_column == ("stop", "grip")
    assert options.step_s == 0.5
    assert options.decimal == ","
    assert options.datetime_column == "when = then"
    assert read_options(None) == read_options([])


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["label_column"], r"--read must be NAME=VALUE; got 'label_column'\."),
        (["=3"], "--read must be NAME=VALUE"),
        (["colour=red"], "--read must name one of delimiter, decimal, .*; got 'colour'"),
        (["step_s=fast"], "--read step_s must be a number; got 'fast'"),
        (["step_s=1", "step_s=2"], "each name once; got 'step_s' twice"),
        (["step_s=-1"], "step_s must be a positive number"),
    ],
)
def test_bad_pairs_are_refused(pairs: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_options(pairs)


def test_small_readers() -> None:
    assert names(None) is None
    assert names("a, b,") == ("a", "b")
    assert number("1e-3", "--x") == 0.001
    assert assignments(["motor-temp=°C"], "--unit") == {"motor-temp": "°C"}
    assert setting_assignments(["window-size=3-4"], "--set") == {"window_size": "3-4"}
