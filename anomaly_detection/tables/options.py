"""How a table of sensor values is to be read, where the file alone does not tell or tells it wrongly.

**Conventions**: None means "detect it". Names of columns are compared without the spaces around them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

DEFAULT_MAX_GAP_STEPS = 10.0
MACHINE_NAMES = ("machine", "machine_id", "robot_id")


@dataclass(frozen=True)
class ReadOptions:
    """Options of `read_series` and `iterate_table`.

    Attributes
    ----------
    delimiter : str, optional
        Between the fields of a CSV.
    decimal : {".", ","}, optional
        Decimal mark of a CSV.
    encoding : str, optional
        Of a CSV.
    datetime_column : str, optional
        Holds the time of each row: text, or a number of s, ms, us or ns since 1970.
    step_s : float, optional
        Seconds from row to row; by default the median of what the times say, 1 without times.
    channels : sequence of str, optional
        Columns to read as channels, in this order; by default every numeric column that is nothing else.
    exclude : sequence of str
        Columns that are no channels.
    label_column : str or sequence of str, optional
        True where the row is anomalous; of several columns any. By default `label`, `anomaly` or `is_anomaly`.
    type_column : str, optional
        Kind of anomaly; by default `anomaly_type`.
    machine_column : str, optional
        Name of the machine; by default `machine`, `machine_id` or `robot_id`.
    mode_column : str, optional
        Operating mode; by default `operating_mode`.
    max_gap_s : float, optional
        A longer pause starts a new series; by default 10 steps.

    Examples
    --------
    >>> ReadOptions(label_column="grip_lost").label_column
    ('grip_lost',)
    """

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    datetime_column: str | None = None
    step_s: float | None = None
    channels: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    label_column: str | Sequence[str] | None = None
    type_column: str | None = None
    machine_column: str | None = None
    mode_column: str | None = None
    max_gap_s: float | None = None

    def __post_init__(self) -> None:
        """Check the values and bring lists of names into one form."""
        if self.decimal not in (None, ".", ","):
            raise ValueError(f"decimal must be '.' or ','; got {self.decimal!r}.")
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ValueError(f"delimiter must be one character; got {self.delimiter!r}.")
        if self.delimiter is not None and self.delimiter == self.decimal:
            raise ValueError(f"decimal must differ from the delimiter; got {self.decimal!r} for both.")
        for name in ("step_s", "max_gap_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} must be a positive number of seconds; got {value!r}.")
        for name in ("channels", "exclude", "label_column"):
            object.__setattr__(self, name, _names(name, getattr(self, name)))
        for name in ("datetime_column", "type_column", "machine_column", "mode_column"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else value.strip())

    @property
    def label_columns(self) -> tuple[str, ...] | None:
        """Names of the label columns, None where they are to be found by their names."""
        return None if self.label_column is None else tuple(self.label_column)

    def changed(self, **changes: Any) -> "ReadOptions":
        """Return the options with some values replaced.

        Raises
        ------
        TypeError
            If an option is unknown.
        """
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise TypeError(f"{name!r} must be an option of reading ({', '.join(known)}).")
        return replace(self, **changes)


def _names(option: str, value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = tuple(name.strip() for name in ((value,) if isinstance(value, str) else value))
    if len(set(names)) < len(names):
        raise ValueError(f"{option} must name each column once; got {', '.join(names)}.")
    if option != "exclude" and not names:
        raise ValueError(f"{option} must name at least one column; got none.")
    return names
