import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from armbench_segmentation.training.checkpoints import load_checkpoint, load_network
from armbench_segmentation.training.network import ExportForm
from armbench_segmentation.training.settings import TrainingSettings
from armbench_segmentation.training.trainer import train_segmentation

SIZE = 64
QUICK = {"epochs": 3, "image_size": SIZE, "batch_size": 4, "exporter": "legacy"}


def write_squares(root: Path, counts: dict, *, names=("Square", "Bar"), file="{split}.json") -> Path:
    """Red squares and green bars on gray, in the ARMBench layout."""
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, n in counts.items():
        images, annotations = [], []
        for number in range(n):
            picture = np.full((80, 80, 3), 90, np.uint8)
            for class_id, (w, h) in enumerate(((24, 24), (36, 12))):
                x, y = int(rng.integers(0, 80 - w)), int(rng.integers(0, 34 - h)) + 40 * class_id
                picture[y : y + h, x : x + w] = ((220, 30, 30), (30, 220, 30))[class_id]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": class_id + 1,
                        "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
                        "bbox": [x, y, w, h],
                        "area": w * h,
                        "iscrowd": 0,
                    }
                )
            Image.fromarray(picture).save(root / "images" / f"{split}{number}.png")
            images.append({"id": number, "file_name": f"{split}{number}.png", "width": 80, "height": 80})
        categories = [{"id": k + 1, "name": name} for k, name in enumerate(names)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / file.format(split=split)).write_text(json.dumps(content))
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_squares(tmp_path_factory.mktemp("data") / "squares", {"train": 10, "val": 4})


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    threads = torch.get_num_threads()
    report = train_segmentation(data, out, **QUICK)
    assert torch.get_num_threads() == threads, "the thread count is given back"
    return out, report


def test_writes_model_checkpoints_and_history(trained):
    out, report = trained
    assert sorted(file.name for file in out.iterdir()) == ["best.pth", "last.pth", "model.onnx", "training.json"]
    content = json.loads((out / "training.json").read_text())
    assert [entry["epoch"] for entry in content["history"]] == [1, 2, 3]
    for entry in content["history"]:
        parts = sum(entry[name] for name in ("box", "objectness", "classification", "mask"))
        assert entry["loss"] == pytest.approx(parts)
        assert 0 <= entry["map50_95"] <= entry["map50"] <= 1
    assert content["settings"]["image_size"] == SIZE
    assert content["versions"]["torch"] == torch.__version__
    assert content["architecture"]["categories"] == ["Square", "Bar"]
    assert content["report"] == json.loads(report.to_json())


def test_the_report_says_what_was_exported(trained):
    out, report = trained
    history = json.loads((out / "training.json").read_text())["history"]
    best = max(history, key=lambda entry: entry["fitness"])
    assert (report.best_epoch, report.map50) == (best["epoch"], best["map50"])
    assert (report.n_training, report.n_validation, report.epochs_done) == (10, 4, 3)
    text = str(report)
    assert "Trained on 10 images for 3 epochs" in text
    assert f"Best after epoch {best['epoch']}, on 4 validation images" in text
    assert str(out / "model.onnx") in text


def test_the_model_is_the_best_network(trained):
    out, _ = trained
    network, architecture = load_network(out / "best.pth")
    assert architecture.categories == ("Square", "Bar")
    images = np.random.default_rng(0).random((2, 3, SIZE, SIZE), np.float32)
    with torch.no_grad():
        expected = ExportForm(network, SIZE).eval()(torch.from_numpy(images))
    found = onnxruntime.InferenceSession(str(out / "model.onnx")).run(None, {"images": images})
    for ours, theirs in zip(expected, found, strict=True):
        np.testing.assert_allclose(theirs, ours.numpy(), atol=1e-4, rtol=1e-4)


def test_the_same_seed_gives_the_same_network_and_another_seed_another(data, trained, tmp_path):
    for name, seed in (("again", 0), ("other", 1)):
        train_segmentation(data, tmp_path / name, **QUICK | {"epochs": 1, "patience": 1}, seed=seed)
    first, again, other = (
        json.loads((folder / "training.json").read_text())["history"][0]["loss"]
        for folder in (trained[0], tmp_path / "again", tmp_path / "other")
    )
    assert again != other
    assert first != again, "one epoch has another schedule than three"
    train_segmentation(data, tmp_path / "third", **QUICK | {"epochs": 1, "patience": 1})
    assert json.loads((tmp_path / "third" / "training.json").read_text())["history"][0]["loss"] == again


class InterruptionError(Exception):
    """An interruption from outside."""


def test_a_resumed_training_ends_as_the_uninterrupted_one(data, trained, tmp_path, monkeypatch):
    """Interrupted in the middle of the second epoch, after its first step."""
    from armbench_segmentation.training.optimization import Optimization

    step, done = Optimization.step, []

    def stops_at_the_fifth(self, batch, **options):
        done.append(1)
        if len(done) == 5:
            raise InterruptionError
        return step(self, batch, **options)

    monkeypatch.setattr(Optimization, "step", stops_at_the_fifth)
    with pytest.raises(InterruptionError):
        train_segmentation(data, tmp_path, **QUICK)
    monkeypatch.undo()
    assert len(load_checkpoint(tmp_path / "last.pth")[1]["history"]) == 1
    report = train_segmentation(data, tmp_path, **QUICK, resume=True)
    assert report.epochs_done == 3
    _, ours = load_checkpoint(tmp_path / "last.pth")
    _, theirs = load_checkpoint(trained[0] / "last.pth")
    for part in ("network", "average"):
        for name, value in theirs[part].items():
            torch.testing.assert_close(ours[part][name], value, msg=name)
    for a, b in zip(ours["history"], theirs["history"], strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
        assert a["map50"] == pytest.approx(b["map50"], abs=1e-6)


def test_resuming_a_finished_training_exports_again(data, trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "copy")
    (tmp_path / "copy" / "model.onnx").unlink()
    report = train_segmentation(data, tmp_path / "copy", **QUICK, resume=True)
    assert report.epochs_done == 3
    assert (tmp_path / "copy" / "model.onnx").is_file()


@pytest.mark.parametrize(("n_images", "expected"), [(1, 2), (300, 4), (900, 12), (40_000, 16)])
def test_batches_grow_with_the_data(n_images, expected):
    """Small data needs many small steps, large data has enough of them."""
    assert TrainingSettings().batch_size_for(n_images) == expected
    assert TrainingSettings(batch_size=5).batch_size_for(n_images) == 5


def test_stops_when_validation_no_longer_improves(data, tmp_path):
    """A learning rate too small to learn anything: precision stays at 0 from the first epoch on."""
    report = train_segmentation(data, tmp_path, **QUICK | {"epochs": 9}, learning_rate=1e-9, patience=2)
    assert (report.epochs_done, report.best_epoch) == (3, 1)


def test_one_annotation_file_is_split_by_the_seed(tmp_path):
    root = write_squares(tmp_path / "one", {"all": 10}, file="{split}.json")
    options = {**QUICK, "epochs": 1, "width": "s", "anchors": "fitted", "resize": "letterbox"}
    report = train_segmentation(root / "all.json", tmp_path / "out", **options)
    assert (report.n_training, report.n_validation) == (7, 3)
    held_out = json.loads((tmp_path / "out" / "validation.json").read_text())
    assert len(held_out["images"]) == 3
    assert {a["image_id"] for a in held_out["annotations"]} == {image["id"] for image in held_out["images"]}
    architecture, _ = load_checkpoint(tmp_path / "out" / "best.pth")
    assert architecture.width == "s"
    assert architecture.anchors[0][0] < 60


def test_data_without_objects_is_refused(tmp_path):
    root = write_squares(tmp_path / "data", {"train": 3, "val": 2})
    content = json.loads((root / "train.json").read_text())
    (root / "train.json").write_text(json.dumps(content | {"annotations": []}))
    with pytest.raises(ValueError, match=r"must have annotated objects in its training images; got none"):
        train_segmentation(root, tmp_path / "out", **QUICK)


def test_an_unreadable_image_is_set_aside_with_a_warning(tmp_path):
    root = write_squares(tmp_path / "data", {"train": 6, "val": 3})
    whole = (root / "images" / "train2.png").read_bytes()
    (root / "images" / "train2.png").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(UserWarning, match=r"training images set aside: 1; the first is .*train2"):
        report = train_segmentation(root, tmp_path / "out", **QUICK | {"epochs": 1})
    assert report.n_training == 5
    set_aside = json.loads((tmp_path / "out" / "training.json").read_text())["set_aside"]
    assert len(set_aside["training"]) == 1
    assert not set_aside["validation"]


def test_validation_without_objects_has_no_precision_and_keeps_the_last_epoch(tmp_path):
    root = write_squares(tmp_path / "data", {"train": 4, "val": 2})
    content = json.loads((root / "val.json").read_text())
    (root / "val.json").write_text(json.dumps(content | {"annotations": []}))
    report = train_segmentation(root, tmp_path / "out", **QUICK | {"epochs": 2})
    assert (report.map50, report.best_epoch) == (None, 2)
    assert "mask mAP50 -" in str(report)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 100}, "image_size must be a multiple of 32, at least 64; got 100"),
        ({"image_size": 32}, "image_size must be a multiple of 32, at least 64; got 32"),
        ({"epochs": 0}, "epochs must be at least 1; got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive; got 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive; got nan"),
        ({"width": "m"}, "width must be one of n, s; got 'm'"),
        ({"anchors": "mine"}, "anchors must be one of fitted, coco; got 'mine'"),
        ({"seed": -1}, "seed must not be negative; got -1"),
    ],
)
def test_settings_are_checked_before_anything_is_read(options, message):
    with pytest.raises(ValueError, match=message):
        TrainingSettings(**options)


@pytest.mark.parametrize(
    ("options", "names", "message"),
    [
        ({"width": "s"}, ("Square", "Bar"), "resume needs the width of last.pth, 'n'; got 's'"),
        ({"image_size": 96}, ("Square", "Bar"), "resume needs the image_size of last.pth, 64; got 96"),
        (
            {},
            ("Square", "Box"),
            r"resume needs the categories of last.pth, \('Square', 'Bar'\); got \('Square', 'Box'\)",
        ),
    ],
)
def test_resume_refuses_another_network(trained, tmp_path, options, names, message):
    root = write_squares(tmp_path / "data", {"train": 2, "val": 2}, names=names)
    shutil.copytree(trained[0], tmp_path / "out")
    with pytest.raises(ValueError, match=message):
        train_segmentation(root, tmp_path / "out", **QUICK | options, resume=True)


def test_resume_without_checkpoint_is_an_error(data, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No checkpoint at .*last\.pth"):
        train_segmentation(data, tmp_path / "out", **QUICK, resume=True)
    assert not (tmp_path / "out").exists()


def test_no_training_images_is_an_error(tmp_path):
    root = write_squares(tmp_path / "data", {"train": 0, "val": 2})
    with pytest.raises(ValueError, match="at least one image"):
        train_segmentation(root, tmp_path / "out", **QUICK)
    assert not (tmp_path / "out").exists()


def command(*arguments, code="from armscope.cli import main; main()") -> list[str]:
    return [sys.executable, "-c", code, "segmentation", "train", *map(str, arguments)]


def run(*arguments, **options):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command(*arguments, **options), capture_output=True, text=True, env=environment, check=False, timeout=300
    )


@pytest.mark.slow
def test_the_command_trains_and_prints_json(data, tmp_path):
    done = run(
        "--data", data, "--out", tmp_path / "out", "--epochs", 1, "--image-size", SIZE, "--exporter", "legacy", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["epochs_done"] == 1
    assert done.stderr == ""


def n_epochs_written(out) -> int:
    path = out / "training.json"
    return len(json.loads(path.read_text())["history"]) if path.is_file() else 0


@pytest.mark.slow
def test_an_interrupted_command_can_be_resumed(data, tmp_path):
    """SIGINT leaves last.pth, one line, and code 130."""
    out = tmp_path / "out"
    options = ["--data", data, "--out", out, "--image-size", SIZE, "--exporter", "legacy", "--patience", 9999]
    process = subprocess.Popen(
        command(*options, "--epochs", 9999),
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        # A shell that runs the tests in the background makes them, and what they start, deaf to SIGINT.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 120
        while n_epochs_written(out) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, errors
    assert errors.strip() == "armscope: Interrupted. The same command with --resume continues."
    n_done = len(load_checkpoint(out / "last.pth")[1]["history"])
    assert n_done >= 1
    done = run(*options, "--epochs", n_done + 1, "--resume")
    assert done.returncode == 0, done.stderr
    assert f"for {n_done + 1} epochs" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image-size", 100], "armscope: image_size must be a multiple of 32, at least 64; got 100."),
        (["--data", "nowhere"], "armscope: "),
        (["--resume"], "armscope: No checkpoint at "),
    ],
)
def test_mistakes_end_with_one_line_and_code_2(data, tmp_path, arguments, message):
    where = [] if "--data" in arguments else ["--data", data]
    done = run(*where, "--out", tmp_path / "out", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("package", ["torch", "onnxscript"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(data, tmp_path, package):
    code = f"import sys; sys.modules[{package!r}] = None; from armscope.cli import main; main()"
    done = run("--data", data, "--out", tmp_path / "out", code=code)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"armscope: Training needs {package}: pip install 'armscope[train]'.\n"
