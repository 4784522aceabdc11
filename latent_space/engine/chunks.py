"""A chunk of the work: what to run, and what came out, as Arrow record batches, vectors and small pictures.

A chunk is a pure call (plan, split, ids) -> `Chunk`, so it can run in this process, in another, or on another machine;
`Chunk.write` and `Chunk.read` are how it travels.

**Conventions**: rows of all parts that are per sample are in the order of the ids; samples that failed are only in
`failed`. Columns of numbers are float64, of truth values bool, of everything else strings; a column that holds nothing
is of Arrow's null type until chunks are put together.
"""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.engine.integration import SampleId

Vectors = npt.NDArray[np.float32]
_TABLES = ("samples", "objects", "confusion")
_FACTS = "facts.json"


@dataclass(frozen=True)
class Plan:
    """How to run an integration: everything that decides the numbers, and nothing else.

    Attributes
    ----------
    root, file : str
        Folder of the integration (absolute) and its entry file in it.
    model : str, optional
        An ONNX file instead of the integration's own model.
    latent : str, optional
        A tensor of the graph, or a latent space of the integration, instead of the automatic choice.
    batch_size : int
        Samples that metrics and losses get at once.
    seed : int
        Of random projections.
    visualizers : bool
        Whether visualizers run.
    """

    root: str
    file: str
    model: str | None = None
    latent: str | None = None
    batch_size: int = 16
    seed: int = 0
    visualizers: bool = True


@dataclass(frozen=True)
class Task:
    """One chunk to run: samples of one split.

    Attributes
    ----------
    split : str
    sample_ids : tuple
        As the integration knows them.
    pictures : bool
        Whether the pictures of all visualizers are kept, or only a thumbnail.
    """

    split: str
    sample_ids: tuple[SampleId, ...]
    pictures: bool = False


@dataclass
class Chunk:
    """What came out of a task.

    Attributes
    ----------
    samples, objects, confusion : list of dict
        Rows; as record batches once written.
    latents, object_latents : list of (n_features,) arrays
        Per row of `samples` and, where the latent tensor is a map, of `objects`.
    spaces : dict
        Further latent spaces: name -> number of the sample's row -> vector; a sample may have none.
    files : dict
        Relative path -> content of a small picture.
    failed : list of dict
        `sample_id`, `split`, `function`, `reason`.
    warnings : list of str
    """

    samples: list[dict[str, Any]] = field(default_factory=list)
    objects: list[dict[str, Any]] = field(default_factory=list)
    confusion: list[dict[str, Any]] = field(default_factory=list)
    latents: list[Vectors] = field(default_factory=list)
    object_latents: list[Vectors] = field(default_factory=list)
    spaces: dict[str, dict[int, Vectors]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    failed: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write the chunk as a folder that appears complete or not at all."""
        import pyarrow as pa

        draft = folder.with_name(f".{folder.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name in _TABLES:
            batch = record_batch(getattr(self, name))
            with pa.OSFile(str(draft / f"{name}.arrow"), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
                writer.write_batch(batch)
        np.savez(draft / "vectors.npz", **self._arrays())
        for name, content in self.files.items():
            path = draft / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (draft / _FACTS).write_text(json.dumps({"failed": self.failed, "warnings": self.warnings}), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)

    def _arrays(self) -> dict[str, Any]:
        parts = {"latents": self.latents, "object_latents": self.object_latents}
        arrays = {name: np.stack(vectors) for name, vectors in parts.items() if vectors}
        for name, vectors in self.spaces.items():
            arrays |= {f"space {name}": np.stack(list(vectors.values())), f"rows {name}": np.array(list(vectors))}
        return arrays


@dataclass(frozen=True)
class WrittenChunk:
    """A chunk on disk, read part by part."""

    folder: Path

    @property
    def exists(self) -> bool:
        """Whether the chunk was written to its end."""
        return (self.folder / _FACTS).is_file()

    def rows(self, name: str) -> dict[str, list[Any]]:
        """Columns of one of the tables."""
        import pyarrow as pa

        with pa.memory_map(str(self.folder / f"{name}.arrow")) as source, pa.ipc.open_file(source) as reader:
            read = reader.read_all()
            # Outlines stay arrays: as lists of Python's numbers they would take tens of times their size.
            outlines = [name for name in read.column_names if read.schema.field(name).type == _rings()]
            arrays = {name: read[name].to_pandas().tolist() for name in outlines}
        columns: dict[str, list[Any]] = read.drop_columns(outlines).to_pydict()
        return {name: arrays[name] if name in arrays else columns[name] for name in read.column_names}

    def vectors(self) -> dict[str, Vectors]:
        """All arrays by name."""
        with np.load(self.folder / "vectors.npz") as content:
            return dict(content)

    def facts(self) -> dict[str, Any]:
        """`failed` and `warnings`."""
        content: dict[str, Any] = json.loads((self.folder / _FACTS).read_text(encoding="utf-8"))
        return content

    def files(self) -> Iterable[tuple[str, Path]]:
        """Relative path and place of each picture."""
        base = self.folder / "files"
        return ((path.relative_to(base).as_posix(), path) for path in sorted(base.rglob("*")) if path.is_file())


def record_batch(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Make an Arrow record batch of rows whose keys may differ."""
    import pyarrow as pa

    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: column_array([row.get(name) for row in rows]) for name in names}
    return pa.RecordBatch.from_pydict(columns)


def column_array(values: Sequence[Any]) -> Any:
    """Give a column one type: numbers float64, truth values bool, lists of numbers or rings as such, mixtures strings.

    Examples
    --------
    >>> column_array([1, None, 2.5]).type, column_array([True, None]).type, column_array(["a", 1]).to_pylist()
    (DataType(double), DataType(bool), ['a', '1'])
    """
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pa.nulls(len(values))
    if kinds <= {list, np.ndarray}:
        one = next((value[0] for value in values if value is not None and len(value)), None)
        return pa.array(values, pa.list_(pa.float64()) if one is None or np.ndim(one) == 0 else _rings())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds <= {bool, int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _rings() -> Any:
    import pyarrow as pa

    return pa.list_(pa.list_(pa.float32()))
