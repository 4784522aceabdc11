"""Put the chunks of a run together: one table, one array of latents, one folder of pictures.

**Conventions**: rows are in the order of the tasks, whatever order the chunks were run in. A column has the type that
fits all its values (see `chunks.column_array`); one without any value is float64, all NaN. `confusion.parquet` and
`latent_spaces/<name>.npy` are written only where an integration gives them; rows of the latter are those of `samples`,
NaN where a sample has no vector in that space.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.engine.chunks import WrittenChunk, column_array
from latent_space.population import Population
from latent_space.progress import track
from latent_space.run_folder import replaced_files

Vectors = npt.NDArray[np.float32]
CONFUSION_FILE = "confusion.parquet"
PICTURE_FOLDERS = ("thumbnails", "visualizers")
SPACES_FOLDER = "latent_spaces"


def assemble(chunks: Sequence[WrittenChunk]) -> Population:
    """Read all chunks into one population, without pictures."""
    vectors = [chunk.vectors() for chunk in track(chunks, "reading chunks")]
    objects = table(chunks, "objects")
    object_latents = [arrays["object_latents"] for arrays in vectors if "object_latents" in arrays]
    return Population(
        table(chunks, "samples"),
        np.concatenate([arrays["latents"] for arrays in vectors if "latents" in arrays]),
        objects if len(objects) else None,
        np.concatenate(object_latents) if object_latents and len(objects) else None,
    )


def table(chunks: Sequence[WrittenChunk], name: str) -> pd.DataFrame:
    """Read one of the chunks' tables as one."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {}
    n_rows = 0
    for chunk in chunks:
        part = chunk.rows(name)
        n_new = len(next(iter(part.values()), []))
        for column in dict.fromkeys([*columns, *part]):
            before = columns.setdefault(column, [None] * n_rows)
            before += part.get(column, [None] * n_new)
        n_rows += n_new
    arrays = {column: column_array(values) for column, values in columns.items()}
    empty = {column: array.cast(pa.float64()) for column, array in arrays.items() if pa.types.is_null(array.type)}
    frame: pd.DataFrame = pa.table(arrays | empty).to_pandas()
    return frame


def write_extras(chunks: Sequence[WrittenChunk], n_samples: int, out: Path) -> None:
    """Write the confusion elements and the further latent spaces, or remove those of an earlier run."""
    confusion = table(chunks, "confusion")
    shutil.rmtree(out / SPACES_FOLDER, ignore_errors=True)
    (out / CONFUSION_FILE).unlink(missing_ok=True)
    with replaced_files() as temporary_name:
        if len(confusion):
            confusion.to_parquet(temporary_name(out / CONFUSION_FILE), index=False)
        for name, array in _spaces(chunks, n_samples).items():
            (out / SPACES_FOLDER).mkdir(exist_ok=True)
            with temporary_name(out / SPACES_FOLDER / f"{quote(name, safe=' ')}.npy").open("wb") as file:
                np.save(file, array, allow_pickle=False)


def _spaces(chunks: Sequence[WrittenChunk], n_samples: int) -> dict[str, Vectors]:
    spaces: dict[str, Vectors] = {}
    start = 0
    for chunk in chunks:
        arrays = chunk.vectors()
        for key in [key for key in arrays if key.startswith("space ")]:
            name = key.removeprefix("space ")
            whole = spaces.setdefault(name, np.full((n_samples, arrays[key].shape[1]), np.nan, np.float32))
            whole[start + arrays[f"rows {name}"]] = arrays[key]
        start += len(arrays.get("latents", ()))
    return spaces


def collect_pictures(chunks: Sequence[WrittenChunk], work: Path, out: Path) -> None:
    """Move the chunks' pictures into the run folder, in place of those of an earlier run."""
    for chunk in track(chunks, "pictures"):
        for name, path in chunk.files():
            target = work / "pictures" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            # Copied, not moved: until the run is complete, its chunks can be used again.
            shutil.copyfile(path, target)
    for folder in PICTURE_FOLDERS:
        shutil.rmtree(out / folder, ignore_errors=True)
        if (work / "pictures" / folder).is_dir():
            (work / "pictures" / folder).rename(out / folder)
