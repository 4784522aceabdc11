"""Write `panoptic.json`: label maps without overlaps and their panoptic quality by `torchmetrics` 1.9.

Run with an interpreter that has torch and torchmetrics: ``python tests/reference/make_panoptic.py``. A map holds
0 for background and 10 * (class + 1) + number for an object.
"""

import json
from pathlib import Path

import numpy as np

SIZE, N_CLASSES, BACKGROUND = 32, 2, 7


def draw(rng, objects):
    labels = np.zeros((SIZE, SIZE), int)
    for number, (class_id, x, y, w, h) in enumerate(objects):
        labels[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = 10 * (class_id + 1) + number
    return labels


def scene(rng):
    objects = [(int(rng.integers(N_CLASSES)), *rng.integers(0, 24, 2), *rng.integers(5, 12, 2)) for _ in range(6)]
    moved = [
        (int(rng.integers(N_CLASSES)) if rng.random() < 0.2 else c, *(np.array([x, y]) + rng.integers(-2, 3, 2)), w, h)
        for c, x, y, w, h in objects
        if rng.random() < 0.85
    ]
    return {"gt": draw(rng, objects).tolist(), "pred": draw(rng, moved).tolist()}


def pairs(labels):
    labels = np.asarray(labels)
    return np.stack([np.where(labels > 0, labels // 10 - 1, BACKGROUND), labels], -1)


def judge(scenes):
    import torch
    from torchmetrics.functional.detection import panoptic_quality

    maps = (torch.tensor(np.stack([pairs(one[key]) for one in scenes])) for key in ("pred", "gt"))
    found = panoptic_quality(
        *maps, things=set(range(N_CLASSES)), stuffs={BACKGROUND}, return_sq_and_rq=True, return_per_class=True
    )
    return [
        dict(zip(("PQ", "SQ", "RQ"), row, strict=True)) for row in found.double().reshape(-1, 3)[:N_CLASSES].tolist()
    ]


def main():
    rng = np.random.default_rng(4)
    scenes = [scene(rng) for _ in range(6)]
    out = {"description": __doc__.strip(), "scenes": scenes, "expected": judge(scenes)}
    print(out["expected"])
    Path(__file__).with_name("panoptic.json").write_text(json.dumps(out) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
