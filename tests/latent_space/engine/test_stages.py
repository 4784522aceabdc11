"""Handlers are called as the platform calls them."""

import numpy as np
import pandas as pd
import pytest


@pytest.mark.slow
def test_a_handler_wired_twice_gives_two_columns(write_integration, tmp_path, run):
    population = run(write_integration("", "error(vector, vector)\nerror(label, scores)"), tmp_path / "run", limit=2)
    assert {"metric_error", "metric_error_1", "metric_error_2"} <= set(population.samples.columns)
    assert (population.samples["metric_error_1"] == 0).all(), "needs no ground truth: unlabelled samples have it too"


@pytest.mark.slow
@pytest.mark.parametrize(
    "value", ["float(np.mean(scores))", "np.mean(scores)", "[np.float64(1.0)]", "np.ones((1, 1))[0]"]
)
def test_a_metric_with_one_value_per_batch_is_run_one_sample_at_a_time(value, write_integration, tmp_path, run):
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


def test_a_batch_never_mixes_splits_and_has_float16(write_integration, tmp_path, run):
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
def test_a_metric_that_is_excluded_from_insights_has_no_direction(write_integration, tmp_path, run):
    extra = """
    UP = MetricDirection.Upward

    @tensorleap_custom_metric("counts", direction={"found": UP, "hits": UP}, compute_insights={"found": False})
    def counts(scores):
        return {"found": np.ones(len(scores)), "hits": np.ones(len(scores))}

    @tensorleap_custom_metric("size", direction=UP, compute_insights=False)
    def size(scores):
        return np.ones(len(scores))
    """
    facts = run(write_integration(extra, "counts(scores)\nsize(scores)"), tmp_path / "run").run
    assert facts["metrics"] == {"error": "Downward", "counts": {"found": None, "hits": "Upward"}, "size": None}


@pytest.mark.slow
def test_a_handler_that_writes_into_its_arguments_spoils_nothing(write_integration, tmp_path, run):
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
def test_undefined_values_are_nan(write_integration, tmp_path, run):
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
def test_confusion_elements_have_their_own_table(write_integration, tmp_path, run):
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


@pytest.mark.slow
def test_a_metric_that_fails_on_batches_alone_is_told_once(write_integration, tmp_path, run):
    extra = """
    @tensorleap_custom_metric("lonely", direction=MetricDirection.Upward)
    def lonely(scores):
        if len(scores) > 1:
            raise ValueError(f"cannot take {scores.sum()}")
        return np.ones(1)
    """
    folder = write_integration(extra, "lonely(scores)", change={'"training": 13': '"training": 40'})
    population = run(folder, tmp_path / "run")
    (warning,) = population.run["warnings"]
    assert warning.startswith("metric 'lonely' fails on a batch (ValueError: cannot take")
    assert warning.endswith("it is run one sample at a time.")
    assert (population.samples["metric_lonely"] == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "picture"),
    [
        ("ImageWithBBox", "LeapImageWithBBox(np.zeros((8, 8, 3), np.uint8), [(1, 2, 3, 4)])"),
        ("Image", "LeapImage(np.zeros((0, 8, 3), np.uint8))"),
    ],
)
def test_a_picture_that_cannot_be_drawn_sets_its_sample_aside(kind, picture, write_integration, tmp_path, run):
    extra = f"""
    from code_loader.contract.visualizer_classes import LeapImageWithBBox

    @tensorleap_custom_visualizer("odd", LeapDataType.{kind})
    def odd(vector) -> {picture.partition("(")[0]}:
        if vector.ravel()[0] < 0:
            return {picture}
        return {picture.partition("(")[0]}(np.zeros((8, 8, 3), np.uint8){", []" if "Box" in kind else ""})
    """
    population = run(write_integration(extra, "odd(vector)"), tmp_path / "run")
    functions = {one["function"] for one in population.run["failed"]}
    assert functions == {"visualizer 'odd'"}
    assert 0 < population.run["n_failed"] < 24


@pytest.mark.slow
def test_metadata_of_an_enumeration_are_its_values(write_integration, tmp_path, run):
    extra = """
    from enum import Enum, IntEnum

    class Color(str, Enum):
        red = "dark red"

    class Size(IntEnum):
        small = 3

    @tensorleap_metadata("kind")
    def kind(sample_id, response):
        return {"color": Color.red, "size": Size.small}
    """
    samples = run(write_integration(extra), tmp_path / "run", limit=1).samples
    assert set(samples["meta_kind_color"]) == {"dark red"}
    assert set(samples["meta_kind_size"]) == {3.0}
