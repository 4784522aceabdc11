import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latent_space.population import Population


@pytest.fixture
def population():
    samples = pd.DataFrame({"sample_id": ["b", "a", "ü/ö 1"], "loss": [0.5, np.nan, 2.0], "split": ["training"] * 3})
    instances = pd.DataFrame({"sample_id": ["a", "b"], "kind": ["gt", "pred"], "confidence": [np.nan, 0.75]})
    latents = np.arange(6, dtype=np.float32).reshape(3, 2)
    return Population(samples, latents, instances, latents[:2] + 1, {"task": "totes", "seconds": {"maps": 1.5}})


def test_what_was_saved_is_loaded(population, tmp_path):
    loaded = Population.load(population.save(tmp_path / "run"))
    pd.testing.assert_frame_equal(loaded.samples, population.samples)
    pd.testing.assert_frame_equal(loaded.instances, population.instances)
    np.testing.assert_array_equal(loaded.latents, population.latents)
    np.testing.assert_array_equal(loaded.instance_latents, population.instance_latents)
    assert loaded.latents.dtype == loaded.instance_latents.dtype == np.float32
    assert loaded.run == population.run
    assert len(loaded) == 3


def test_saving_twice_gives_the_same_bytes_and_leaves_no_temporary_files(population, tmp_path):
    first, second = population.save(tmp_path / "first"), population.save(tmp_path / "second")
    names = sorted(path.name for path in first.iterdir())
    assert names == ["instance_latents.npy", "instances.parquet", "latents.npy", "run.json", "samples.parquet"]
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_absent_parts_are_empty(tmp_path):
    pd.DataFrame({"sample_id": ["a", "b"]}).to_parquet(tmp_path / "samples.parquet")
    loaded = Population.load(tmp_path)
    assert loaded.latents.shape == (2, 0)
    assert loaded.instances is None
    assert loaded.instance_latents is None
    assert loaded.run == {}


def test_no_samples_at_all_is_a_population(tmp_path):
    empty = Population(pd.DataFrame({"sample_id": pd.Series([], dtype=str)}), np.zeros((0, 4)))
    assert len(Population.load(empty.save(tmp_path))) == 0


def test_saving_without_instances_removes_those_of_before(population, tmp_path):
    population.save(tmp_path)
    Population(population.samples, population.latents).save(tmp_path)
    assert Population.load(tmp_path).instances is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latents.npy", "run.json", "samples.parquet"]


def test_a_failed_save_leaves_the_old_population(population, tmp_path):
    population.save(tmp_path)
    broken = population.with_column("meta_mixed", [1, "one", b"1"])
    with pytest.raises(ValueError, match=r"samples must have one type per column; got: .*meta_mixed"):
        broken.save(tmp_path)
    pd.testing.assert_frame_equal(Population.load(tmp_path).samples, population.samples)
    assert len(list(tmp_path.iterdir())) == 5


def test_run_facts_are_strict_json(population, tmp_path):
    facts = {"ap": np.float32("nan"), "n": np.int64(3), "at": Path("model.onnx"), "share": [0.5, float("inf")]}
    population.with_run(**facts).save(tmp_path)
    read = json.loads((tmp_path / "run.json").read_text(), parse_constant=pytest.fail)
    assert read["task"] == "totes"
    assert {key: read[key] for key in facts} == {"ap": None, "n": 3, "at": "model.onnx", "share": [0.5, None]}
    with pytest.raises(ValueError, match="run must hold only JSON values; got object"):
        population.with_run(model=object()).save(tmp_path)


def test_with_column_leaves_the_original_alone(population):
    added = population.with_column("umap_x", np.array([1.0, 2.0, 3.0], np.float32))
    assert "umap_x" not in population.samples
    assert added.samples["umap_x"].dtype == np.float32
    assert added.latents is population.latents


def test_with_column_takes_values_in_order_whatever_their_index(population):
    values = pd.Series([10, 20, 30], index=[2, 1, 0])
    assert population.with_column("cluster_id", values).samples["cluster_id"].tolist() == [10, 20, 30]


def test_with_column_of_instances(population):
    added = population.with_column("umap_x", [3, 4], table="instances")
    assert added.instances["umap_x"].tolist() == [3, 4]
    assert "umap_x" not in added.samples


def test_with_column_replaces_only_on_demand_and_in_place(population):
    with pytest.raises(ValueError, match="name must be new; got 'loss', a column that samples has"):
        population.with_column("loss", [1, 2, 3])
    replaced = population.with_column("loss", [1, 2, 3], replace=True)
    assert replaced.samples["loss"].tolist() == [1, 2, 3]
    assert list(replaced.samples) == list(population.samples)


def test_with_column_refuses_what_does_not_fit(population):
    with pytest.raises(ValueError, match=r"values must be one per row, 3; got shape \(2,\) for 'x'"):
        population.with_column("x", [1, 2])
    with pytest.raises(ValueError, match=r"values must be one per row, 3; got shape \(3, 2\)"):
        population.with_column("x", np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"values must be one per row, 3; got shape \(\)"):
        population.with_column("x", 1)
    with pytest.raises(ValueError, match="table must be samples or instances; got 'objects'"):
        population.with_column("x", [1, 2, 3], table="objects")
    with pytest.raises(ValueError, match="this population has no instances"):
        Population(population.samples, population.latents).with_column("x", [1], table="instances")


def test_rows_must_be_aligned(population):
    samples, instances, latents = population.samples, population.instances, population.latents
    with pytest.raises(ValueError, match=r"latents must be \(3, n_features\), a row per table row; got \(2, 2\)"):
        Population(samples, latents[:2])
    with pytest.raises(ValueError, match=r"latents must be \(3, n_features\).*got \(3,\)"):
        Population(samples, latents[:, 0])
    with pytest.raises(ValueError, match=r"instance_latents must be \(2, n_features\)"):
        Population(samples, latents, instances, latents)
    with pytest.raises(ValueError, match="instances must be given with instance_latents; got None"):
        Population(samples, latents, None, latents)


def test_ids_must_be_unique_known_strings(population):
    samples, latents = population.samples, population.latents
    with pytest.raises(ValueError, match="samples must have unique sample_ids; got 'a' more than once"):
        Population(samples.assign(sample_id=["a", "b", "a"]), latents)
    with pytest.raises(ValueError, match="samples must have strings as sample_id; got 1"):
        Population(samples.assign(sample_id=[1, 2, 3]), latents)
    with pytest.raises(ValueError, match="samples must have a column sample_id; got loss, split"):
        Population(samples.drop(columns="sample_id"), latents)
    with pytest.raises(TypeError, match="samples must be a pandas DataFrame; got list"):
        Population([1], latents)
    with pytest.raises(ValueError, match="got sample_id 'z', which no sample has"):
        Population(samples, latents, pd.DataFrame({"sample_id": ["z"]}))


def test_a_folder_that_is_no_run_is_named(population, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run_dir must be a run folder; got .*nowhere, which is not a folder"):
        Population.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"must be a run folder with samples.parquet; got .*armscope explore"):
        Population.load(tmp_path)


@pytest.mark.parametrize("name", ["samples.parquet", "latents.npy", "instances.parquet", "run.json"])
def test_a_damaged_file_is_named(population, tmp_path, name):
    population.save(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"^\S*{name} must be a readable file of a run folder"):
        Population.load(tmp_path)


def test_files_of_two_runs_do_not_mix(population, tmp_path):
    population.save(tmp_path)
    np.save(tmp_path / "latents.npy", np.zeros((5, 2), np.float32))
    with pytest.raises(ValueError, match=r"do not belong together: latents must be \(3, n_features\)"):
        Population.load(tmp_path)
