"""How commands take options of reading: as `--read NAME=VALUE`, since files mostly tell it themselves."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Annotated, Any

import typer

from anomaly_detection.tables.options import ReadOptions

Read = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="How to read a table that does not tell it itself; repeat. Names as the options of `prepare csv`: "
        "label_column=fault, channels=a,b, decimal=',' ...",
    ),
]
_LISTS = ("channels", "exclude", "label_column")
_NUMBERS = ("step_s", "max_gap_s")


def read_options(pairs: Iterable[str] | None) -> ReadOptions:
    """Bring `--read` options into one object.

    Raises
    ------
    ValueError
        If a pair is none, or names no option of reading.

    Examples
    --------
    >>> read_options(["label_column=a,b", "step_s=2"]).label_column
    ('a', 'b')
    """
    known = [f.name for f in fields(ReadOptions)]
    values: dict[str, Any] = {}
    for name, text in setting_assignments(pairs, "--read").items():
        if name not in known:
            raise ValueError(f"--read must name one of {', '.join(known)}; got {name!r}.")
        values[name] = names(text) if name in _LISTS else number(text, f"--read {name}") if name in _NUMBERS else text
    return ReadOptions(**values)


def setting_assignments(pairs: Iterable[str] | None, option: str) -> dict[str, str]:
    """Split NAME=VALUE pairs whose names are settings: `window-size` is `window_size`.

    Raises
    ------
    ValueError
        As `assignments`.
    """
    dashed = [pair.partition("=") for pair in pairs or ()]
    return assignments([name.replace("-", "_") + equals + value for name, equals, value in dashed], option)


def assignments(pairs: Iterable[str] | None, option: str) -> dict[str, str]:
    """Split NAME=VALUE pairs; names, such as those of channels, stay as they are.

    Raises
    ------
    ValueError
        If one has no `=`, or a name comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ValueError(f"{option} must be NAME=VALUE; got {pair!r}.")
        if name in found:
            raise ValueError(f"{option} must give each name once; got {name!r} twice.")
        found[name] = value
    return found


def names(text: str | None) -> tuple[str, ...] | None:
    """Split a list of names at its commas; None stays None.

    Examples
    --------
    >>> names("axis_1, axis_2")
    ('axis_1', 'axis_2')
    """
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def number(text: str, option: str) -> float:
    """Read a number.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{option} must be a number; got {text!r}.") from None


def integer(text: str, option: str) -> int:
    """Read an integer.

    Raises
    ------
    ValueError
        If it is none.
    """
    value = number(text, option)
    if not value.is_integer():
        raise ValueError(f"{option} must be an integer; got {text!r}.")
    return int(value)
