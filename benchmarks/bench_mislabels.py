"""How many wrong ground truths are found: errors planted in the annotations of totes, and two rules that look for them.

One error is planted in 8 % of the images, the kinds in turn: an object forgotten, an outline on the empty floor, one
moved by half its size, two objects in one mask, another class. The network learns from the clean annotations or, as in
life, from those with the errors. Rules: `losses` asks whether neighbours do better, `objects` what the model finds.
The seeds 0 and 1 chose the rule for objects; the default shows 3 and 4. It takes minutes, so `--full` asks for it.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before the libraries read it.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
os.environ["TL_DISABLE_ANALYTICS"] = "1"

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from armbench_segmentation.synthetic import write_totes
from armbench_segmentation.synthetic.outlines import decode, to_segmentation
from armbench_segmentation.training.trainer import train_segmentation
from armscope.explore import explore_ours
from latent_space.insights.doubts import find_doubts
from latent_space.population import Population
from latent_space.space import sample_space

Mask = npt.NDArray[np.bool_]
Annotations = list[dict[str, Any]]
KINDS = ("forgotten", "surplus", "moved", "merged", "swapped")
SHARE = 0.08
_TOTE = "Tote"


class UnsuitableError(Exception):
    """An image in which this error cannot be planted."""


def plant(data: Path, out: Path, *, seed: int) -> dict[str, str]:
    """Copy the annotations of totes with one error in a share of the images; the images stay where they are.

    Returns
    -------
    dict
        Name of the image -> kind of its error.
    """
    generator = np.random.default_rng(seed)
    planted: dict[str, str] = {}
    out.mkdir(parents=True)
    (out / "images").symlink_to((data / "images").absolute())
    (out / "test.json").write_text((data / "test.json").read_text())
    for split in ("train", "val"):
        content = json.loads((data / f"{split}.json").read_text())
        planted |= _plant_some(content, generator)
        (out / f"{split}.json").write_text(json.dumps(content))
    return planted


def _plant_some(content: dict[str, Any], generator: np.random.Generator) -> dict[str, str]:
    images = content["images"]
    planted: dict[str, str] = {}
    per_image: dict[Any, Annotations] = {image["id"]: [] for image in images}
    for one in content["annotations"]:
        per_image[one["image_id"]].append(one)
    for image in (images[number] for number in generator.permutation(len(images))):
        if len(planted) == round(SHARE * len(images)):
            break
        kind = KINDS[len(planted) % len(KINDS)]
        try:
            per_image[image["id"]] = _PLANTERS[kind](per_image[image["id"]], image, content["categories"], generator)
        except UnsuitableError:
            continue
        planted[Path(image["file_name"]).name] = kind
    content["annotations"] = [one for image in images for one in per_image[image["id"]]]
    for number, one in enumerate(content["annotations"], 1):
        one["id"] = number
    return planted


def _objects(annotations: Annotations, categories: Annotations) -> list[int]:
    (tote,) = [one["id"] for one in categories if one["name"] == _TOTE]
    found = [row for row, one in enumerate(annotations) if one["category_id"] != tote]
    if len(found) < 3:
        raise UnsuitableError
    return found


def _mask(annotation: dict[str, Any], image: dict[str, Any]) -> Mask:
    return decode(annotation["segmentation"], (image["height"], image["width"])).astype(bool)


def _with_mask(annotation: dict[str, Any], mask: Mask) -> dict[str, Any]:
    if mask.sum() < 30:
        raise UnsuitableError
    y, x = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = [int(x[0]), int(y[0]), int(x[-1] - x[0] + 1), int(y[-1] - y[0] + 1)]
    return {**annotation, "segmentation": to_segmentation(mask), "area": int(mask.sum()), "bbox": box}


def _moved(mask: Mask, down: int, right: int) -> Mask:
    """Shift without wrapping around."""
    height, width = mask.shape
    out = np.zeros_like(mask)
    out[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = mask[
        max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)
    ]
    return out


def _forget(annotations: Annotations, _: Any, categories: Annotations, generator: np.random.Generator) -> Annotations:
    lost = generator.choice(_objects(annotations, categories))
    return [one for row, one in enumerate(annotations) if row != lost]


def _add(
    annotations: Annotations, image: dict[str, Any], categories: Annotations, generator: np.random.Generator
) -> Annotations:
    """Lay the outline of one object where nothing but the tote's floor is annotated."""
    rows = _objects(annotations, categories)
    totes = [_mask(one, image) for row, one in enumerate(annotations) if row not in rows]
    for _ in range(300 if totes else 0):
        source = annotations[generator.choice(rows)]
        mask = _mask(source, image)
        down, right = (
            generator.integers(-image["height"], image["height"]),
            generator.integers(-image["width"], image["width"]),
        )
        moved = _moved(mask, int(down), int(right))
        if moved.sum() == mask.sum() and (moved & totes[0]).sum() >= 0.9 * mask.sum():
            return [*annotations, _with_mask(source, moved)]
    raise UnsuitableError


def _shift(
    annotations: Annotations, image: dict[str, Any], categories: Annotations, generator: np.random.Generator
) -> Annotations:
    row = generator.choice(_objects(annotations, categories))
    _, _, width, height = annotations[row]["bbox"]
    down, right = [(0, round(width / 2)), (round(height / 2), 0)][generator.integers(2)]
    sign = int(generator.choice([-1, 1]))
    moved = _moved(_mask(annotations[row], image), int(sign * down), int(sign * right))
    return [*annotations[:row], _with_mask(annotations[row], moved), *annotations[row + 1 :]]


def _merge(
    annotations: Annotations, image: dict[str, Any], categories: Annotations, generator: np.random.Generator
) -> Annotations:
    """Make one mask of an object and the one whose middle is nearest."""
    rows = _objects(annotations, categories)
    first = generator.choice(rows)
    middles = {row: np.array(annotations[row]["bbox"]) @ [[1, 0], [0, 1], [0.5, 0], [0, 0.5]] for row in rows}
    second = min((row for row in rows if row != first), key=lambda row: np.linalg.norm(middles[row] - middles[first]))
    both = _with_mask(annotations[first], _mask(annotations[first], image) | _mask(annotations[second], image))
    return [both if row == first else one for row, one in enumerate(annotations) if row != second]


def _swap(annotations: Annotations, _: Any, categories: Annotations, generator: np.random.Generator) -> Annotations:
    row = generator.choice(_objects(annotations, categories))
    own = annotations[row]["category_id"]
    other = generator.choice([one["id"] for one in categories if one["id"] != own])
    return [{**one, "category_id": int(other)} if i == row else one for i, one in enumerate(annotations)]


_PLANTERS: dict[str, Callable[..., Annotations]] = dict(zip(KINDS, (_forget, _add, _shift, _merge, _swap), strict=True))


def judge(population: Population, planted: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Measure both rules, in training and in validation: a row each."""
    space, samples = sample_space(population), population.samples
    kind = samples["sample_id"].map(lambda name: planted.get(Path(name).name, "")).to_numpy(str)[space.rows]
    rows = samples.iloc[space.rows].reset_index(drop=True)
    split = rows["split"].to_numpy(str)
    for rule, instances in (("losses", None), ("objects", population.instances)):
        check = find_doubts(rows, instances, space, split).check
        score = np.nan_to_num(check.score, nan=np.nanmin(check.score))
        for name in ("training", "validation"):
            own = split == name
            claims, wrong = check.verdict[own], kind[own] != ""
            counts = {
                "samples": own.sum(),
                "wrong": wrong.sum(),
                "claims": claims.sum(),
                "right": (claims & wrong).sum(),
            }
            yield {"split": name, "rule": rule, **counts, **(_ranked(score[own], kind[own]) if planted else {})}


def _ranked(score: npt.NDArray[np.float64], kind: npt.NDArray[np.str_]) -> dict[str, float]:
    wrong = kind != ""
    auc = {one: roc_auc_score(kind[~wrong | (kind == one)] == one, score[~wrong | (kind == one)]) for one in KINDS}
    top = np.argsort(-score, kind="stable")[:10]
    found = {"P@10": wrong[top].mean(), "AP": average_precision_score(wrong, score), "AUC": roc_auc_score(wrong, score)}
    harder = kind != "swapped"
    found["AP but swapped"] = average_precision_score(wrong[harder], score[harder])
    found["AUC but swapped"] = roc_auc_score(wrong[harder], score[harder])
    return found | auc


def run_seed(folder: Path, options: argparse.Namespace, seed: int) -> Iterator[dict[str, Any]]:
    """Draw, plant, train twice, explore three times."""
    data, noisy = folder / "data", folder / "noisy"
    write_totes(data, train=options.train, val=options.val, unlabeled=0, seed=seed)
    planted = plant(data, noisy, seed=100 * seed)
    models = {
        name: train_segmentation(one, folder / f"on_{name}", epochs=options.epochs, image_size=128, seed=seed).model
        for name, one in (("clean", data), ("wrong", noisy))
    }
    for learned, labels in (("clean", "clean"), ("clean", "wrong"), ("wrong", "wrong")):
        population = explore_ours(
            "segmentation",
            out=folder / f"run_{learned}_{labels}",
            data=data if labels == "clean" else noisy,
            model=models[learned],
            jobs=1,
            maps=False,
            visualizers=False,
        )
        for row in judge(population, planted if labels == "wrong" else {}):
            yield {"seed": seed, "learned": learned, "labels": labels, **row}


def show(table: pd.DataFrame) -> None:
    """Print the sums of counts and the means of the rest over seeds."""
    counts = ["samples", "wrong", "claims", "right"]
    how = {name: "sum" if name in counts else "mean" for name in table.columns[5:]}
    grouped = table.groupby(["learned", "labels", "split", "rule"], sort=False).agg(how)
    print(grouped.round(2).to_string(na_rep="-"))


def main() -> None:
    """Plant, train, look, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="train; without it nothing is done")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--train", type=int, default=300)
    parser.add_argument("--val", type=int, default=300)
    options = parser.parse_args()
    if not options.full:
        print("Two trainings per seed take minutes: python benchmarks/bench_mislabels.py --full")
        return
    print(
        f"{platform.machine()}, one thread; {options.train} + {options.val} totes, {options.epochs} epochs", flush=True
    )
    rows: list[dict[str, Any]] = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            rows += run_seed(Path(folder), options, seed)
    show(pd.DataFrame(rows))


if __name__ == "__main__":
    main()
