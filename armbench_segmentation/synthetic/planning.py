"""Decide, before anything is drawn, what each synthetic picture shows: conditions, planted slice, near-duplicates.

**Conventions**: every decision about picture i of a split comes from a generator seeded by (seed, split, i), and
pictures are planned in blocks of `BLOCK`: one of each block lies in the slice, another one is a near-duplicate. So a
split's first pictures stay the same when it, or another split, grows. No near-duplicate is in the slice, or is itself
varied again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from armbench_segmentation.synthetic.scenes import Scalar, draw_conditions

SPLITS = ("train", "val", "test")
BLOCK = 20
DUPLICATE_KINDS = ("shift", "brightness", "noise", "jpeg")
SLICES: tuple[dict[str, Scalar], ...] = (
    {"tote_colour": "yellow", "stacked_equal_boxes": True},
    {"lighting": "dim", "transparent_bags": True},
    {"tote_colour": "blue", "stacked_equal_boxes": True},
    {"lighting": "bright", "transparent_bags": True},
    {"tote_colour": "yellow", "transparent_bags": True},
    {"lighting": "dim", "stacked_equal_boxes": True},
    {"tote_colour": "blue", "transparent_bags": True},
)
# How far the objects' colours run into one another inside the slice. Chosen with the network of `armscope demo` on 100
# drawn scenes per condition under two of the seven slices (the first two of `SLICES`): the AP50, AP and F1 of objects
# fall by 10 to 25 per cent beside scenes with neither condition, and F1 by at most 3 per cent under one of the two
# alone. The other slices use the same values.
_WASH = {"stacked_equal_boxes": 0.38, "transparent_bags": 0.42}
DECOYS = ("rim_sticker", "scuffed_floor", "warm_light")
_SOURCES = 50  # near-duplicates in val and test vary one of the first training pictures
_WINDOW = 40  # near-duplicates within a split vary one of the pictures shortly before


@dataclass(frozen=True)
class Planned:
    """One picture to draw.

    Attributes
    ----------
    split, index
        Its split and its place there.
    conditions : dict
        The named conditions.
    in_slice : bool
        Whether it belongs to the planted failure slice.
    source : Planned, optional
        The picture this one is a near-duplicate of.
    kind : str
        How it differs from its source; empty without one.
    """

    split: str
    index: int
    conditions: dict[str, Scalar]
    in_slice: bool
    source: "Planned | None" = None
    kind: str = ""

    @property
    def file_name(self) -> str:
        """Name of the image file."""
        return f"{self.split}_{self.index:05d}.jpg"

    @property
    def wash(self) -> float:
        """How far its objects' colours run into one another: 0 outside the slice."""
        present = [wash for name, wash in _WASH.items() if self.conditions[name]]
        return min(present) if self.in_slice else 0.0

    def generator(self, seed: int, purpose: int = 0) -> Generator:
        """Return a fresh generator of this picture's own."""
        return picture_generator(seed, self.split, self.index, purpose)


def picture_generator(seed: int, split: str, index: int, purpose: int = 0) -> Generator:
    """Return the generator that belongs to one picture and one purpose, and to no other."""
    return np.random.default_rng(np.random.SeedSequence((seed, SPLITS.index(split), index, purpose)))


def failure_slice(seed: int) -> dict[str, Scalar]:
    """Return the two conditions whose meeting is made hard under this seed."""
    return SLICES[seed % len(SLICES)]


def decoy(seed: int) -> str:
    """Return the condition that is visible but does no harm."""
    return DECOYS[seed % len(DECOYS)]


def plan_pictures(counts: Mapping[str, int], seed: int) -> list[Planned]:
    """Plan `counts` pictures per split, in the order train, val, test."""
    plans: dict[str, list[Planned]] = {}
    taken: set[tuple[str, int]] = set()
    for split in SPLITS:
        plans[split] = []
        for index in range(counts[split]):
            plan = _plan_one(split, index, seed)
            if _is_duplicate(split, index, seed):
                plan = _as_duplicate(plan, plans, taken, seed)
            plans[split].append(plan)
    return [plan for split in SPLITS for plan in plans[split]]


def _roles(split: str, block: int, seed: int) -> tuple[int, int]:
    """Return which place in a block lies in the slice, and which is a near-duplicate."""
    rng = picture_generator(seed, split, block, purpose=1)
    sliced, duplicate = rng.permutation(BLOCK)[:2]
    return int(sliced), int(duplicate)


def _is_duplicate(split: str, index: int, seed: int) -> bool:
    return _roles(split, index // BLOCK, seed)[1] == index % BLOCK


def _plan_one(split: str, index: int, seed: int) -> Planned:
    rng = picture_generator(seed, split, index, purpose=2)
    both = failure_slice(seed)
    in_slice = _roles(split, index // BLOCK, seed)[0] == index % BLOCK
    conditions = draw_conditions(rng)
    while not in_slice and all(conditions[name] == value for name, value in both.items()):
        conditions = draw_conditions(rng)
    return Planned(split, index, conditions | both if in_slice else conditions, in_slice)


def _as_duplicate(plan: Planned, plans: Mapping[str, list[Planned]], taken: set[tuple[str, int]], seed: int) -> Planned:
    """Turn a plan into a near-duplicate of an earlier picture: every other one outside train of a training picture."""
    rng = plan.generator(seed, purpose=3)
    leak = plan.split != "train" and plan.index // BLOCK % 2 == 0
    half = SPLITS.index(plan.split) % 2  # val and test draw from different halves, so neither depends on the other
    pool = plans["train"][half:_SOURCES:2] if leak else plans[plan.split][-_WINDOW:]
    free = [p for p in pool if not (p.in_slice or p.source or (p.split, p.index) in taken)]
    if not free:
        return plan
    source = free[int(rng.integers(len(free)))]
    taken.add((source.split, source.index))
    kind = DUPLICATE_KINDS[int(rng.integers(len(DUPLICATE_KINDS)))]
    return Planned(plan.split, plan.index, source.conditions, False, source, kind)
