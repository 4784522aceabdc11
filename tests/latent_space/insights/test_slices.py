import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_space.insights import find_slices
from latent_space.insights.search import Candidates, Found, normal_scores, simpler
from latent_space.insights.slices import SliceFinder


def draw_setting(seed, *, planted=True):
    """Clusters, metadata of which most is noise, and errors that are higher in one slice of one of four kinds."""
    generator = np.random.default_rng(seed)
    n, n_clusters = int(generator.integers(400, 900)), int(generator.integers(4, 9))
    cluster = generator.integers(0, n_clusters, n)
    latents = 3 * generator.normal(size=(n_clusters, 24))[cluster] + generator.normal(size=(n, 24))
    metadata = pd.DataFrame(
        {
            "image_id": [f"{i}.jpg" for i in range(n)],
            "tote_colour": np.array(["yellow", "blue", "grey"])[generator.integers(0, 3, n)],
            "clutter": generator.gamma(2, 5, n),
            **{f"flag_{i}": generator.random(n) < 0.3 for i in range(4)},
            **{f"level_{i}": generator.normal(size=n) for i in range(4)},
        }
    )
    yellow, cluttered = metadata["tote_colour"] == "yellow", metadata["clutter"] > metadata["clutter"].quantile(0.8)
    region = cluster == 0
    mask = [yellow & cluttered, cluttered & metadata["flag_0"], region, region & (metadata["level_1"] > 0)][seed % 4]
    errors = np.exp(0.5 * generator.normal(size=n) + (1.2 * mask if planted else 0))
    return latents, errors, metadata, np.asarray(mask)


def test_most_planted_slices_come_first():
    precisions = []
    for seed in range(8):
        latents, errors, metadata, mask = draw_setting(seed)
        found = find_slices(latents, errors, metadata)
        precisions.append(mask[found[0].indices[:10]].mean() if found else 0)
    assert np.mean(np.array(precisions) >= 0.8) >= 0.75


def test_noise_has_no_slices():
    claimed = [bool(find_slices(*draw_setting(seed, planted=False)[:3])) for seed in range(10)]
    assert sum(claimed) <= 1


def test_a_slice_is_named_by_readable_conditions_and_holds_what_they_say():
    latents, errors, metadata, _ = draw_setting(4)
    (first, *_) = find_slices(latents, errors, metadata)
    parts = first.description.split(", ")
    assert "tote_colour = yellow" in parts
    clutter = next(part for part in parts if part.startswith("clutter >"))
    bound = float(clutter.split()[-1])
    expected = (metadata["tote_colour"] == "yellow") & (metadata["clutter"] > bound)
    if len(parts) == 2:
        assert set(first.indices) == set(np.flatnonzero(expected))
    inside = np.isin(np.arange(len(errors)), first.indices)
    assert first.severity == pytest.approx(errors[inside].mean() - errors[~inside].mean())
    assert first.size == inside.sum() == len(first.indices)
    assert first.p_value <= 0.01
    assert (np.diff(errors[first.indices]) <= 0).all()
    assert {one.column for one in first.explained_by[:2]} == {"tote_colour", "clutter"}


@pytest.mark.parametrize("names", [("ab", "ca"), ("left", "right")])
def test_conditions_of_any_two_columns_are_combined_whatever_their_names(names):
    generator = np.random.default_rng(0)
    metadata = pd.DataFrame({name: generator.random(600) < 0.4 for name in names})
    errors = generator.random(600) + 2 * metadata.all(axis=1)
    (first, *_) = find_slices(generator.normal(size=(600, 4)), errors, metadata)
    assert sorted(first.description.split(", ")) == [f"{name} = yes" for name in names]


def test_region_is_described_by_the_metadata_that_sets_it_apart():
    generator = np.random.default_rng(0)
    latents = generator.normal(size=(400, 8))
    latents[:40] += 12
    metadata = pd.DataFrame(
        {"lighting": np.where(np.arange(400) < 40, "dim", generator.choice(["dim", "bright"], 400))}
    )
    errors = generator.normal(size=400) + 2 * (np.arange(400) < 40)
    (first, *_) = find_slices(latents, errors, metadata)
    assert first.is_region
    assert set(first.indices) == set(range(40))
    assert first.description == "a region of latent space, mostly lighting = dim"


def test_slices_come_by_severity_times_size_and_do_not_repeat_one_another():
    generator = np.random.default_rng(1)
    metadata = pd.DataFrame({name: generator.random(1200) < 0.15 for name in ("wet", "old", "new")})
    errors = generator.normal(size=1200) + 3 * metadata["wet"] + 1.5 * metadata["old"]
    found = find_slices(generator.normal(size=(1200, 4)), errors, metadata)
    assert [one.description for one in found][:2] == ["wet = yes", "old = yes"]
    weights = [one.severity * one.size for one in found]
    assert weights == sorted(weights, reverse=True)


def test_ids_are_no_explanation():
    generator = np.random.default_rng(0)
    metadata = pd.DataFrame({"number": np.arange(300), "name": [f"n{i}" for i in range(300)]})
    found = find_slices(generator.normal(size=(300, 4)), np.arange(300.0), metadata)
    assert not [one for one in found if "number" in one.description or "name" in one.description]


def test_unmeasured_samples_are_in_no_slice():
    latents, errors, metadata, _ = draw_setting(0)
    errors[::3] = np.nan
    for one in find_slices(latents, errors, metadata):
        assert not (one.indices % 3 == 0).any()


def test_rows_are_counted_among_all_samples_also_where_some_are_unmeasured():
    generator = np.random.default_rng(0)
    wet = np.arange(400) % 4 == 1
    errors = generator.random(400) + wet
    errors[:50] = np.nan
    (first, *_) = find_slices(generator.normal(size=(400, 4)), errors, pd.DataFrame({"wet": wet}))
    assert sorted(first.indices) == sorted(first.members) == [row for row in range(50, 400) if wet[row]]
    assert sorted(first.others) == [row for row in range(50, 400) if not wet[row]]
    assert first.severity == pytest.approx(np.nanmean(errors[wet]) - np.nanmean(errors[~wet]))


def test_p_values_are_corrected_for_the_measures_tried():
    generator = np.random.default_rng(0)
    wet = np.arange(300) % 5 == 0
    errors = generator.normal(size=300) + 1.2 * wet
    points = generator.normal(size=(300, 4)).astype(np.float32)
    one, five = (SliceFinder(points, pd.DataFrame({"wet": wet})).find(errors, n_tried=n)[0] for n in (1, 5))
    assert one.indices.tolist() == five.indices.tolist()
    assert five.p_value == pytest.approx(5 * one.p_value)


def test_same_seed_same_slices():
    latents, errors, metadata, _ = draw_setting(2)
    one, other = (find_slices(latents, errors, metadata, random_state=3) for _ in range(2))
    assert [(each.description, each.p_value) for each in one] == [(each.description, each.p_value) for each in other]


@pytest.mark.parametrize(
    ("latents", "values"),
    [
        (np.ones((60, 3)), np.arange(60.0)),
        (np.eye(3), np.arange(3.0)),
        (np.eye(1), [1.0]),
        (np.random.default_rng(0).normal(size=(60, 3)), np.full(60, np.nan)),
        (np.random.default_rng(0).normal(size=(60, 3)), np.ones(60)),
    ],
)
def test_nothing_to_find_is_no_slice(latents, values):
    assert find_slices(latents, values) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
@settings(max_examples=50, deadline=None)
def test_normal_scores_keep_the_order(values):
    scores = normal_scores(values)
    order = np.argsort(values, kind="stable")
    assert (np.diff(scores[order]) >= -1e-9).all()
    assert abs(scores.mean()) < 1e-9


def test_rows_must_agree():
    with pytest.raises(ValueError, match=re.escape("values must have a row per sample, 5; got 4")):
        find_slices(np.eye(5), np.zeros(4))
    with pytest.raises(ValueError, match=re.escape("metadata must have a row per sample, 5; got 1")):
        find_slices(np.eye(5), np.zeros(5), pd.DataFrame({"a": [1]}))


def test_a_condition_that_adds_next_to_nothing_is_left_out():
    masks = np.zeros((100, 3), bool)
    masks[:20, 0] = masks[:19, 1] = masks[10:80, 2] = True
    candidates = Candidates(masks, np.arange(3), 5, 50)
    scores = normal_scores((np.arange(100) < 19).astype(float))
    found = Found((0, 1), float(scores[:19].sum() / np.sqrt(19 * 0.81)))
    assert [one.group for one in simpler(found, scores, candidates)] == [(1,), (0,), (0, 1)]
    needed = Found((0, 2), float(scores[10:20].sum() / np.sqrt(10 * 0.9)))
    assert [one.group for one in simpler(Found((1, 2), 100.0), scores, candidates)] == [(1, 2)]
    assert simpler(needed, scores, candidates)[-1] == needed
