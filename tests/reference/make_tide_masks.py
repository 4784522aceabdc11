"""Write `tide_masks.json`: random scenes and what `tidecv` 1.0.1 and `pycocotools` 2.0.11 say of them.

Run with an interpreter that has tidecv, pycocotools and numpy: ``python tests/reference/make_tide_masks.py``.
Every class has ground truth, all confidences differ, one scene has no prediction and one no ground truth. A second set
adds crowd regions; there only AP is comparable, because tidecv goes on counting excused predictions as errors.
"""

import json
from pathlib import Path

import numpy as np

SIZE = 64
NAMES = {
    "Cls": "class",
    "Loc": "localization",
    "Both": "both",
    "Dupe": "duplicate",
    "Bkg": "background",
    "Miss": "miss",
}


def encode(mask):
    from pycocotools import mask as coco_mask

    runs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [SIZE, SIZE], "counts": runs["counts"].decode()}


def blob(rng, centre=None, radii=None):
    y, x = np.mgrid[:SIZE, :SIZE]
    cx, cy = rng.uniform(8, SIZE - 8, 2) if centre is None else centre
    rx, ry = rng.uniform(4, 13, 2) if radii is None else radii
    return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1, (cx, cy), (rx, ry)


def scene(rng, n_gt, *, crowd):
    gts, preds = [], []
    for _ in range(n_gt):
        mask, centre, radii = blob(rng)
        class_id = int(rng.integers(3))
        gts.append({"class_id": class_id, "runs": encode(mask), "is_crowd": bool(crowd and rng.random() < 0.25)})
        for _ in range(rng.choice([0, 1, 2, 3], p=[0.2, 0.4, 0.25, 0.15])):
            shift = rng.normal(0, rng.choice([0.5, 3, 7]), 2)
            moved, _, _ = blob(rng, np.add(centre, shift), np.multiply(radii, rng.uniform(0.6, 1.4, 2)))
            other = int(rng.integers(3)) if rng.random() < 0.3 else class_id
            preds.append({"class_id": other, "runs": encode(moved)})
    for _ in range(rng.integers(3)):
        preds.append({"class_id": int(rng.integers(3)), "runs": encode(blob(rng)[0])})
    return {"gt": gts, "pred": preds}


def make(seed, n_scenes, *, crowd):
    rng = np.random.default_rng(seed)
    scenes = [scene(rng, int(rng.integers(2, 7)), crowd=crowd) for _ in range(n_scenes)]
    scenes[3]["pred"], scenes[5]["gt"] = [], []
    preds = [pred for one in scenes for pred in one["pred"]]
    for pred, confidence in zip(preds, rng.permutation(len(preds)), strict=True):
        pred["confidence"] = round(float((confidence + 1) / (len(preds) + 1)), 6)
    return scenes


def judge(scenes):
    from tidecv import TIDE, Data

    truth, found = Data("truth"), Data("found")
    for index, one in enumerate(scenes):
        truth.add_image(index, str(index))
        for gt in one["gt"]:
            add = truth.add_ignore_region if gt["is_crowd"] else truth.add_ground_truth
            add(index, gt["class_id"], mask=gt["runs"])
        for pred in one["pred"]:
            found.add_detection(index, pred["class_id"], pred["confidence"], mask=pred["runs"])
    tide = TIDE()
    run = tide.evaluate(truth, found, mode=TIDE.MASK)
    gains = tide.get_main_errors()["found"]
    kinds = {}
    for error in run.errors:
        if hasattr(error, "pred"):
            kinds[(error.pred["image"], error.pred["score"])] = NAMES[error.short_name]
    return {
        "ap": run.ap / 100,
        "count": {NAMES[kind.short_name]: len(errors) for kind, errors in run.error_dict.items()},
        "ap_regained": {NAMES[name]: gain / 100 for name, gain in gains.items()},
        "kinds": [[kinds.get((i, p["confidence"]), "match") for p in one["pred"]] for i, one in enumerate(scenes)],
    }


def coco_scores(scenes):
    """AP, AP50, AP75 and AP per class of masks and boxes, boxes being the hulls of the masks."""
    from pycocotools import mask as coco_mask
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def entries(key):
        rows = []
        for index, one in enumerate(scenes):
            for each in one[key]:
                box, area = coco_mask.toBbox(each["runs"]).tolist(), float(coco_mask.area(each["runs"]))
                rows.append({"id": len(rows) + 1, "image_id": index, "category_id": each["class_id"] + 1})
                rows[-1] |= {"segmentation": each["runs"], "bbox": box, "area": area}
                rows[-1] |= {"iscrowd": int(each.get("is_crowd", False)), "score": each.get("confidence")}
        return rows

    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": i, "height": SIZE, "width": SIZE} for i in range(len(scenes))],
        "categories": [{"id": k + 1, "name": f"class {k}"} for k in range(3)],
        "annotations": entries("gt"),
    }
    truth.createIndex()
    found = truth.loadRes(entries("pred"))
    scores = {}
    for kind in ("segm", "bbox"):
        run = COCOeval(truth, found, kind)
        run.evaluate()
        run.accumulate()
        run.summarize()
        per_class = run.eval["precision"][:, :, :, 0, 2].mean((0, 1)).tolist()
        scores[kind] = {
            **dict(zip(("AP", "AP50", "AP75"), run.stats[:3].tolist(), strict=True)),
            "per_class": per_class,
        }
    return scores


def main():
    out = {"description": __doc__.strip()}
    for name, seed, crowd in (("plain", 7, False), ("crowd", 11, True)):
        scenes = make(seed, 24, crowd=crowd)
        out[name] = {"size": SIZE, "scenes": scenes, "expected": judge(scenes), "coco": coco_scores(scenes)}
        print(name, {k: v for k, v in out[name]["expected"].items() if k != "kinds"})
    Path(__file__).with_name("tide_masks.json").write_text(json.dumps(out) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
