"""Find a column of the samples by the name that a user has read somewhere: in full, or without its first parts.

**Conventions**: `clutter` and `condition_clutter` both mean `meta_image_condition_clutter`, if no other column ends so.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

PREFIXES = ("", "meta_", "metric_")
_SHOWN = 3


def column_named(columns: Iterable[Any], name: str, argument: str) -> str:
    """Return the column that a name means: itself, after `meta_` or `metric_`, or the only one that ends with it.

    Raises
    ------
    ValueError
        If no column fits, or several do; `argument` is what asked for it.

    Examples
    --------
    >>> column_named(["sample_id", "meta_image_blur", "meta_image_colour"], "colour", "groups")
    'meta_image_colour'
    """
    known = [str(column) for column in columns]
    exact = [prefix + name for prefix in PREFIXES if prefix + name in known]
    ends = [column for column in known if name and column.endswith(f"_{name}")]
    if exact or len(ends) == 1:
        return (exact or ends)[0]
    if ends:
        raise ValueError(
            f"{argument} must name one column of the run's samples; got {name!r}, which may be any of {_listed(ends)}."
        )
    parts = {
        "_".join(words[at:]): column for column in known for words in [column.split("_")] for at in range(len(words))
    }
    near = list(dict.fromkeys(parts[one] for one in get_close_matches(name, parts, n=_SHOWN)))
    hint = f" Did you mean {_listed(near)}?" if near else ""
    raise ValueError(f"{argument} must be a column of the run's samples; got {name!r}.{hint}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return " or ".join(names[:_SHOWN]) + more
