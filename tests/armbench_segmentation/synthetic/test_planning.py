"""The plan holds the promised shares, and keeps them whatever the sizes."""

import numpy as np
import pytest

from armbench_segmentation.synthetic.planning import BLOCK, DECOYS, SLICES, failure_slice, plan_pictures


class TestPlan:
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_share_of_the_slice_in_every_split(self, seed):
        plans = plan_pictures({"train": 300, "val": 100, "test": 200}, seed)
        for split in ("train", "val", "test"):
            mine = [p for p in plans if p.split == split]
            both = failure_slice(seed)
            assert [p.in_slice for p in mine] == [both.items() <= p.conditions.items() for p in mine]
            assert 0.03 <= np.mean([p.in_slice for p in mine]) <= 0.08

    def test_each_condition_of_the_slice_is_common_alone(self):
        for seed in range(len(SLICES)):
            plans = plan_pictures({"train": 1000, "val": 0, "test": 0}, seed)
            for name, value in failure_slice(seed).items():
                alone = np.mean([p.conditions[name] == value and not p.in_slice for p in plans])
                assert alone > 0.1

    def test_another_seed_plants_another_slice(self):
        assert len({tuple(failure_slice(seed).items()) for seed in range(len(SLICES))}) == len(SLICES)

    def test_decoys_are_never_part_of_a_slice(self):
        assert not set(DECOYS) & {name for both in SLICES for name in both}

    def test_growing_a_split_keeps_what_was_there(self):
        small = plan_pictures({"train": 100, "val": 30, "test": 20}, 4)
        large = plan_pictures({"train": 180, "val": 50, "test": 60}, 4)
        by_name = {p.file_name: p for p in large}
        assert all(by_name[p.file_name] == p for p in small)

    def test_near_duplicates_vary_pictures_that_are_not_special(self):
        plans = plan_pictures({"train": 300, "val": 100, "test": 200}, 0)
        pairs = [(p, p.source) for p in plans if p.source]
        assert 0.02 <= len(pairs) / len(plans) <= 0.08
        assert len({source.file_name for _, source in pairs}) == len(pairs)
        for copy, source in pairs:
            assert not source.source
            assert not source.in_slice
            assert copy.conditions == source.conditions
        leaks = {(p.split, s.split) for p, s in pairs if p.split != s.split}
        assert leaks == {("val", "train"), ("test", "train")}
        assert {p.kind for p, _ in pairs} == {"shift", "brightness", "noise", "jpeg"}

    def test_blocks_hold_one_slice_picture_each(self):
        plans = plan_pictures({"train": 10 * BLOCK, "val": 0, "test": 0}, 9)
        sliced = np.array([p.in_slice for p in plans]).reshape(10, BLOCK)
        assert (sliced.sum(axis=1) == 1).all()

    def test_only_slice_pictures_are_made_hard(self):
        for seed in range(len(SLICES)):
            for plan in plan_pictures({"train": 40, "val": 0, "test": 0}, seed):
                assert (plan.wash > 0) is plan.in_slice
