"""What stops a run, and what only sets a sample aside."""

import numpy as np
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
         r"input 'vector' failed on sample 'training-0' of training: OSError: gone \(leap_.*; so did 23 others"),
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


BAD = """
    @tensorleap_metadata("bad")
    def bad(sample_id, response):
        if sample_id.startswith("training") and {condition}:
            raise OSError("truncated file")
        return 1
    """


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [16, 64])
@pytest.mark.parametrize(("n", "first", "end"), [(192, 64, 128), (300, 0, 64), (300, 30, 300)])
def test_a_stretch_of_bad_samples_is_set_aside(n, first, end, batch_size, write_integration, tmp_path, run):
    extra = BAD.format(condition=f"{first} <= int(sample_id.split('-')[1]) < {end}")
    folder = write_integration(extra, change={'"training": 13': f'"training": {n}'})
    population = run(folder, tmp_path / "run", batch_size=batch_size, visualizers=False)
    assert population.run["splits"]["training"] == {"n": n - end + first, "n_failed": end - first}


@pytest.mark.slow
def test_a_long_split_that_gives_nothing_stops_early_with_what_was_counted(write_integration, tmp_path, run):
    change = {'"training": 13': '"training": 5000', "return np.abs(": "return np.linalg.inv("}
    message = r"metric 'error' failed on sample 'training-0' of training, and on all \d+ others that were tried: "
    with pytest.raises(IntegrationError, match=message):
        run(write_integration(change=change), tmp_path / "run")
    assert len(list((tmp_path / "run").glob(".work/*/training-*"))) < 10


@pytest.mark.slow
def test_samples_are_tried_in_other_splits_too(write_integration, tmp_path, run):
    extra = BAD.format(condition="True")
    with pytest.raises(IntegrationError, match=r"metadata 'bad' failed on sample 'training-0' .* on every other: OSE"):
        run(write_integration(extra), tmp_path / "run")
    assert list((tmp_path / "run").glob(".work/*/validation-*")), "the others did run"


@pytest.mark.slow
def test_a_preprocess_that_differs_between_processes_is_refused(write_integration, tmp_path, run):
    change = {'data={"seed": seed}': 'data={"seed": int.from_bytes(__import__("os").urandom(3))}'}
    folder = write_integration(change=change)
    with pytest.raises(IntegrationError, match="preprocess gives other samples in each process"):
        run(folder, tmp_path / "run", jobs=2)


@pytest.mark.slow
def test_an_encoder_that_draws_anew_each_time_is_told(write_integration, tmp_path, run):
    extra = """
    @tensorleap_metadata("dice")
    def dice(sample_id, response):
        return float(np.random.default_rng().random())
    """
    population = run(write_integration(extra), tmp_path / "run", jobs=2)
    assert population.run["warnings"] == ["Encoders or metadata give other values each time they are called."]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"import onnxruntime\n": "import onnxruntime, sys; sys.exit(3)\n"},
         r"leap_integration.py: importing it failed: SystemExit: 3"),
        ({"    error(label, scores)\n": "    raise SystemExit(4)\n"},
         r"leap_integration.py: the integration test failed: SystemExit: 4"),
        ({"@tensorleap_load_model([PredictionTypeHandler(\"scores\", [\"a\", \"b\", \"c\"], channel_dim=-1)])": ""},
         r"the integration test failed: .*; it has no model: decorate its loader with tensorleap_load_model"),
        ({"sample_ids=[f\"{state}-{k}\" for": "sample_ids=[f\"{state}-{k}\" + '\\udcff' * (k == 3) for",
          "sample_id.split(\"-\")[-1]": "sample_id.split(\"-\")[-1][0]"},
         r"preprocess gives the sample id 'training-3\\udcff' of training, which is no valid Unicode"),
    ],
)  # fmt: skip
def test_odd_integrations_are_refused_in_one_line(change, message, write_integration, tmp_path, run):
    with pytest.raises(IntegrationError, match=message) as caught:
        run(write_integration(change=change), tmp_path / "run")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_foreign_settings_that_cannot_be_read_do_not_stop_a_run(write_integration, tmp_path, run):
    folder = write_integration()
    (folder / "settings.yaml").write_bytes(b"caf\xe9: [")
    assert run(folder, tmp_path / "run", limit=1).run["task"] == "integration"


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
@pytest.mark.parametrize(
    ("feeds", "fits"),
    [
        ('{"a": vector, "b": other}', True),
        ('{"b": other, "a": vector}', False),
        ("{model.get_inputs()[1].name: other, model.get_inputs()[0].name: vector}", True),
    ],
)
def test_inputs_in_another_order_than_the_models_are_refused(feeds, fits, write_integration, tmp_path, run):
    from onnx import TensorProto, helper, save

    extra = """
    @tensorleap_input_encoder("other", channel_dim=1)
    def encode_other(sample_id, response):
        return np.ones(12, np.float32)
    """
    old = 'scores = load_model().run(None, {"vector": vector})[0]'
    new = (
        f"other = encode_other(sample_id, response)\n    model = load_model()\n    scores = model.run(None, {feeds})[0]"
    )
    folder = write_integration(extra, change={old: new, "np.eye(3": "np.eye(12"})
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 12]) for name in ("a", "b", "y")]
    graph = helper.make_graph([helper.make_node("Sub", ["a", "b"], ["y"])], "g", ends[:2], ends[2:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx")
    if fits:
        population = run(folder, tmp_path / "run", limit=1)
        first = np.random.default_rng([0, 0]).normal(size=12).astype(np.float32)
        np.testing.assert_allclose(population.latents[0], first - 1, rtol=1e-6)
        return
    with pytest.raises(IntegrationError, match="must feed the model's inputs in the model's order, a, b; got b, a"):
        run(folder, tmp_path / "run", limit=1)


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


@pytest.mark.slow
def test_an_output_for_want_of_features_is_told(write_integration, tmp_path, run):
    from onnx import TensorProto, helper, numpy_helper, save

    weights = numpy_helper.from_array(np.eye(12, 3, dtype=np.float32), "w")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, n]) for name, n in (("vector", 12), ("y", 3))]
    graph = helper.make_graph([helper.make_node("MatMul", ["vector", "w"], ["y"])], "g", ends[:1], ends[1:], [weights])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "linear.onnx")
    population = run(write_integration(), tmp_path / "run", model=tmp_path / "linear.onnx")
    (warning,) = population.run["warnings"]
    assert "the output 'y' is taken as latent space" in warning
