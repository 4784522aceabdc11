"""Chunks on disk, and putting them together."""

import numpy as np
import pyarrow as pa
import pytest

from latent_space.engine.assembly import assemble, table, write_extras
from latent_space.engine.chunks import Chunk, WrittenChunk, column_array, record_batch
from latent_space.population import Population


def written(folder, ids, *, values=None, objects=(), spaces=None, failed=()):
    chunk = Chunk(
        samples=[{"sample_id": name, "split": "training", **(values or {})} for name in ids],
        objects=[{"sample_id": name, "instance_id": f"{name}:0"} for name in objects],
        latents=[np.full(2, len(name), np.float32) for name in ids],
        object_latents=[np.ones(2, np.float32) for _ in objects],
        spaces=spaces or {},
        files={f"thumbnails/{name}.jpg": name.encode() for name in ids},
        failed=list(failed),
        warnings=["careful"],
    )
    chunk.write(folder)
    return WrittenChunk(folder)


def test_a_chunk_comes_back_as_it_was(tmp_path):
    chunk = written(tmp_path / "c", ["a", "bb"], values={"metric_x": 1}, objects=["a"], failed=[{"sample_id": "z"}])
    assert chunk.exists
    assert chunk.rows("samples") == {"sample_id": ["a", "bb"], "split": ["training"] * 2, "metric_x": [1.0, 1.0]}
    assert chunk.rows("confusion") == {}
    assert chunk.vectors()["latents"].tolist() == [[1, 1], [2, 2]]
    assert chunk.facts() == {"failed": [{"sample_id": "z"}], "warnings": ["careful"]}
    assert {name: path.read_bytes() for name, path in chunk.files()} == {
        "thumbnails/a.jpg": b"a",
        "thumbnails/bb.jpg": b"bb",
    }


def test_a_chunk_that_was_not_finished_does_not_exist(tmp_path):
    (tmp_path / ".c.draft").mkdir()
    assert not WrittenChunk(tmp_path / "c").exists
    written(tmp_path / "c", ["a"])
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_chunks_with_other_columns_are_put_together(tmp_path):
    chunks = [
        written(tmp_path / "0", ["a"], values={"metric_x": None, "meta_t": "one"}),
        written(tmp_path / "1", []),
        written(tmp_path / "2", ["b"], values={"metric_y": 2, "meta_t": 3}, objects=["b"]),
    ]
    population = assemble(chunks)
    samples = population.samples
    assert samples["sample_id"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(samples["metric_x"].to_numpy(), [np.nan, np.nan])
    assert samples["metric_x"].dtype == np.float64
    np.testing.assert_array_equal(samples["metric_y"].to_numpy(), [np.nan, 2.0])
    assert samples["meta_t"].tolist() == ["one", "3.0"]
    assert population.instances["instance_id"].tolist() == ["b:0"]
    assert population.instance_latents.shape == (1, 2)
    assert table(chunks, "confusion").empty


def test_outlines_come_back_as_they_were(tmp_path):
    outlines = [None, [[0.25, 0.5, 1.0]], [[0.5] * 4, [0.0] * 2]]
    folders = []
    for number, outline in enumerate(outlines):
        chunk = Chunk(samples=[{"sample_id": str(number)}], latents=[np.zeros(2, np.float32)])
        chunk.objects = [{"sample_id": str(number), "polygons_rel": outline, "box_rel": [0.0, 1.0]}]
        chunk.write(tmp_path / str(number))
        folders.append(WrittenChunk(tmp_path / str(number)))
    population = assemble(folders)
    for _ in range(2):
        read = [one if one is None else [ring.tolist() for ring in one] for one in population.instances["polygons_rel"]]
        assert read == outlines
        population.save(tmp_path / "run")
        population = Population.load(tmp_path / "run")


def test_further_spaces_have_a_row_per_sample(tmp_path):
    chunks = [
        written(tmp_path / "0", ["a", "b"], spaces={"a/b": {1: np.ones(3, np.float32)}}),
        written(tmp_path / "1", ["c"], spaces={"a/b": {0: np.full(3, 2, np.float32)}}),
    ]
    write_extras(chunks, 3, tmp_path)
    space = np.load(tmp_path / "latent_spaces" / "a%2Fb.npy")
    np.testing.assert_array_equal(space, [[np.nan] * 3, [1] * 3, [2] * 3])
    write_extras([written(tmp_path / "2", ["a"])], 1, tmp_path)
    assert not (tmp_path / "latent_spaces").exists()


@pytest.mark.parametrize(
    ("values", "kind", "content"),
    [
        ([1, None, True], pa.float64(), [1.0, None, 1.0]),
        ([True, None], pa.bool_(), [True, None]),
        (["a", True, 2], pa.string(), ["a", "True", "2"]),
        ([[0, 1], None], pa.list_(pa.float64()), [[0.0, 1.0], None]),
        ([None, [[0, 0.5], [1]]], pa.list_(pa.list_(pa.float32())), [None, [[0.0, 0.5], [1.0]]]),
        ([[], [[2, 3]]], pa.list_(pa.list_(pa.float32())), [[], [[2.0, 3.0]]]),
        ([None, None], pa.null(), [None, None]),
        ([], pa.null(), []),
    ],
)
def test_a_column_has_the_type_that_fits_all(values, kind, content):
    array = column_array(values)
    assert array.type == kind
    assert array.to_pylist() == content


def test_rows_with_other_keys_make_one_batch():
    batch = record_batch([{"a": 1}, {"b": "x"}])
    assert batch.to_pydict() == {"a": [1.0, None], "b": [None, "x"]}
