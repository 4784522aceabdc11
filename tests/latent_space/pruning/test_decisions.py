import numpy as np
import pandas as pd
import pytest

from latent_space.curves import read_curves
from latent_space.neighbors import build_graph
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
    assert done.sentence.endswith(" Left out, because their latents are not finite: 1.")
    path = done.write(tmp_path)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert table.columns.tolist() == ["sample_id", "decision", "rank", "reason"]
    assert table["rank"].tolist() == [*map(str, range(1, len(done.kept_ids) + 1)), *[""] * len(done.dropped_ids)]
    assert (table["reason"] != "").all()
    assert [curve.sentence for curve in read_curves(tmp_path)["pruning"]] == [done.sentence]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["curves.json", "pruning.csv", "pruning.png"]


def test_all_files_change_or_none(population, tmp_path, monkeypatch):
    prune(population, keep=0.5, n_seeds=3).write(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    other = prune(population, keep=0.25, n_seeds=3)

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("latent_space.pruning.decisions.draw_curve", fail)
    with pytest.raises(OSError, match="No space left"):
        other.write(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_where_nothing_is_chosen_nothing_is_ranked(population):
    assert prune(Population(population.samples, np.ones((120, 5))), n_seeds=3).decisions["rank"].isna().all()


def test_reasons_are_plain_and_few_but_for_what_is_after_the_colon(population):
    decisions = prune(population, keep=0.5, classes="kind", n_seeds=3).decisions
    kinds = decisions.groupby("decision")["reason"].agg(lambda texts: set(texts.str.partition(": ")[0]))
    assert kinds["keep"] <= {
        "so that every class stays",
        "so that every rare region stays",
        "stands for samples like it",
    }
    assert kinds["drop"] <= {"like one that is kept", "label probably wrong", "of little help to others"}
    assert "so that every class stays: bag" in set(decisions["reason"])


def test_no_curve_of_an_earlier_call_stays(population, tmp_path):
    prune(population, keep=0.5, n_seeds=3).write(tmp_path)
    prune(Population(population.samples[:10], population.latents[:10]), keep=0.5).write(tmp_path)
    assert read_curves(tmp_path)["pruning"] == []
    assert not (tmp_path / "pruning.png").exists()


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


def test_one_class_says_nothing(population):
    done = prune(population.with_column("meta_same", ["x"] * 120), classes="same", n_seeds=3)
    assert done.sentence == "Cannot tell what can be dropped: all samples are of one class."
    assert done.dropped_ids == []


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
    with pytest.raises(ValueError, match=r"strategy must be one of auto, .*; got 'best'"):
        prune(few, strategy="best")
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
    with pytest.raises(ValueError, match="must have samples with finite latents to be pruned; got none"):
        prune(Population(population.samples, np.full((120, 5), np.nan)), keep=0.5)
    with pytest.raises(ValueError, match="must have latents"):
        prune(Population(population.samples, np.zeros((120, 0))), keep=0.5)


def test_what_is_known_of_a_sample_stays_with_it(population):
    order = np.random.default_rng(1).permutation(120)
    latents = population.latents[order]
    latents[::11] = np.nan
    mixed = Population(population.samples.iloc[order].assign(is_mislabel=order % 9 == 0), latents)
    pool = labelled_pool(mixed, classes="kind")
    rows = mixed.samples.set_index("sample_id").index.get_indexer(pool.names)
    assert len(rows) == (np.isfinite(latents).all(axis=1) & (mixed.samples["split"] == "training")).sum()
    np.testing.assert_array_equal(pool.latents, latents[rows])
    np.testing.assert_array_equal(pool.losses, mixed.samples["loss"].iloc[rows])
    np.testing.assert_array_equal(pool.suspects, mixed.samples["is_mislabel"].iloc[rows])
    np.testing.assert_array_equal(pool.classes[pool.codes], mixed.samples["meta_kind"].iloc[rows])
    np.testing.assert_array_equal(pool.graph.indices, build_graph(latents[rows]).indices)
