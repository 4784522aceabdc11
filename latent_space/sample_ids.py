"""Read the sample ids that someone chose: the page's own export, or any table.

**Conventions**: a `.json` file holds {"sample_ids": [...]} or a list; any other file is a CSV with a column
`sample_id`. Ids are strings, in the order of the file, each once.
"""

import json
import os
from pathlib import Path
from typing import Any


def read_sample_ids(path: str | os.PathLike[str]) -> list[str]:
    """Return the sample ids in a file.

    Parameters
    ----------
    path : path
        JSON or CSV.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it does not hold sample ids, or none at all.
    """
    return list(dict.fromkeys(read_sample_columns(path)["sample_id"]))


def read_sample_columns(path: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Return the columns of a table of sample ids as texts, `sample_id` alone of JSON; see `read_sample_ids`."""
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"file of sample ids must exist; got {file}.")
    try:
        found = {"sample_id": _from_json(file)} if file.suffix.lower() == ".json" else _from_csv(file)
    except (ValueError, OSError) as error:
        told = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise ValueError(f"{file} must be JSON or CSV with sample ids; got: {told}") from error
    if not found["sample_id"]:
        raise ValueError(f"{file} must hold at least one sample id; got none.")
    return found


def _from_json(file: Path) -> list[str]:
    content: Any = json.loads(file.read_text(encoding="utf-8"))
    ids = content.get("sample_ids") if isinstance(content, dict) else content
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise ValueError('no list of strings under "sample_ids"')
    return ids


def _from_csv(file: Path) -> dict[str, list[str]]:
    import pandas as pd

    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    if "sample_id" not in table:
        raise ValueError(f"columns {', '.join(map(str, table.columns))}, and no sample_id")
    return {str(name): [str(one) for one in table[name]] for name in table}
