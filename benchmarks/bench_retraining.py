"""One real retraining: the tote network trained on everything, on the kept half, and on half of the totes at random.

The network trained on everything gives the losses and latents that pruning goes by, as it would for a user. All three
see the same number of images in training, so the halves pass over theirs twice as often. They are judged on scenes of
another seed. One training each: differences of one or two points are chance. It takes minutes, so `--full` asks for it.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

# Before the libraries read it.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
os.environ["TL_DISABLE_ANALYTICS"] = "1"

from armbench_segmentation.evaluation import evaluate
from armbench_segmentation.synthetic import write_totes
from armbench_segmentation.training.trainer import train_segmentation
from armscope.explore import explore_ours
from latent_space.pruning import prune


def with_training_images(data: Path, out: Path, names: list[str]) -> Path:
    """Copy the annotations of a folder with only some of the training images; the images stay where they are."""
    out.mkdir()
    (out / "val.json").write_text((data / "val.json").read_text())
    content = json.loads((data / "train.json").read_text())
    content["images"] = [image for image in content["images"] if Path(image["file_name"]).name in set(names)]
    ids = {image["id"] for image in content["images"]}
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] in ids]
    if len(ids) != len(names):
        raise ValueError(f"names must be of training images; got {len(names)}, of which {len(ids)} are.")
    (out / "train.json").write_text(json.dumps(content))
    return out


def main() -> None:
    """Draw, train three times, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="train; without it nothing is done")
    parser.add_argument("--epochs", type=int, default=6, help="on everything; twice as many on a half")
    parser.add_argument("--train", type=int, default=200)
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.full:
        print("Three trainings take minutes: python benchmarks/bench_retraining.py --full")
        return
    print(f"{platform.machine()}, one thread; {options.train} totes at {options.image_size}, {options.epochs} epochs")
    print(f"{'':24}{'images':>8}{'CPU s':>8}{'mask mAP50':>12}{'mAP':>8}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, fresh = folder / "data", folder / "fresh"
        write_totes(data, train=options.train, val=60, unlabeled=0, seed=options.seed)
        write_totes(fresh, train=0, val=150, unlabeled=0, seed=options.seed + 1000)

        def train(label: str, source: Path, n: int, epochs: int) -> Path:
            start = time.process_time()
            report = train_segmentation(
                source,
                folder / label.replace(" ", "_"),
                images=data / "images",
                epochs=epochs,
                image_size=options.image_size,
                seed=options.seed,
            )
            seconds = time.process_time() - start
            score = evaluate(fresh / "val.json", fresh / "images", model=report.model)
            print(f"{label:24}{n:8}{seconds:8.0f}{score['AP50']:12.3f}{score['AP']:8.3f}", flush=True)
            return report.model

        model = train("everything", data, options.train, options.epochs)
        population = explore_ours(
            "segmentation", out=folder / "run", data=data, model=model, jobs=1, maps=False, visualizers=False
        )
        for label, strategy in (("kept half", "auto"), ("random half", "random")):
            done = prune(population, keep=0.5, strategy=strategy, n_seeds=3, random_state=options.seed)
            half = with_training_images(data, folder / strategy, done.kept_ids)
            train(label, half, len(done.kept_ids), 2 * options.epochs)
            if strategy == "auto":
                print(f"the check said: {done.sentence}")


if __name__ == "__main__":
    main()
