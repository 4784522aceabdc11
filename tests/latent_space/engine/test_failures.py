"""What stops a run, and what only sets a sample aside."""

import pytest

from latent_space.engine.failures import IntegrationError


@pytest.mark.slow
def test_an_id_that_is_given_twice_is_refused(write_integration, tmp_path, run):
    change = {'f"{state}-{k}" for k in range(n)': 'f"{state}-{k % 4}" for k in range(n)'}
    with pytest.raises(
        IntegrationError, match="preprocess gives the sample id 'training-0' of training more than once"
    ):
        run(write_integration(change=change), tmp_path / "run")


def test_a_sample_that_fails_is_set_aside_and_counted(write_integration, tmp_path, run):
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
def test_the_sample_that_breaks_a_batch_is_found(write_integration, tmp_path, run):
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
    change, message, write_integration, tmp_path, run
):
    folder = write_integration(change=change)
    with pytest.raises(IntegrationError, match=message) as caught:
        run(folder, tmp_path / "run")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_model_with_other_inputs_is_refused(write_integration, tmp_path, run):
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
def test_a_worker_that_dies_is_told(write_integration, tmp_path, run):
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
def test_two_metrics_with_one_column_are_refused(write_integration, tmp_path, run):
    extra = """
    @tensorleap_custom_metric("more", direction=MetricDirection.Upward)
    def more(label, scores):
        return {"error": np.ones(len(label))}
    """
    with pytest.raises(IntegrationError, match="metric 'error' and metric 'more' both give the column 'metric_error'"):
        run(write_integration(extra, "more(label, scores)"), tmp_path / "run")


def test_the_old_interface_without_a_graph_is_refused(tmp_path, run):
    (tmp_path / "leap.yaml").write_text("entryFile: leap.py\n")
    (tmp_path / "leap.py").write_text(
        "from code_loader import leap_binder\n"
        "from code_loader.contract.datasetclasses import PreprocessResponse\n"
        "leap_binder.set_preprocess(lambda: [PreprocessResponse(length=2), PreprocessResponse(length=2)])\n"
    )
    with pytest.raises(
        IntegrationError, match=r"leap.py registers no tensorleap_integration_test, so nothing is wired"
    ):
        run(tmp_path, tmp_path / "run")
