"""What a scene says is true in its pixels, and every pixel has the right owner."""

import cv2
import numpy as np
import pytest

from armbench_segmentation.synthetic.drawing import FIRST_ITEM, draw_scene
from armbench_segmentation.synthetic.scenes import CONDITION_VALUES, draw_conditions, plan_scene
from armbench_segmentation.synthetic.totes import TOTE

SIDE = 96


def scene_of(seed=0, wash=0.0, **conditions):
    rng = np.random.default_rng(seed)
    return plan_scene(draw_conditions(rng) | conditions, rng, wash=wash)


class TestOwners:
    def test_later_objects_hide_earlier_ones(self):
        drawing = draw_scene(scene_of(5, clutter="crowded"), SIDE)
        visible = np.array([(drawing.owner == FIRST_ITEM + i).sum() for i in range(len(drawing.full_area))])
        assert (visible <= drawing.full_area * 1.1 + 4).all()
        assert visible[-1] >= 0.9 * drawing.full_area[-1]
        assert (visible < 0.7 * drawing.full_area).any()

    def test_a_scene_is_the_same_at_any_size(self):
        scene = scene_of(7)
        small, large = draw_scene(scene, 64), draw_scene(scene, 128)
        enlarged = cv2.resize(small.owner, (128, 128), interpolation=cv2.INTER_NEAREST)
        assert (enlarged == large.owner).mean() > 0.93


class TestConditionsAreTrueInPixels:
    @pytest.mark.parametrize("seed", range(4))
    def test_tote_colour(self, seed):
        for colour, (strong, weak) in {"blue": (2, 0), "yellow": (0, 2)}.items():
            drawing = draw_scene(scene_of(seed, tote_colour=colour, warm_light=False), SIDE)
            mean = drawing.rgb[drawing.owner == TOTE].mean(axis=0)
            assert mean[strong] > 2 * mean[weak]

    @pytest.mark.parametrize("seed", range(4))
    def test_lighting(self, seed):
        dim, normal, bright = (
            draw_scene(scene_of(seed, lighting=light), SIDE).rgb.mean() for light in ("dim", "normal", "bright")
        )
        assert dim < 0.85 * normal
        assert bright > 1.05 * normal

    def test_warm_light_is_redder(self):
        warm, white = (draw_scene(scene_of(2, warm_light=w), SIDE).rgb.mean(axis=(0, 1)) for w in (True, False))
        assert warm[0] / warm[2] > 1.2 * white[0] / white[2]

    @pytest.mark.parametrize("name", ["rim_sticker", "scuffed_floor"])
    def test_marks_change_the_tote_but_nobodys_mask(self, name):
        with_it, without = (draw_scene(scene_of(4, clutter="sparse", **{name: on}), SIDE) for on in (True, False))
        assert np.array_equal(with_it.owner, without.owner)
        tote = without.owner == TOTE
        changed = np.abs(with_it.rgb.astype(float) - without.rgb).max(axis=2) > 25
        assert (changed & tote).sum() > 10

    def test_equal_boxes_are_stacked_only_when_said(self):
        for wanted in (True, False):
            items = scene_of(6, stacked_equal_boxes=wanted).items
            seeds = [item.surface_seed for item in items]
            sizes = [item.size for item in items]
            assert (len(set(seeds)) < len(seeds)) is wanted
            assert (len(set(sizes)) < len(sizes)) is wanted

    def test_clear_bags_lie_there_only_when_said(self):
        for wanted in (True, False):
            items = scene_of(6, transparent_bags=wanted).items
            assert any(item.kind == "clear_bag" for item in items) is wanted

    def test_clutter(self):
        counts = {
            c: np.mean([len(scene_of(s, clutter=c).items) for s in range(20)]) for c in CONDITION_VALUES["clutter"][0]
        }
        assert counts["sparse"] < counts["normal"] - 3 < counts["crowded"] - 6

    def test_objects_rest_inside_the_tote(self):
        for seed in range(10):
            scene = scene_of(seed)
            for item in scene.items:
                assert (np.abs(item.corners()) <= np.array(scene.half) * 1.001).all()
                assert 0 <= item.z <= item.z + item.thickness <= 1.051

    def test_wash_brings_colours_together_but_moves_no_mask(self):
        plain, washed = (draw_scene(scene_of(8, clutter="normal", wash=wash), SIDE) for wash in (0.0, 0.7))
        assert np.array_equal(plain.owner, washed.owner)
        objects = plain.owner >= FIRST_ITEM
        assert washed.rgb[objects].std(axis=0).sum() < 0.75 * plain.rgb[objects].std(axis=0).sum()
