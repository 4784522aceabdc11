import numpy as np
import pandas as pd
import pytest

from latent_space.curves import read_curves
from latent_space.population import Population
from latent_space.pruning import prune
from latent_space.pruning.decisions import labelled_pool


@pytest.fixture
def population():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 120)
    latents = rng.normal(size=(3, 5))[kind] * 6 + rng.normal(size=(120, 5))
    samples = pd.DataFrame({
        "sample_id": [f"s{i}" for i in range(120)],
        "split": np.repeat(["training", "validation", "unlabeled"], [80, 20, 20]),
        "loss": np.where(np.arange(120) < 100, kind + rng.uniform(size=120) / 5, np.nan),
        "meta_kind": np.array(["box", "bag", "tin"])[kind],
    })  # fmt: skip
    return Population(samples, latents.astype(np.float32))


def test_only_labelled_training_samples_are_decided(population, tmp_path):
    samples = population.samples.copy()
    samples.loc[[3, 4], "loss"] = np.nan
    latents = population.latents.copy()
    latents[5] = np.nan
    done = prune(Population(samples, latents), keep=0.5, n_seeds=3)
    assert sorted(done.decisions["sample_id"]) == sorted(f"s{i}" for i in range(80) if i not in (3, 4, 5))
    assert len(done.kept_ids) == round(77 / 2)
    path = done.write(tmp_path)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert table.columns.tolist() == ["sample_id", "decision", "rank", "reason"]
    assert table["rank"].tolist() == [*map(str, range(1, len(done.kept_ids) + 1)), *[""] * len(done.dropped_ids)]
    assert (table["reason"] != "").all()
    assert [curve.sentence for curve in read_curves(tmp_path)["pruning"]] == [done.sentence]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["curves.json", "pruning.csv", "pruning.png"]


def test_auto_keeps_what_the_check_proposes(population):
    done = prune(population, classes="kind", n_seeds=3)
    assert done.curve is not None
    assert done.fraction in done.curve.budgets
    assert len(done.kept_ids) == round(done.fraction * 80)
    assert f"keeping {done.fraction:.0%}" in done.sentence


def test_constant_latents_drop_nothing(population):
    done = prune(Population(population.samples, np.ones((120, 5))), n_seeds=3)
    assert (done.fraction, done.dropped_ids) == (1.0, [])
    assert set(done.decisions["reason"]) == {"the check finds nothing that can be dropped"}


def test_a_share_that_is_asked_for_is_measured_and_told_first(population):
    done = prune(population, keep=0.25, classes="kind", n_seeds=3)
    assert done.curve is not None
    place = done.curve.budgets.index(0.25)
    own, chance = (done.curve.strategies[name]["mean"][place] for name in ("auto", "random"))
    assert done.sentence.startswith(
        f"Keeping 25%, as asked, gives a probe's accuracy of {own:.3f}, everything {done.curve.full:.3f}, "
        f"as many at random {chance:.3f}. "
    )
    assert done.sentence.endswith(prune(population, classes="kind", n_seeds=3).sentence)


def test_too_few_to_check(population):
    few = Population(population.samples[:10], population.latents[:10])
    done = prune(few, keep=0.5)
    assert (len(done.kept_ids), done.curve) == (5, None)
    assert done.sentence == "Not checked: 10 labelled training samples are too few, 40 would do."
    assert prune(few).dropped_ids == []
    assert set(prune(few).decisions["reason"]) == {"too few samples to check what can be dropped"}


def test_mislabelled_samples_go_first(population):
    flags = np.arange(120) < 8
    done = prune(population.with_column("is_mislabel", flags), keep=0.85, n_seeds=3)
    assert {f"s{i}" for i in range(8)} <= set(done.dropped_ids)


def test_messages(population):
    for keep in (0, 1, -1, 3):
        with pytest.raises(ValueError, match=f"fraction to keep must be between 0 and 1, both excluded; got {keep}"):
            prune(population, keep=keep)
    with pytest.raises(ValueError, match=r"classes must be a column of the run's samples; got 'colour'\."):
        prune(population, keep=0.5, classes="colour")
    with pytest.raises(ValueError, match="must have training samples with a finite loss to be pruned; got none"):
        prune(population.with_column("loss", np.full(120, np.nan), replace=True), keep=0.5)
    with pytest.raises(ValueError, match="must have training samples with a finite loss"):
        prune(Population(population.samples[100:], population.latents[100:]), keep=0.5)
    with pytest.raises(ValueError, match="must have latents"):
        prune(Population(population.samples, np.zeros((120, 0))), keep=0.5)


def test_samples_without_latents_change_nothing_for_the_others(population):
    marked = population.with_column("is_mislabel", np.arange(120) % 9 == 0)
    lost = marked.samples.head(6).assign(sample_id=[f"lost{i}" for i in range(6)], loss=99.0)
    samples = pd.concat([lost, marked.samples], ignore_index=True)
    more = Population(samples, np.vstack([np.full((6, 5), np.nan), population.latents]))
    expected, found = (labelled_pool(one, classes="kind") for one in (marked, more))
    for name in ("latents", "codes", "losses", "suspects", "names"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    np.testing.assert_array_equal(found.graph.indices, expected.graph.indices)
    assert expected.suspects.sum() == 9
