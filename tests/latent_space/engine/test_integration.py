"""Kinds of integrations: each thing runs, or is left out with one line that names it."""

import numpy as np
import pytest

from latent_space.engine.failures import IntegrationError

pytestmark = pytest.mark.slow


GROUPED = {
    "    return vector(sample_id, response)\n": (
        "    check(sample_id)\n    return [vector(one, response) for one in sample_id]\n"
    ),
    "    return np.eye(3": "    return [np.eye(3",
    "(vector(sample_id, response)[0]) * 10) % 3]": "(vector(one, response)[0]) * 10) % 3] for one in sample_id]",
    "    values = vector(sample_id, response)\n    return {": "    return [{",
    "values.mean()": "vector(one, response).mean()",
    "values[0] > 0": "vector(one, response)[0] > 0",
    '"name": sample_id}': '"name": one} for one in sample_id]',
}


IDS = '[f"{state}-{k}" for k in range(n)]'


def test_grouped_ids(write_integration, tmp_path, run):
    """Encoders get lists of ids of one group; rows stay in the order of the ids."""
    check = "def check(ids):\n    assert len({int(one.split('-')[1]) % 3 for one in ids}) == 1\n\n\n"
    change = GROUPED | {
        IDS: '[[f"{state}-{k}" for k in range(n) if k % 3 == r] for r in range(3)]',
        "def vector(sample_id": f"{check}def vector(sample_id",
    }
    population = run(write_integration(change=change), tmp_path / "run")
    ids = population.samples["sample_id"].tolist()
    assert ids[:5] == ["training-0", "training-3", "training-6", "training-9", "training-12"]
    assert population.samples["meta_facts_name"].tolist() == ids
    plain = run(write_integration(name="plain"), tmp_path / "plain-run")
    order = [plain.samples["sample_id"].tolist().index(sample_id) for sample_id in ids]
    np.testing.assert_array_equal(population.latents, plain.latents[order])


def test_what_the_integration_warns_of_is_a_note_of_the_run(write_integration, tmp_path, run):
    extra = """
    import warnings
    warnings.warn("max_samples: 24 of 99 samples are used.")
    warnings.warn("this is old", DeprecationWarning)
    """
    population = run(write_integration(extra), tmp_path / "run")
    assert population.run["warnings"] == ["max_samples: 24 of 99 samples are used."]


def test_a_failing_sample_of_a_group_is_found(write_integration, tmp_path, run):
    extra = """
    def check(ids):
        assert isinstance(ids, list)

    @tensorleap_metadata("fragile")
    def fragile(ids, response):
        if "training-3" in ids:
            raise OSError("no")
        return [1 for _ in ids]
    """
    population = run(write_integration(extra, change=GROUPED | {IDS: f"[{IDS}]"}), tmp_path / "run")
    assert [one["sample_id"] for one in population.run["failed"]] == ["training-3"]
    assert len(population) == 23


def test_a_group_answered_with_too_few_values_is_told(write_integration, tmp_path, run):
    extra = """
    def check(ids):
        assert isinstance(ids, list)

    @tensorleap_metadata("short")
    def short(ids, response):
        return []
    """
    message = (
        "metadata 'short' failed on sample 'training-0' .* must return one value per sample of the group, 1; got 0"
    )
    with pytest.raises(IntegrationError, match=message):
        run(write_integration(extra, change=GROUPED | {IDS: f"[{IDS}]"}), tmp_path / "run")


def test_the_additional_state_and_a_separate_unlabeled_preprocess(write_integration, tmp_path, run):
    extra = """
    @tensorleap_unlabeled_preprocess()
    def more():
        return PreprocessResponse(sample_ids=["u-1", "u-2"], data={"seed": 7})
    """
    change = {'"unlabeled": 5': '"additional": 4, "test": 3'}
    population = run(write_integration(extra, change=change), tmp_path / "run")
    counts = population.samples["split"].value_counts(sort=False).to_dict()
    assert counts == {"training": 13, "validation": 6, "test": 3, "unlabeled": 2, "additional": 4}
    assert population.samples.set_index("split")["loss"].isna().groupby(level=0).all().to_dict() == {
        "additional": False, "test": False, "training": False, "unlabeled": True, "validation": False,
    }  # fmt: skip


def test_simulations_are_left_out_with_a_line(write_integration, tmp_path, run):
    extra = """
    @tensorleap_simulation("rain", {"amount": {"type": float, "bounds": {"min": 0.0, "max": 1.0}}})
    def rain(amount, N, seed):
        return PreprocessResponse(sample_ids=[f"rain-{k}" for k in range(N)], data={"seed": seed})
    """
    population = run(write_integration(extra), tmp_path / "run", limit=2)
    assert any(line.startswith("simulation 'rain' is not run") for line in population.run["warnings"])


def test_heatmap_visualizers(write_integration, tmp_path, run):
    """A visualizer that shows a heatmap is drawn; the function that reshapes the platform's heatmaps is left out."""
    extra = """
    from code_loader.contract.visualizer_classes import LeapImageWithHeatmap

    def reshape(vector):
        return vector

    @tensorleap_custom_visualizer("hot", LeapDataType.ImageWithHeatmap, heatmap_function=reshape)
    def hot(vector) -> LeapImageWithHeatmap:
        image = np.tile(vector.reshape(3, 4, 1), (4, 4, 3)).astype(np.float32)
        return LeapImageWithHeatmap(image, image[None, :, :, 0], ["a"])
    """
    population = run(write_integration(extra, "hot(vector)"), tmp_path / "run", limit=2)
    assert any(
        line.startswith("visualizer 'hot' is run, its heatmap function is not") for line in population.run["warnings"]
    )
    assert len(list((tmp_path / "run" / "visualizers" / "hot").iterdir())) == 6


def test_a_handler_that_is_not_wired_is_left_out_with_a_line(write_integration, tmp_path, run):
    extra = """
    @tensorleap_custom_metric("idle", direction=MetricDirection.Upward)
    def idle(label, scores):
        raise RuntimeError("must not run")
    """
    population = run(write_integration(extra), tmp_path / "run", limit=2)
    assert population.run["warnings"] == [
        "metric 'idle' is registered but not wired in the integration test, so it is not run."
    ]
