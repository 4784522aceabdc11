"""Over- and under-segmentation by hand, and by cutting and merging the masks of random scenes."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from armbench_segmentation.instances import Instances
from armbench_segmentation.matching import GT_VERDICTS, PRED_VERDICTS, match_instances, match_overlaps
from armbench_segmentation.overlaps import Overlaps
from tests.armbench_segmentation.conftest import build

SEEDS = st.integers(0, 10_000)


def scene(seed, *, n_classes=2):
    """Up to 16 separate rectangles of at least 6 x 6 pixels, one per cell of a 4 x 4 grid, 64 x 64 pixels."""
    rng = np.random.default_rng(seed)
    cells = rng.permutation(16)[: rng.integers(3, 17)]
    masks = np.zeros((len(cells), 64, 64), bool)
    for mask, cell in zip(masks, cells, strict=True):
        y, x = divmod(int(cell), 4)
        height, width = rng.integers(6, 16, 2)
        mask[16 * y : 16 * y + height, 16 * x : 16 * x + width] = True
    return build(masks, rng.integers(0, n_classes, len(cells))), rng


def perfect(gt, rng):
    return build(gt.masks, gt.class_ids, rng.permutation(len(gt)) / len(gt) + 0.01)


def cut(gt, pred, which, n_parts, rng):
    """Replace the prediction of object `which` by `n_parts` vertical strips of it."""
    columns = np.flatnonzero(gt.masks[which].any(0))
    edges = np.sort(rng.permutation(columns[1:])[: n_parts - 1])
    owner = np.searchsorted(edges, np.arange(64), side="right")
    strips = np.stack([gt.masks[which] & (owner == part) for part in range(n_parts)])
    others = np.arange(len(gt)) != which
    return build(
        np.concatenate([pred.masks[others], strips]),
        np.concatenate([pred.class_ids[others], np.full(n_parts, gt.class_ids[which])]),
        np.concatenate([pred.confidence[others], rng.uniform(0.4, 1, n_parts)]),
    )


def merge(gt, pred, pair, class_id):
    rest = np.setdiff1d(np.arange(len(gt)), pair)
    union = gt.masks[list(pair)].any(0)[None]
    return build(
        np.concatenate([pred.masks[rest], union]),
        [*pred.class_ids[rest], class_id],
        [*pred.confidence[rest], 0.7],
    )


@pytest.mark.parametrize("rule", ["hoover", "containment"])
@settings(deadline=None, max_examples=40)
@given(seed=SEEDS)
def test_a_perfect_prediction_matches_and_nothing_else(rule, seed):
    gt, rng = scene(seed)
    matching = match_instances(gt, perfect(gt, rng), rule=rule)
    assert not matching.over_segmented.any()
    assert not matching.under_segmented.any()
    assert not matching.duplicates.any()
    assert set(matching.pred_verdicts) == set(matching.gt_verdicts) == {"match"}
    assert sorted(map(tuple, matching.pairs)) == [(i, i) for i in range(len(gt))]


@pytest.mark.parametrize("rule", ["hoover", "containment"])
@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, n_parts=st.integers(2, 6))
def test_a_cut_object_is_over_segmented_into_its_parts_and_nothing_else(rule, seed, n_parts):
    gt, rng = scene(seed)
    which = int(rng.integers(len(gt)))
    pred = cut(gt, perfect(gt, rng), which, n_parts, rng)
    matching = match_instances(gt, pred, rule=rule)
    assert np.flatnonzero(matching.over_segmented).tolist() == [which]
    assert sorted(matching.over_parts[which]) == list(range(len(gt) - 1, len(pred)))
    assert not matching.under_segmented.any()
    assert matching.pred_verdicts.tolist() == ["match"] * (len(gt) - 1) + ["over"] * n_parts
    assert matching.gt_verdicts.tolist() == ["over" if i == which else "match" for i in range(len(gt))]
    if rule == "hoover":
        assert not matching.duplicates.any()


@pytest.mark.parametrize("rule", ["hoover", "containment"])
@settings(deadline=None, max_examples=60)
@given(seed=SEEDS)
def test_two_merged_objects_are_under_segmented_and_nothing_else(rule, seed):
    gt, rng = scene(seed, n_classes=1)
    pair = rng.permutation(len(gt))[:2]
    matching = match_instances(gt, merge(gt, perfect(gt, rng), pair, 0), rule=rule)
    assert np.flatnonzero(matching.under_segmented).tolist() == [len(gt) - 2]
    assert sorted(matching.under_parts[-1]) == sorted(pair)
    assert not matching.over_segmented.any()
    assert not matching.duplicates.any()
    assert matching.pred_verdicts.tolist() == ["match"] * (len(gt) - 2) + ["under"]
    assert [i for i, verdict in enumerate(matching.gt_verdicts) if verdict == "under"] == sorted(pair)


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS, n_parts=st.integers(2, 4))
def test_parts_of_another_class_count_for_the_predecessor_only(seed, n_parts):
    gt, rng = scene(seed, n_classes=1)
    which = int(rng.integers(len(gt)))
    pred = cut(gt, perfect(gt, rng), which, n_parts, rng)
    swapped = build(pred.masks, [*pred.class_ids[: len(gt) - 1], *([1] * n_parts)], pred.confidence)
    assert not match_instances(gt, swapped).over_segmented.any()
    assert match_instances(gt, swapped, rule="containment").over_segmented[which]
    merged = merge(gt, perfect(gt, rng), [0, 1], 1)
    assert not match_instances(gt, merged).under_segmented.any()
    assert match_instances(gt, merged, rule="containment").under_segmented[-1]


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, copies=st.integers(1, 4))
def test_duplicates_are_not_parts(seed, copies):
    gt, rng = scene(seed)
    pred = perfect(gt, rng)
    again = np.zeros(copies, np.int64)
    doubled = build(
        np.concatenate([pred.masks, pred.masks[again]]),
        [*pred.class_ids, *pred.class_ids[again]],
        [*pred.confidence, *([0.001] * copies)],
    )
    matching = match_instances(gt, doubled)
    assert not matching.over_segmented.any()
    assert np.flatnonzero(matching.duplicates).tolist() == list(range(len(gt), len(gt) + copies))
    assert matching.pred_verdicts.tolist() == ["match"] * len(gt) + ["duplicate"] * copies
    predecessor = match_instances(gt, doubled, rule="containment")
    assert np.flatnonzero(predecessor.over_segmented).tolist() == [0]
    np.testing.assert_array_equal(predecessor.duplicates, matching.duplicates)


@pytest.mark.parametrize("rule", ["hoover", "containment"])
@settings(deadline=None, max_examples=60)
@given(seed=SEEDS)
def test_the_order_of_instances_is_irrelevant(rule, seed):
    gt, rng = scene(seed)
    pred = cut(gt, perfect(gt, rng), 0, 3, rng)
    noise = build(np.roll(pred.masks, 3, axis=2), pred.class_ids, rng.uniform(0, 0.4, len(pred)))
    both = [np.concatenate(arrays) for arrays in zip(*map(parts_of, (pred, noise)), strict=True)]
    pred = Instances(*both)
    assume(len(np.unique(pred.confidence)) == len(pred))
    plain = match_instances(gt, pred, rule=rule)
    g, p = rng.permutation(len(gt)), rng.permutation(len(pred))
    shuffled = match_instances(gt[g], pred[p], rule=rule)
    assert shuffled.gt_verdicts.tolist() == plain.gt_verdicts[g].tolist()
    assert shuffled.pred_verdicts.tolist() == plain.pred_verdicts[p].tolist()
    assert shuffled.duplicates.tolist() == plain.duplicates[p].tolist()
    assert [set(p[parts]) for parts in shuffled.over_parts] == [set(plain.over_parts[i]) for i in g]
    assert [set(g[parts]) for parts in shuffled.under_parts] == [set(plain.under_parts[i]) for i in p]


def parts_of(instances):
    return instances.boxes_xyxy, instances.confidence, instances.class_ids, instances.masks


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS)
def test_arbitrary_masks_obey_the_definition(seed):
    """Whatever the masks, a Hoover verdict holds what the rule asks for, checked pixel by pixel."""
    rng = np.random.default_rng(seed)

    def rectangles(n):
        masks = np.zeros((n, 12, 12), bool)
        for mask in masks:
            (y, x), (h, w) = rng.integers(0, 9, 2), rng.integers(0, 10, 2)
            mask[y : y + h, x : x + w] = True
        return build(masks, rng.integers(0, 2, n), rng.random(n))

    gt, pred = rectangles(rng.integers(0, 5)), rectangles(rng.integers(0, 9))
    matching = match_instances(gt, pred)
    for wholes, parts, found in ((gt, pred, matching.over_parts), (pred, gt, matching.under_parts)):
        assert len(found) == len(wholes)
        for whole, rows in enumerate(found):
            if len(rows) == 0:
                continue
            mask, pieces = wholes.masks[whole], parts.masks[rows]
            assert len(rows) >= 2
            assert (parts.class_ids[rows] == wholes.class_ids[whole]).all()
            assert all((piece & mask).sum() >= 0.75 * piece.sum() > 0 for piece in pieces)
            assert (pieces.any(0) & mask).sum() >= 0.75 * mask.sum()
            for i, j in zip(*np.triu_indices(len(rows), 1), strict=True):
                assert (pieces[i] & pieces[j]).sum() <= 0.1 * min(pieces[i].sum(), pieces[j].sum())
    assert set(matching.pred_verdicts) <= set(PRED_VERDICTS)
    assert set(matching.gt_verdicts) <= set(GT_VERDICTS)
    runs = [[coco_mask.encode(np.asfortranarray(m.astype(np.uint8))) for m in one.masks] for one in (pred, gt)]
    again = match_overlaps(Overlaps.of_runs(*runs), gt.class_ids, pred.class_ids, pred.confidence)
    assert again.pred_verdicts.tolist() == matching.pred_verdicts.tolist()
    assert again.gt_verdicts.tolist() == matching.gt_verdicts.tolist()


def test_coverage_decides(objects, draw):
    gt = objects(draw("xxxxxxxx", letters="x"))
    for drawing, expected in (("aaabbb..", True), ("aabb.bbb", True), ("aab..b..", False), ("aaabb...", False)):
        matching = match_instances(gt, objects(draw(drawing, letters="ab"), confidence=[0.9, 0.8]))
        assert matching.over_segmented.tolist() == [expected], drawing
    assert match_instances(gt, objects(draw("aaabb...", letters="ab")), tolerance=0.6).over_segmented.tolist() == [True]
    assert match_instances(gt, objects(draw("aab.....", letters="ab")), rule="containment").over_segmented.all()


def spans(*limits, width=30):
    """Masks of one row of pixels, each from its first column up to its last, not included."""
    columns = np.arange(width)
    return np.stack([(columns >= first) & (columns < last) for first, last in limits])[:, None]


def test_pixels_that_two_parts_share_cover_once(objects):
    pred = objects(spans((0, 10), (9, 19)), confidence=[0.9, 0.8])
    assert match_instances(objects(spans((0, 25))), pred).over_segmented.tolist() == [True]  # 19 of 25
    assert match_instances(objects(spans((0, 26))), pred).over_segmented.tolist() == [False]  # 19 of 26, not 20


def test_parts_may_share_an_edge_and_no_more(objects):
    gt = objects(spans((0, 20)))
    for second, expected in ((10, True), (9, True), (8, False)):
        pred = objects(spans((0, 10), (second, second + 10)), confidence=[0.9, 0.8])
        assert match_instances(gt, pred).over_segmented.tolist() == [expected], second


def test_a_tiny_part_may_share_a_tenth_of_itself_not_of_the_large_one(objects):
    gt = objects(spans((0, 100), width=120))
    for start, expected in ((77, False), (78, True)):  # 3 or 2 of its 20 pixels, of 80
        pred = objects(spans((0, 80), (start, start + 20), width=120), confidence=[0.9, 0.8])
        assert match_instances(gt, pred).over_segmented.tolist() == [expected], start


def test_a_part_that_overlaps_half_of_its_object_is_no_duplicate(objects):
    """Two halves with a common edge have IoU .52 each: TIDE calls the second a duplicate, the Hoover rule a part."""
    gt, pred = objects(spans((0, 25))), objects(spans((0, 13), (12, 25)), confidence=[0.9, 0.8])
    hoover, containment = (match_instances(gt, pred, rule=rule) for rule in ("hoover", "containment"))
    assert hoover.errors.kinds.tolist() == ["match", "duplicate"]
    assert hoover.over_segmented.tolist() == [True]
    assert hoover.duplicates.tolist() == [False, False]
    assert containment.duplicates.tolist() == [False, True]


def test_the_tolerance_itself_is_enough_for_hoover_only(objects):
    three_quarters = objects(spans((0, 6), (6, 10)), confidence=[0.9, 0.8])
    assert match_instances(objects(spans((0, 9))), three_quarters).over_segmented.tolist() == [True]
    four_fifths = objects(spans((0, 6), (6, 11)), confidence=[0.9, 0.8])
    assert match_instances(objects(spans((0, 10))), four_fifths, rule="containment").over_segmented.tolist() == [False]


def test_a_whole_with_fragments_nested_in_it_is_found(objects, draw):
    gt = objects(draw("xxxxxxxx", letters="x"))
    pred = objects(np.concatenate([gt.masks, draw("aaaabbbb", letters="ab")]), confidence=[0.5, 0.9, 0.8])
    matching = match_instances(gt, pred)
    assert matching.over_segmented.tolist() == [False]
    assert match_instances(gt, pred, rule="containment").over_segmented.tolist() == [True]


def test_a_large_part_and_a_small_one_are_two_parts(objects, draw):
    gt = objects(draw("xxxxxxxxxx", letters="x"))
    matching = match_instances(gt, objects(draw("aaaaaaaabb", letters="ab"), confidence=[0.9, 0.8]))
    assert matching.over_parts[0].tolist() == [0, 1]
    assert matching.gt_verdicts.tolist() == ["over"]
    assert matching.pairs.tolist() == [[0, 0]]


def test_the_search_goes_on_where_the_largest_candidate_blocks_the_parts(objects, draw):
    gt = objects(draw("xxxxxxxxxxxx", letters="x"))
    middle = draw("...######...", letters="#")
    pred = objects(np.concatenate([draw("aaaaa..bbbbb", letters="ab"), middle]), confidence=[0.5, 0.6, 0.9])
    matching = match_instances(gt, pred)
    assert sorted(matching.over_parts[0]) == [0, 1]
    assert matching.pred_verdicts[2] == "match"


def test_equal_halves_are_parts_although_each_could_match(objects, draw):
    gt = objects(draw("xxxx", letters="x"))
    matching = match_instances(gt, objects(draw("aabb", letters="ab"), confidence=[0.9, 0.8]))
    assert matching.pred_verdicts.tolist() == ["over", "over"]
    assert not matching.duplicates.any()


def test_annotated_twice_is_not_merged(objects, draw):
    """Two equal ground truths are one object annotated twice: a prediction of it swallows nothing."""
    gt = objects(np.repeat(draw("xxxx", letters="x"), 2, axis=0))
    assert not match_instances(gt, gt[:1]).under_segmented.any()
    assert match_instances(gt, gt[:1], rule="containment").under_segmented.all()


def test_verdicts_of_every_kind(objects, draw):
    gt = objects(draw("aaaabbbbcccccdddeeee", letters="abcde"), [0, 0, 0, 0, 0])
    masks = draw(
        "mmmm................",
        "....xxxx............",
        "........ll..........",
        "................b...",
        letters="mxlb",
    ).any(1)[:, None]
    pred = objects(masks, [0, 1, 0, 1], [0.9, 0.8, 0.7, 0.6])
    matching = match_instances(gt[:4], pred)
    assert matching.pred_verdicts.tolist() == ["match", "class", "localization", "background"]
    assert matching.gt_verdicts.tolist() == ["match", "class", "localization", "miss"]
    assert match_instances(gt, pred).pred_verdicts.tolist()[-1] == "both"


@pytest.mark.parametrize(("n_gt", "n_pred"), [(0, 0), (0, 2), (2, 0)])
@pytest.mark.parametrize("rule", ["hoover", "containment"])
def test_without_ground_truth_or_predictions(objects, rule, n_gt, n_pred):
    masks = np.ones((2, 3, 3), bool)
    matching = match_instances(objects(masks[:n_gt]), objects(masks[:n_pred]), rule=rule)
    assert matching.pred_verdicts.tolist() == ["background"] * n_pred
    assert matching.gt_verdicts.tolist() == ["miss"] * n_gt
    assert (len(matching.over_segmented), len(matching.under_segmented)) == (n_gt, n_pred)
    assert not matching.over_segmented.any()
    assert matching.pairs.shape == (0, 2)


def test_masks_without_pixels_are_nothing(objects):
    empty = objects(np.zeros((3, 4, 4), bool))
    for rule in ("hoover", "containment"):
        matching = match_instances(empty, empty, rule=rule)
        assert set(matching.pred_verdicts) == {"background"}
        assert set(matching.gt_verdicts) == {"miss"}


def test_bad_options_are_named(objects):
    one = objects(np.ones((1, 2, 2), bool))
    with pytest.raises(ValueError, match="rule must be 'hoover' or 'containment'; got 'martin'"):
        match_instances(one, one, rule="martin")
    for tolerance in (0.5, 1.01, float("nan")):
        with pytest.raises(ValueError, match=r"tolerance must lie in \(0.5, 1\]; got"):
            match_instances(one, one, tolerance=tolerance)
