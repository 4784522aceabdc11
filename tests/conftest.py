"""What several packages' tests start from: a tiny data set of totes, and a network that finds something in them."""

import json
import os

import pytest

os.environ.setdefault("TL_DISABLE_ANALYTICS", "1")


@pytest.fixture(scope="session")
def totes(tmp_path_factory):
    """A folder of synthetic totes: 6 for training, 5 for validation, 4 unlabelled; 128 pixels."""
    from armbench_segmentation.synthetic import write_totes

    out = tmp_path_factory.mktemp("data") / "totes"
    write_totes(out, train=6, val=5, unlabeled=4, image_size=128, seed=3)
    return out


@pytest.fixture(scope="session")
def tote_model(tmp_path_factory, totes):
    """An untrained network, exported for 64 pixels; without its cautious biases it sees objects everywhere."""
    import torch

    from armbench_segmentation.config import COCO_ANCHORS
    from armbench_segmentation.training.export import export_onnx
    from armbench_segmentation.training.network import YoloSeg

    names = [category["name"] for category in json.loads((totes / "train.json").read_text())["categories"]]
    torch.manual_seed(0)
    network = YoloSeg(len(names), "n", COCO_ANCHORS, image_size=64)
    with torch.no_grad():
        for convolution in network.heads:
            convolution.bias.fill_(1.0)
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    export_onnx(network, path, image_size=64, categories=names, exporter="legacy")
    return path
