"""The samples of a run with everything known about them: what every later stage reads and adds to.

A `Population` is one table row per sample, one latent vector per row, the same for the objects in the samples where
the task has objects, and the facts of the run. On disk it is the run folder.

**Conventions**: row i of `latents` belongs to row i of `samples`; rows are told apart by `sample_id` (a string,
unique), never by the table's index, which is always 0..n-1. Latents are float32. A population is not changed in place:
stages return a new one. Columns and files of a stage are absent until it has run, and readers tolerate that: without
`latents.npy` the latents have shape (n, 0), without `instances.parquet` there are no instances.
"""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.run_folder import (
    INSTANCE_LATENTS_FILE,
    INSTANCES_FILE,
    LATENTS_FILE,
    RUN_FILE,
    SAMPLES_FILE,
    read_file,
    read_json,
    replaced_files,
    write_json,
)


@dataclass(frozen=True, eq=False)
class Population:
    """One row per sample (and per instance) with its latent vector, and the facts of the run.

    Attributes
    ----------
    samples : DataFrame
        A row per sample; `sample_id` is always there, the other columns as far as their stage has run.
    latents : (n_samples, n_features) float32 array
        Rows as in `samples`.
    instances : DataFrame, optional
        A row per object, with the `sample_id` it belongs to; None where the task has no objects.
    instance_latents : (n_instances, n_features) float32 array, optional
        Rows as in `instances`.
    run : dict
        What `run.json` holds: task, model, versions, seconds per stage, map quality, failed samples.

    Raises
    ------
    ValueError
        If rows are not aligned, `sample_id` is missing or not unique, or latents are not two-dimensional.

    Examples
    --------
    >>> samples = pd.DataFrame({"sample_id": ["a", "b"], "loss": [0.5, 0.25]})
    >>> population = Population(samples, np.zeros((2, 3)))
    >>> population.with_column("is_hard", [True, False]).samples["is_hard"].tolist()
    [True, False]
    """

    samples: pd.DataFrame
    latents: npt.NDArray[np.float32]
    instances: pd.DataFrame | None = None
    instance_latents: npt.NDArray[np.float32] | None = None
    run: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        samples = _checked_ids(self.samples, "samples")
        if samples["sample_id"].duplicated().any():
            twice = samples["sample_id"][samples["sample_id"].duplicated()].iloc[0]
            raise ValueError(f"samples must have unique sample_ids; got {twice!r} more than once.")
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "latents", _checked_latents(self.latents, len(samples), "latents"))
        if self.instances is not None:
            instances = _checked_ids(self.instances, "instances")
            strangers = ~instances["sample_id"].isin(samples["sample_id"])
            if strangers.any():
                stranger = instances["sample_id"][strangers].iloc[0]
                raise ValueError(f"instances must belong to samples; got sample_id {stranger!r}, which no sample has.")
            object.__setattr__(self, "instances", instances)
        if self.instance_latents is not None:
            if self.instances is None:
                raise ValueError("instances must be given with instance_latents; got None.")
            checked = _checked_latents(self.instance_latents, len(self.instances), "instance_latents")
            object.__setattr__(self, "instance_latents", checked)

    def __len__(self) -> int:
        return len(self.samples)

    @classmethod
    def load(cls, run_dir: str | os.PathLike[str]) -> "Population":
        """Read a run folder.

        Parameters
        ----------
        run_dir : path
            Folder that `armscope explore` wrote, or `save`.

        Returns
        -------
        Population
            What the folder holds; parts that are absent are empty.

        Raises
        ------
        FileNotFoundError
            If the folder or its `samples.parquet` does not exist.
        ValueError
            If a file cannot be read or the files do not belong together.
        """
        folder = Path(run_dir)
        if not folder.is_dir():
            raise FileNotFoundError(f"run_dir must be a run folder; got {folder}, which is not a folder.")
        if not (folder / SAMPLES_FILE).is_file():
            raise FileNotFoundError(
                f"run_dir must be a run folder with {SAMPLES_FILE}; got {folder}. Make one with `armscope explore`."
            )
        samples = read_file(folder / SAMPLES_FILE, pd.read_parquet)
        latents = read_file(folder / LATENTS_FILE, np.load)
        latents = np.zeros((len(samples), 0), np.float32) if latents is None else latents
        instances = read_file(folder / INSTANCES_FILE, pd.read_parquet)
        instance_latents = read_file(folder / INSTANCE_LATENTS_FILE, np.load)
        run = read_file(folder / RUN_FILE, read_json) or {}
        try:
            return cls(samples, latents, instances, instance_latents, run)
        except ValueError as error:
            raise ValueError(f"The files of the run folder {folder} do not belong together: {error}") from error

    def save(self, run_dir: str | os.PathLike[str]) -> Path:
        """Write the run folder's tables, latents and `run.json`; other files in it stay as they are.

        Each file is written under a temporary name, and only when all are complete do they take their names, so a
        crash leaves the old population. Files of parts that this population does not have are removed.

        Parameters
        ----------
        run_dir : path
            Made when it does not exist.

        Returns
        -------
        Path
            `run_dir`.

        Raises
        ------
        ValueError
            If a table holds what Parquet cannot, or `run` what JSON cannot.
        """
        folder = Path(run_dir)
        folder.mkdir(parents=True, exist_ok=True)
        writers: dict[str, Callable[[Path], None] | None] = {
            INSTANCE_LATENTS_FILE: _array_writer(self.instance_latents),
            INSTANCES_FILE: _table_writer(self.instances, "instances"),
            LATENTS_FILE: _array_writer(self.latents if self.latents.shape[1] else None),
            SAMPLES_FILE: _table_writer(self.samples, "samples"),
            RUN_FILE: lambda path: write_json(path, self.run),
        }
        with replaced_files() as temporary_name:
            for name, write in writers.items():
                if write is not None:
                    write(temporary_name(folder / name))
        for name, write in writers.items():
            if write is None:
                (folder / name).unlink(missing_ok=True)
        return folder

    def with_column(
        self,
        name: str,
        values: Any,
        *,
        table: Literal["samples", "instances"] = "samples",
        replace: bool = False,
    ) -> "Population":
        """Return a population with one more column.

        Parameters
        ----------
        name : str
            Of the column.
        values : sequence of one value per row
            Taken in order; an index of `values` is ignored.
        table : {"samples", "instances"}
            Which table gets it.
        replace : bool
            Whether a column of that name may be replaced. Otherwise it is an error: two stages that write the same
            column must not do so silently.

        Returns
        -------
        Population
            Shares everything but the table with this one.

        Raises
        ------
        ValueError
            If the length differs, the column exists, or there is no such table.
        """
        if table not in ("samples", "instances"):
            raise ValueError(f"table must be samples or instances; got {table!r}.")
        old = self.samples if table == "samples" else self.instances
        if old is None:
            raise ValueError("table must exist; got 'instances', but this population has no instances.")
        if name in old.columns and not replace:
            raise ValueError(
                f"name must be new; got {name!r}, a column that {table} has. Pass replace=True to replace."
            )
        if np.shape(values) != (len(old),):
            raise ValueError(f"values must be one per row, {len(old)}; got shape {np.shape(values)} for {name!r}.")
        # One concatenation instead of an insertion: a frame grown column by column gets slow and warns.
        kept = old.drop(columns=name) if name in old.columns else old
        added = pd.concat([kept, pd.DataFrame({name: getattr(values, "array", values)}, index=kept.index)], axis=1)
        ordered = added[old.columns] if name in old.columns else added
        if table == "samples":
            return dataclasses.replace(self, samples=ordered)
        return dataclasses.replace(self, instances=ordered)

    def with_run(self, **facts: Any) -> "Population":
        """Return a population whose `run` also holds `facts`; facts of the same name are replaced."""
        return dataclasses.replace(self, run={**self.run, **facts})


def _checked_ids(table: pd.DataFrame, name: str) -> pd.DataFrame:
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"{name} must be a pandas DataFrame; got {type(table).__name__}.")
    if "sample_id" not in table.columns:
        raise ValueError(f"{name} must have a column sample_id; got {', '.join(map(str, table.columns)) or 'none'}.")
    wrong = [value for value in table["sample_id"] if not isinstance(value, str)]
    if wrong:
        raise ValueError(f"{name} must have strings as sample_id; got {wrong[0]!r}.")
    return table.reset_index(drop=True)


def _checked_latents(latents: npt.ArrayLike, n_rows: int, name: str) -> npt.NDArray[np.float32]:
    array = np.ascontiguousarray(latents, dtype=np.float32)
    if np.ndim(latents) != 2 or len(array) != n_rows:
        raise ValueError(f"{name} must be ({n_rows}, n_features), a row per table row; got {np.shape(latents)}.")
    return array


def _array_writer(array: npt.NDArray[np.float32] | None) -> Callable[[Path], None] | None:
    if array is None:
        return None

    def write(path: Path) -> None:
        with path.open("wb") as file:  # np.save would add .npy to a temporary name
            np.save(file, array, allow_pickle=False)

    return write


def _table_writer(table: pd.DataFrame | None, name: str) -> Callable[[Path], None] | None:
    if table is None:
        return None

    def write(path: Path) -> None:
        import pyarrow as pa

        try:
            table.to_parquet(path, index=False)
        except (pa.ArrowException, TypeError) as error:
            raise ValueError(f"{name} must have one type per column; got: {error}") from error

    return write
