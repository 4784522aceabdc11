"""The engine on small integrations, in real worker processes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from latent_space.engine import explore
from latent_space.failures import IntegrationError
from latent_space.population import Population


def run(folder, out, **options):
    return explore(folder, out=out, **{"maps": False, "jobs": 1, **options})


def test_every_sample_of_every_split_goes_through_all_handlers(write_integration, tmp_path):
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


def test_the_numbers_are_those_of_a_plain_loop(write_integration, tmp_path):
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


def test_the_run_folder_holds_what_the_population_is(write_integration, tmp_path):
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


def test_nothing_of_a_run_that_could_not_start_stays(write_integration, tmp_path):
    folder = write_integration()
    (folder / "model.onnx").unlink()
    with pytest.raises(IntegrationError):
        run(folder, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_jobs_chunks_and_batches_do_not_change_the_bytes(write_integration, tmp_path):
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
def test_a_limit_holds_for_each_split(write_integration, tmp_path):
    population = run(write_integration(), tmp_path / "run", limit=4)
    assert population.samples["split"].value_counts().to_dict() == {"training": 4, "validation": 4, "unlabeled": 4}


def test_a_fixed_batch_is_filled_up(write_integration, tmp_path):
    dynamic = run(write_integration(), tmp_path / "dynamic")
    fixed = run(write_integration(batch=4, name="four"), tmp_path / "fixed", batch_size=5)
    np.testing.assert_allclose(fixed.latents, dynamic.latents, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fixed.samples["loss"], dynamic.samples["loss"], rtol=1e-3)
    assert fixed.run["batch_size"] == 8


@pytest.mark.slow
def test_a_fixed_batch_of_one_works(write_integration, tmp_path):
    assert len(run(write_integration(batch=1), tmp_path / "run")) == 24


@pytest.mark.slow
def test_a_model_can_be_given_and_the_integration_needs_none(write_integration, tmp_path):
    folder = write_integration()
    model = tmp_path / "other.onnx"
    (folder / "model.onnx").rename(model)
    population = run(folder, tmp_path / "run", model=model)
    assert population.run["model"] == str(model)


@pytest.mark.slow
def test_data_and_model_reach_the_integration_in_its_environment(write_integration, tmp_path):
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
def test_entry_files_of_any_name_and_place(entry, write_integration, tmp_path):
    folder = write_integration(entry=entry)
    assert len(run(folder, tmp_path / "run", limit=1)) == 3
    assert len(run(folder / entry, tmp_path / "file", limit=1)) == 3


def test_packages_named_like_ours_are_theirs(write_integration, tmp_path):
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
def test_a_relative_folder_and_a_working_directory_with_a_package_like_ours(write_integration, tmp_path, monkeypatch):
    folder = write_integration()
    (folder / "latent_space").mkdir()
    (folder / "latent_space" / "__init__.py").write_text("raise RuntimeError('not this one')\n")
    monkeypatch.chdir(folder)
    assert len(run(".", "../run", limit=1)) == 3
    assert (tmp_path / "run" / "samples.parquet").is_file()


@pytest.mark.slow
def test_what_an_integration_prints_does_not_disturb(write_integration, tmp_path, capfd):
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
def test_ids_that_splits_share_are_told_apart(write_integration, tmp_path):
    change = {
        'sample_ids=[f"{state}-{k}" for k in range(n)], data': "length=n, data",
        'int(sample_id.split("-")[-1])': "sample_id",
        '"name": sample_id': '"name": str(sample_id)',
    }
    samples = run(write_integration(change=change), tmp_path / "run", limit=2).samples
    assert samples["sample_id"].tolist()[:3] == ["training/0", "training/1", "validation/0"]
    assert samples["meta_facts_name"].tolist()[:3] == ["0", "1", "0"]
    assert samples["thumbnail"].is_unique


@pytest.mark.slow
def test_an_id_that_is_given_twice_is_refused(write_integration, tmp_path):
    change = {'f"{state}-{k}" for k in range(n)': 'f"{state}-{k % 4}" for k in range(n)'}
    with pytest.raises(
        IntegrationError, match="preprocess gives the sample id 'training-0' of training more than once"
    ):
        run(write_integration(change=change), tmp_path / "run")


def test_a_sample_that_fails_is_set_aside_and_counted(write_integration, tmp_path):
    extra = """
    @tensorleap_metadata("fragile")
    def fragile(sample_id, response):
        if sample_id == "training-3":
            raise OSError("truncated file")
        return 1
    """
    population = run(write_integration(extra), tmp_path / "run")
    assert "training-3" not in set(population.samples["sample_id"])
    assert population.run["splits"]["training"] == {"n": 12, "n_failed": 1}
    (failed,) = population.run["failed"]
    assert failed["sample_id"] == "training-3"
    assert failed["function"] == "metadata 'fragile'"
    assert "OSError: truncated file (leap_integration.py, line" in failed["reason"]
    assert len(population.latents) == len(population.samples) == 23


@pytest.mark.slow
def test_the_sample_that_breaks_a_batch_is_found(write_integration, tmp_path):
    extra = """
    @tensorleap_custom_metric("picky", direction=MetricDirection.Upward)
    def picky(label, response: SamplePreprocessResponse):
        if "training-5" in response.sample_ids:
            raise ZeroDivisionError("that one")
        return np.arange(len(label), dtype=np.float32)
    """
    wired = "picky(label, SamplePreprocessResponse(np.array([sample_id]), response))"
    population = run(write_integration(extra, wired), tmp_path / "run")
    assert [one["sample_id"] for one in population.run["failed"]] == ["training-5"]
    assert "metric 'picky'" in population.run["failed"][0]["function"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"return vector(sample_id, response)\n\n\n@tensorleap_gt": "raise OSError('gone')\n\n\n@tensorleap_gt"},
         r"input 'vector' failed on sample 'training-0' of training: OSError: gone \(leap_integration.py, line"),
        ({"return np.abs(": "return np.linalg.inv("},
         r"metric 'error' failed on sample 'training-0' of training, and on every other: .*LinAlgError"),
        ({"return -(np.log": "raise KeyError('weights')  # -(np.log"},
         r"loss 'loss' failed on sample 'training-0' of training, and on every other: KeyError: 'weights'"),
        ({"return LeapGraph(": "raise SystemExit(1)  # ("},
         r"visualizer 'curve' failed on sample 'training-0' of training, and on every other: SystemExit: 1"),
        ({'"positive": bool(values[0] > 0)': '"positive": [1, 2]'},
         r"metadata 'facts' failed on sample 'training-0' .* must return numbers, strings, booleans or None; got list"),
        ({"return [\n        Pre": "raise OSError('no data')\n    return [\n        Pre"},
         r"leap_integration.py: preprocess failed: OSError: no data"),
        ({"import onnxruntime\n": "import onnxruntime, nothing_like_this\n"},
         r"leap_integration.py: importing it failed: ModuleNotFoundError: No module named 'nothing_like_this'"),
        ({"@tensorleap_integration_test()": ""}, r"registers no tensorleap_integration_test, so nothing is wired"),
        ({"    error(label, scores)\n    loss(label, scores)\n    curve(vector)\n": ""},
         r"The integration test wires no metric, loss or visualizer"),
        ({"scores = load_model().run(None, {\"vector\": vector})[0]": "scores = label"},
         r"The integration test wires no input to a model"),
        ({"return onnxruntime.InferenceSession(str(HERE / \"model.onnx\"))": "raise OSError('no weights')"},
         r"The model loader failed: OSError: no weights"),
        ({'"model.onnx"': '"missing.onnx"'}, r"The model loader failed: .*missing.onnx"),
    ],
)  # fmt: skip
def test_what_stops_a_run_is_one_line_that_names_the_function_and_the_sample(
    change, message, write_integration, tmp_path
):
    folder = write_integration(change=change)
    with pytest.raises(IntegrationError, match=message) as caught:
        run(folder, tmp_path / "run")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_model_with_other_inputs_is_refused(write_integration, tmp_path):
    from onnx import TensorProto, helper, save

    folder = write_integration()
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 12]) for name in ("a", "b")]
    output = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 12])
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["scores"])], "g", inputs, [output])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "two.onnx")
    message = r"The model takes 2 inputs \(a, b\), but the integration test feeds it 1 \(vector\)"
    with pytest.raises(IntegrationError, match=message):
        run(folder, tmp_path / "run", model=tmp_path / "two.onnx")


@pytest.mark.slow
def test_a_worker_that_dies_is_told(write_integration, tmp_path):
    extra = """
    import os

    @tensorleap_metadata("deadly")
    def deadly(sample_id, response):
        if sample_id == "validation-2":
            print("about to die")
            os.sys.stdout.flush()
            os.kill(os.getpid(), 9)
        return 1
    """
    with pytest.raises(IntegrationError, match=r"worker process ended with code -9 while running 6 samples of validat"):
        run(write_integration(extra), tmp_path / "run")


@pytest.mark.slow
def test_two_metrics_with_one_column_are_refused(write_integration, tmp_path):
    extra = """
    @tensorleap_custom_metric("more", direction=MetricDirection.Upward)
    def more(label, scores):
        return {"error": np.ones(len(label))}
    """
    with pytest.raises(IntegrationError, match="metric 'error' and metric 'more' both give the column 'metric_error'"):
        run(write_integration(extra, "more(label, scores)"), tmp_path / "run")


@pytest.mark.slow
def test_a_handler_wired_twice_gives_two_columns(write_integration, tmp_path):
    population = run(write_integration("", "error(vector, vector)\nerror(label, scores)"), tmp_path / "run", limit=2)
    assert {"metric_error", "metric_error_1", "metric_error_2"} <= set(population.samples.columns)
    assert (population.samples["metric_error_1"] == 0).all(), "needs no ground truth: unlabelled samples have it too"


@pytest.mark.slow
@pytest.mark.parametrize(
    "value", ["float(np.mean(scores))", "np.mean(scores)", "[np.float64(1.0)]", "np.ones((1, 1))[0]"]
)
def test_a_metric_with_one_value_per_batch_is_run_one_sample_at_a_time(value, write_integration, tmp_path):
    extra = f"""
    @tensorleap_custom_metric("mean_score", direction=MetricDirection.Upward)
    def mean_score(scores):
        scores = scores.astype(np.float32)
        return {value}
    """
    population = run(write_integration(extra, "mean_score(scores)"), tmp_path / "run")
    assert population.samples["metric_mean_score"].notna().all()
    (warning,) = population.run["warnings"]
    assert "metric 'mean_score' does not return one value per sample" in warning
    if "scores" in value:
        np.testing.assert_allclose(population.samples["metric_mean_score"], 1 / 3, atol=1e-3)


def test_a_batch_never_mixes_splits_and_has_float16(write_integration, tmp_path):
    extra = """
    @tensorleap_custom_metric("seen", direction=MetricDirection.Upward)
    def seen(scores, vector, response: SamplePreprocessResponse):
        n = len(scores)
        splits = {str(sample_id).split("-")[0] for sample_id in response.sample_ids}
        return {
            "size": np.full(n, float(n)),
            "one_split": np.full(n, float(len(splits) == 1)),
            "half": np.full(n, float(scores.dtype == np.float16 and vector.dtype == np.float16)),
        }
    """
    wired = "seen(scores, vector, SamplePreprocessResponse(np.array([sample_id]), response))"
    samples = run(write_integration(extra, wired), tmp_path / "run", batch_size=5).samples
    assert samples["metric_one_split"].all()
    assert samples["metric_half"].all()
    assert samples["metric_size"].tolist() == [5.0] * 10 + [3.0] * 3 + [5.0] * 5 + [1.0] + [5.0] * 5


@pytest.mark.slow
def test_a_handler_that_writes_into_its_arguments_spoils_nothing(write_integration, tmp_path):
    extra = """
    @tensorleap_custom_metric("vandal", direction=MetricDirection.Upward)
    def vandal(label, scores, vector):
        for array in (label, scores, vector):
            array[:] = 9
        return np.ones(len(label))
    """
    calls = "    error(label, scores)\n    loss"
    change = {calls: f"    vandal(label, scores, vector)\n{calls}"}
    spoiled = run(write_integration(extra, change=change), tmp_path / "spoiled")
    plain = run(write_integration(name="other"), tmp_path / "plain")
    pd.testing.assert_frame_equal(spoiled.samples.drop(columns="metric_vandal"), plain.samples)


@pytest.mark.slow
def test_undefined_values_are_nan(write_integration, tmp_path):
    extra = """
    @tensorleap_metadata("gaps", DatasetMetadataType.float)
    def gaps(sample_id, response):
        return {"none": None, "nan": float("nan"), "some": 1 if sample_id.endswith("1") else None}

    @tensorleap_custom_metric("sparse", direction=MetricDirection.Upward)
    def sparse(label):
        return [None if k % 2 else 1.5 for k in range(len(label))]
    """
    change = {"import DataStateType, ": "import DatasetMetadataType, DataStateType, "}
    samples = run(write_integration(extra, "sparse(label)", change=change), tmp_path / "run", limit=2).samples
    assert samples["meta_gaps_none"].isna().all()
    assert samples["meta_gaps_nan"].isna().all()
    np.testing.assert_array_equal(samples["meta_gaps_some"].to_numpy(), [np.nan, 1.0] * 3)
    np.testing.assert_array_equal(samples["metric_sparse"].to_numpy()[:2], [1.5, np.nan])


@pytest.mark.slow
def test_confusion_elements_have_their_own_table(write_integration, tmp_path):
    extra = """
    from code_loader.contract.datasetclasses import ConfusionMatrixElement
    from code_loader.contract.enums import ConfusionMatrixValue

    OUTCOMES = [ConfusionMatrixValue.Negative, ConfusionMatrixValue.Positive]

    @tensorleap_custom_metric("confusion", direction=MetricDirection.Upward)
    def confusion(label, scores):
        return [
            [ConfusionMatrixElement(str(k), OUTCOMES[int(truth[k])], float(score[k])) for k in range(3)]
            for truth, score in zip(label, scores)
        ]
    """
    out = tmp_path / "run"
    population = run(write_integration(extra, "confusion(label, scores)"), out)
    assert "metric_confusion" not in population.samples
    table = pd.read_parquet(out / "confusion.parquet")
    assert len(table) == 19 * 3
    assert set(table["expected_outcome"]) == {"Positive", "Negative"}
    assert (table.groupby("sample_id")["expected_outcome"].agg(lambda x: (x == "Positive").sum()) == 1).all()
    assert table.groupby("sample_id")["predicted_probability"].sum().to_numpy() == pytest.approx(1, abs=1e-2)


class TestResume:
    SLOW = """
    import time

    @tensorleap_metadata("slow")
    def slow(sample_id, response):
        with open(HERE / "ran.txt", "a") as file:
            file.write(sample_id + "\\n")
        time.sleep(0.01)
        return 1
    """

    def killed(self, folder, out, after):
        """Start the run in a process of its own and kill it once some chunks are written."""
        code = (
            f"from latent_space.engine import explore; explore({str(folder)!r}, out={str(out)!r}, maps=False, jobs=1)"
        )
        process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        while len(list(out.glob(".work/*/[a-z]*-*-*"))) < after and process.poll() is None:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() != 0, "it finished before it was killed"

    @pytest.mark.slow
    def test_goes_on_where_a_killed_run_stopped(self, write_integration, tmp_path):
        folder, out = write_integration(self.SLOW, change={'"training": 13': '"training": 300'}), tmp_path / "run"
        self.killed(folder, out, after=2)
        before = len((folder / "ran.txt").read_text().split())
        (folder / "ran.txt").unlink()
        resumed = run(folder, out, resume=True)
        again = (folder / "ran.txt").read_text().split()
        assert len(resumed) == 311
        assert len(set(again)) < 311 - 100, "the chunks that were done are not run again"
        assert before >= 128
        fresh = run(folder, tmp_path / "fresh")
        assert resumed.latents.tobytes() == fresh.latents.tobytes()
        pd.testing.assert_frame_equal(resumed.samples, fresh.samples)

    @pytest.mark.slow
    def test_starts_afresh_when_the_integration_changed(self, write_integration, tmp_path):
        folder, out = write_integration(self.SLOW, change={'"training": 13': '"training": 300'}), tmp_path / "run"
        self.killed(folder, out, after=2)
        file = folder / "leap_integration.py"
        file.write_text(
            file.read_text().replace("        return 1", "        return 2").replace("    return 1\n", "    return 2\n")
        )
        resumed = run(folder, out, resume=True)
        assert set(resumed.samples["meta_slow"]) == {2.0}

    @pytest.mark.slow
    def test_a_complete_run_is_returned_as_it_is(self, write_integration, tmp_path):
        folder, out = write_integration(), tmp_path / "run"
        first = run(folder, out, limit=3)
        stamp = (out / "samples.parquet").stat().st_mtime_ns
        second = run(folder, out, limit=3, resume=True)
        assert (out / "samples.parquet").stat().st_mtime_ns == stamp
        pd.testing.assert_frame_equal(first.samples, second.samples)
        assert len(run(folder, out, limit=2, resume=True)) == 6

    @pytest.mark.slow
    def test_changed_data_are_noticed(self, write_integration, tmp_path):
        folder, out, data = write_integration(), tmp_path / "run", tmp_path / "data"
        data.mkdir()
        (data / "a.txt").write_text("a")
        run(folder, out, limit=1, data=data)
        stamp = (out / "samples.parquet").stat().st_mtime_ns
        (data / "a.txt").write_text("b and more")
        run(folder, out, limit=1, data=data, resume=True)
        assert (out / "samples.parquet").stat().st_mtime_ns > stamp


@pytest.mark.slow
def test_a_run_replaces_the_files_of_an_earlier_one(write_integration, tmp_path):
    folder, out = write_integration(), tmp_path / "run"
    run(folder, out)
    (out / "insights.json").write_text("{}")
    (out / "notes.txt").write_text("mine")
    run(folder, out, limit=1)
    assert len(list((out / "thumbnails").iterdir())) == 3
    assert not (out / "insights.json").exists()
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "limit must be at least 1; got 0"),
        ({"jobs": -1}, "jobs must be at least 1; got -1"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"model": "nowhere.onnx"}, r"model must be an ONNX file; got .*nowhere.onnx, which does not exist"),
    ],
)
def test_arguments_are_checked_before_anything_starts(options, message, write_integration, tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run(write_integration(), tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_folder_with_other_files_is_not_written_to(write_integration, tmp_path):
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
def test_a_latent_can_be_named(write_integration, tmp_path):
    folder = write_integration()
    assert run(folder, tmp_path / "run", latent="logits").latents.shape == (24, 3)
    with pytest.raises(IntegrationError, match="latent must be a tensor of the model's graph"):
        run(folder, tmp_path / "other", latent="nowhere")
