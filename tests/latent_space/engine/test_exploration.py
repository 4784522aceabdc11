"""The engine on a small integration, in real worker processes."""

import json

import numpy as np
import pandas as pd
import pytest

from latent_space.engine.exploration import explore
from latent_space.engine.failures import IntegrationError
from latent_space.population import Population


def test_every_sample_of_every_split_goes_through_all_handlers(write_integration, tmp_path, run):
    folder = write_integration()
    population = run(folder, tmp_path / "run")
    samples = population.samples
    assert samples["split"].value_counts().to_dict() == {"training": 13, "validation": 6, "unlabeled": 5}
    assert samples["sample_id"].tolist()[:2] == ["training-0", "training-1"]
    assert {"loss", "metric_error", "meta_facts_mean", "meta_facts_positive", "meta_facts_name"} <= set(samples.columns)
    assert samples["meta_facts_name"].tolist() == samples["sample_id"].tolist()
    assert samples["meta_facts_positive"].dtype == bool
    unlabeled = samples["split"] == "unlabeled"
    assert samples.loc[unlabeled, ["loss", "metric_error"]].isna().all(axis=None)
    assert samples.loc[~unlabeled, ["loss", "metric_error"]].notna().all(axis=None)
    assert population.latents.shape == (24, 5)
    assert population.latents.dtype == np.float32


def test_the_numbers_are_those_of_a_plain_loop(write_integration, tmp_path, run):
    """The oracle: numpy on the weights, float16 where the platform hands tensors over."""
    import onnx
    from onnx import numpy_helper

    folder = write_integration()
    population = run(folder, tmp_path / "run")
    model = onnx.load(folder / "model.onnx")
    w = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for row, (seed, k) in ((0, (0, 0)), (14, (1, 1))):
        x = np.random.default_rng([seed, k]).normal(size=12).astype(np.float32)
        hidden = np.maximum(x @ w["w1"] + w["b1"], 0)
        logits = hidden @ w["w2"] + w["b2"]
        scores = (np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()).astype(np.float16)
        label = np.eye(3)[int(abs(x[0]) * 10) % 3]
        np.testing.assert_allclose(population.latents[row], hidden, rtol=1e-5, atol=1e-6)
        sample = population.samples.iloc[row]
        assert sample["metric_error"] == pytest.approx(np.abs(label - scores).mean(), rel=1e-3)
        assert sample["loss"] == pytest.approx(-np.log(np.float32(scores[label == 1][0]) + 1e-6), rel=1e-3)


def test_the_run_folder_holds_what_the_population_is(write_integration, tmp_path, run):
    out = tmp_path / "run"
    population = run(write_integration(), out)
    loaded = Population.load(out)
    pd.testing.assert_frame_equal(loaded.samples, population.samples)
    np.testing.assert_array_equal(loaded.latents, population.latents)
    facts = json.loads((out / "run.json").read_text())
    assert facts["latent"]["kind"] == "tensor"
    assert facts["latent"]["n_features"] == 5
    assert facts["splits"]["validation"] == {"n": 6, "n_failed": 0}
    assert len(facts["model_sha256"]) == 64
    assert facts["metrics"] == {"error": "Downward"}
    assert facts["seed"] == 0
    assert facts["settings"]["batch_size"] == 16
    assert {"open", "samples", "assembly"} <= set(facts["seconds"])
    assert all((out / path).is_file() for path in loaded.samples["thumbnail"])
    assert len(list((out / "visualizers" / "curve").iterdir())) == 24
    assert not (out / ".work").exists()


def test_nothing_of_a_run_that_could_not_start_stays(write_integration, tmp_path, run):
    folder = write_integration()
    (folder / "model.onnx").unlink()
    with pytest.raises(IntegrationError):
        run(folder, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_jobs_chunks_and_batches_do_not_change_the_bytes(write_integration, tmp_path, run):
    folder = write_integration(change={'"training": 13': '"training": 150'})
    one = run(folder, tmp_path / "one")
    for number, options in enumerate(({"jobs": 3}, {"batch_size": 5}, {"batch_size": 1, "visualizers": False})):
        other = run(folder, tmp_path / str(number), **options)
        assert other.latents.tobytes() == one.latents.tobytes()
        assert (tmp_path / str(number) / "latents.npy").read_bytes() == (tmp_path / "one" / "latents.npy").read_bytes()
        pd.testing.assert_frame_equal(
            other.samples.drop(columns="thumbnail"), one.samples.drop(columns="thumbnail"), check_exact=True
        )


@pytest.mark.slow
def test_a_limit_holds_for_each_split(write_integration, tmp_path, run):
    population = run(write_integration(), tmp_path / "run", limit=4)
    assert population.samples["split"].value_counts().to_dict() == {"training": 4, "validation": 4, "unlabeled": 4}


def test_a_fixed_batch_is_filled_up(write_integration, tmp_path, run):
    dynamic = run(write_integration(), tmp_path / "dynamic")
    fixed = run(write_integration(batch=4, name="four"), tmp_path / "fixed", batch_size=5)
    np.testing.assert_allclose(fixed.latents, dynamic.latents, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fixed.samples["loss"], dynamic.samples["loss"], rtol=1e-3)
    assert fixed.run["batch_size"] == 8


@pytest.mark.slow
def test_a_fixed_batch_of_one_works(write_integration, tmp_path, run):
    assert len(run(write_integration(batch=1), tmp_path / "run")) == 24


@pytest.mark.slow
def test_a_model_can_be_given_and_the_integration_needs_none(write_integration, tmp_path, run):
    folder = write_integration()
    model = tmp_path / "other.onnx"
    (folder / "model.onnx").rename(model)
    population = run(folder, tmp_path / "run", model=model)
    assert population.run["model"] == str(model)


@pytest.mark.slow
def test_data_and_model_reach_the_integration_in_its_environment(write_integration, tmp_path, run):
    extra = """
    import os

    @tensorleap_metadata("seen")
    def seen(sample_id, response):
        return {key: os.environ.get(key, "") for key in ("ARMSCOPE_DATA", "ARMSCOPE_MODEL", "TL_DISABLE_ANALYTICS")}
    """
    folder = write_integration(extra)
    model = folder / "model.onnx"
    samples = run(folder, tmp_path / "run", model=model, data=tmp_path / "data", limit=1).samples
    assert set(samples["meta_seen_ARMSCOPE_DATA"]) == {str(tmp_path / "data")}
    assert set(samples["meta_seen_ARMSCOPE_MODEL"]) == {str(model)}
    assert set(samples["meta_seen_TL_DISABLE_ANALYTICS"]) == {"1"}


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["binder.py", "code/deep/start.py"])
def test_entry_files_of_any_name_and_place(entry, write_integration, tmp_path, run):
    folder = write_integration(entry=entry)
    assert len(run(folder, tmp_path / "run", limit=1)) == 3
    assert len(run(folder / entry, tmp_path / "file", limit=1)) == 3


def test_packages_named_like_ours_are_theirs(write_integration, tmp_path, run):
    """Even `latent_space`; and what the command line imported is not there."""
    extra = """
    import armbench_segmentation, armscope, latent_space, latent_space.settings, settings_of_mine
    whose = [armbench_segmentation.WHOSE, armscope.WHOSE, latent_space.WHOSE, latent_space.settings.WHOSE]

    @tensorleap_metadata("whose")
    def of_whom(sample_id, response):
        import latent_space.later
        return " ".join([*whose, settings_of_mine.WHOSE, latent_space.later.WHOSE])
    """
    folder = write_integration(extra)
    for package in ("armbench_segmentation", "armscope", "latent_space"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("WHOSE = 'theirs'\n")
    for module in ("latent_space/settings.py", "latent_space/later.py", "settings_of_mine.py"):
        (folder / module).write_text("WHOSE = 'theirs'\n")
    samples = run(folder, tmp_path / "run", limit=2, jobs=2).samples
    assert set(samples["meta_whose"]) == {" ".join(["theirs"] * 6)}


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["leap_integration.py", "tensorleap/start.py"])
def test_modules_named_like_ours_are_theirs_of_whatever_kind(entry, write_integration, tmp_path, run):
    """A module instead of a package, packages without `__init__.py`, and a folder that the entry file adds."""
    extra = """
    import sys
    sys.path.insert(0, str(HERE / "more"))
    import armbench_segmentation.helper, armscope.q, latent_space, tests.theirs

    @tensorleap_metadata("whose")
    def whose(sample_id, response):
        import armscope.later
        modules = (armbench_segmentation.helper, armscope.q, armscope.later, latent_space, tests.theirs)
        return " ".join(module.WHOSE for module in modules)
    """
    folder = write_integration(extra, entry=entry)
    here = (folder / entry).parent
    names = ("armbench_segmentation/helper.py", "armscope/q.py", "armscope/later.py", "tests/theirs.py")
    for name in (*names, "more/latent_space/__init__.py" if "/" in entry else "latent_space.py"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("WHOSE = 'theirs'\n")
    samples = run(folder, tmp_path / "run", limit=1).samples
    assert set(samples["meta_whose"]) == {" ".join(["theirs"] * 5)}


@pytest.mark.slow
def test_an_integration_may_use_ours_where_it_has_none_of_that_name(write_integration, tmp_path, run):
    extra = """
    from latent_space import Population

    @tensorleap_metadata("ours")
    def ours(sample_id, response):
        return Population.__module__
    """
    samples = run(write_integration(extra), tmp_path / "run", limit=1).samples
    assert set(samples["meta_ours"]) == {"latent_space.population"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "read", ["len(sys.stdin.read())", "len(subprocess.run(['cat'], stdout=-1, check=True).stdout)", "os.read(0, 9)"]
)
def test_what_an_integration_reads_from_standard_input_is_empty(read, write_integration, tmp_path, run):
    extra = f"""
    import os, subprocess, sys

    @tensorleap_metadata("read")
    def reading(sample_id, response):
        return {read if read.startswith("len") else f"len({read})"}
    """
    samples = run(write_integration(extra), tmp_path / "run", limit=1).samples
    assert (samples["meta_read"] == 0).all()


@pytest.mark.slow
def test_a_relative_folder_and_a_working_directory_with_a_package_like_ours(
    write_integration, tmp_path, monkeypatch, run
):
    folder = write_integration()
    (folder / "latent_space").mkdir()
    (folder / "latent_space" / "__init__.py").write_text("raise RuntimeError('not this one')\n")
    monkeypatch.chdir(folder)
    assert len(run(".", "../run", limit=1)) == 3
    assert (tmp_path / "run" / "samples.parquet").is_file()


@pytest.mark.slow
def test_what_an_integration_prints_does_not_disturb(write_integration, tmp_path, capfd, run):
    extra = """
    import sys
    print("hello at import")

    @tensorleap_metadata("noise")
    def noise(sample_id, response):
        print("line from", sample_id)
        sys.stderr.write("and on stderr\\n")
        return 1
    """
    population = run(write_integration(extra), tmp_path / "run", limit=2)
    assert set(population.samples["meta_noise"]) == {1.0}
    captured = capfd.readouterr()
    assert "hello" not in captured.out + captured.err


@pytest.mark.slow
def test_ids_that_splits_share_are_told_apart(write_integration, tmp_path, run):
    change = {
        'sample_ids=[f"{state}-{k}" for k in range(n)], data': "length=n, data",
        'int(sample_id.split("-")[-1])': "sample_id",
        '"name": sample_id': '"name": str(sample_id)',
    }
    samples = run(write_integration(change=change), tmp_path / "run", limit=2).samples
    assert samples["sample_id"].tolist()[:3] == ["training/0", "training/1", "validation/0"]
    assert samples["meta_facts_name"].tolist()[:3] == ["0", "1", "0"]
    assert samples["thumbnail"].is_unique


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "limit must be at least 1; got 0"),
        ({"jobs": -1}, "jobs must be at least 1; got -1"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"model": "nowhere.onnx"}, r"model must be an ONNX file; got .*nowhere.onnx, which does not exist"),
    ],
)
def test_arguments_are_checked_before_anything_starts(options, message, write_integration, tmp_path, run):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run(write_integration(), tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_folder_with_other_files_is_not_written_to(write_integration, tmp_path, run):
    folder = write_integration()
    with pytest.raises(ValueError, match="out must be a new or empty folder, or an earlier run"):
        run(folder, folder)
    with pytest.raises(ValueError, match=r"out must be a folder; got .* which is a file"):
        run(folder, folder / "model.onnx")


@pytest.mark.slow
def test_maps_and_report_are_made(write_integration, tmp_path):
    population = explore(write_integration(), out=tmp_path / "run", jobs=1)
    assert {"umap_x", "umap_y", "tsne_x", "tsne_y"} <= set(population.samples.columns)
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    assert population.run["seconds"]["maps"] > 0


@pytest.mark.slow
def test_a_latent_can_be_named(write_integration, tmp_path, run):
    folder = write_integration()
    assert run(folder, tmp_path / "run", latent="logits").latents.shape == (24, 3)
    with pytest.raises(IntegrationError, match="latent must be a tensor of the model's graph"):
        run(folder, tmp_path / "other", latent="nowhere")


def test_a_model_may_be_given_by_its_folder(write_integration, tmp_path, run):
    folder = write_integration()
    (tmp_path / "model").mkdir()
    (folder / "model.onnx").rename(tmp_path / "model" / "detector.onnx")
    run(folder, tmp_path / "run", model=tmp_path / "model", limit=2)
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["model"] == str(tmp_path / "model" / "detector.onnx")


def test_a_folder_without_or_with_several_models_is_refused(write_integration, tmp_path, run):
    (tmp_path / "model").mkdir()
    with pytest.raises(
        ValueError, match=r"model must be an ONNX file or a folder with one; got .*model, which holds 0"
    ):
        run(write_integration(), tmp_path / "run", model=tmp_path / "model")


@pytest.mark.parametrize("factor", ["0 * x", "x"], ids=["constant", "one_dimensional"])
def test_few_latents_have_maps_too(write_integration, tmp_path, run, factor):
    extra = f"""
    @tensorleap_custom_latent_space("flat")
    def flat(vector):
        x = np.asarray(vector, np.float32)[:, :1]
        return {factor}
    """
    folder = write_integration(extra, "flat(vector)")
    population = run(folder, tmp_path / "run", maps=True)
    assert population.latents.shape == (24, 1)
    assert np.isfinite(population.samples[["umap_x", "umap_y", "tsne_x", "tsne_y"]].to_numpy(float)).all()
    assert (tmp_path / "run" / "report.html").is_file()
