import ast
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from armbench_segmentation.config import COCO_ANCHORS
from armbench_segmentation.training import export
from armbench_segmentation.training.export import export_onnx
from armbench_segmentation.training.network import ExportForm, YoloSeg

SIZE = 64
NAMES = ("Object", "Tote's rim")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def network() -> YoloSeg:
    """Shaken weights and biases that tell anchors and channels apart; left in training mode."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = YoloSeg(2, "n", COCO_ANCHORS, image_size=SIZE)
        for level, head in enumerate(net.heads):
            head.bias.data += torch.linspace(-1, 1, head.bias.numel()) + level / 10
    return net.train()


@pytest.fixture(scope="module", params=["legacy", pytest.param("dynamo", marks=pytest.mark.slow)])
def exported(request, network, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "new" / "model.onnx"
    difference = export_onnx(network, path, image_size=SIZE, categories=NAMES, exporter=request.param)
    return path, difference


def run(path, images: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["output0", "output1"], {"images": images})


def test_is_one_file_with_its_weights_inside(exported):
    path, _ = exported
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    assert path.stat().st_size > 7e6
    onnx.checker.check_model(str(path))


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_equals_the_network_for_any_batch(exported, network, batch):
    path, difference = exported
    images = torch.rand(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        expected = ExportForm(network, SIZE).eval()(images)
    network.train()
    found = run(path, images.numpy())
    assert found[0].shape == (batch, 252, 39)
    assert found[1].shape == (batch, 32, 16, 16)
    for ours, theirs in zip(expected, found, strict=True):
        np.testing.assert_allclose(theirs, ours.numpy(), atol=1e-4, rtol=1e-4)
    assert 0 <= difference <= 1e-4


def test_images_of_a_batch_do_not_touch_each_other(exported):
    path, _ = exported
    images = np.random.default_rng(0).random((3, 3, SIZE, SIZE), np.float32)
    together = run(path, images)[0]
    alone = np.concatenate([run(path, image[None])[0] for image in images])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_says_of_itself_what_a_reader_needs(exported):
    path, _ = exported
    model = onnx.load(path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert ast.literal_eval(metadata["names"]) == {0: "Object", 1: "Tote's rim"}
    assert metadata["task"] == "segment"
    assert metadata["stride"] == "32"
    assert json.loads(metadata["imgsz"]) == [SIZE, SIZE]
    assert json.loads(metadata["anchors"]) == [list(map(float, row)) for row in COCO_ANCHORS]
    (images,) = model.graph.input
    dims = images.type.tensor_type.shape.dim
    assert images.name == "images"
    assert dims[0].dim_param
    assert [d.dim_value for d in dims[1:]] == [3, SIZE, SIZE]


@pytest.mark.parametrize("exporter", ["legacy", pytest.param("dynamo", marks=pytest.mark.slow)])
def test_rows_are_p3_p4_p5_and_anchor_major(exporter, tmp_path):
    """All weights of the heads 0, so that only biases speak: each anchor of each level has an objectness of its own."""
    net = YoloSeg(1, "n", COCO_ANCHORS)
    for level, head in enumerate(net.heads):
        head.weight.data.zero_()
        head.bias.data.zero_()
        for anchor in range(3):
            head.bias.data[anchor * net.n_outputs + 4] = float(3 * level + anchor) - 4
    export_onnx(net, tmp_path / "m.onnx", image_size=SIZE, categories=["Object"], exporter=exporter)
    rows = run(tmp_path / "m.onnx", np.zeros((2, 3, SIZE, SIZE), np.float32))[0][1]
    code = np.log(rows[:, 4] / (1 - rows[:, 4])) + 4
    np.testing.assert_allclose(code, np.repeat(np.arange(9), np.repeat([64, 16, 4], 3)), atol=1e-4)
    np.testing.assert_allclose(rows[:, 2:4], np.array(COCO_ANCHORS).reshape(9, 2)[code.round().astype(int)], rtol=1e-5)
    stride = np.repeat([8, 16, 32], np.array([64, 16, 4]) * 3)
    cells = rows[:, :2] / stride[:, None] - 0.5
    np.testing.assert_allclose(cells[:10, 0], [0, 1, 2, 3, 4, 5, 6, 7, 0, 1])
    np.testing.assert_allclose(cells[:10, 1], [0, 0, 0, 0, 0, 0, 0, 0, 1, 1])


def test_leaves_the_network_as_it_was(network, tmp_path):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    export_onnx(network, tmp_path / "m.onnx", image_size=SIZE, categories=NAMES, exporter="legacy")
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_writes_nothing_when_the_file_would_compute_something_else(network, tmp_path, monkeypatch):
    """The network changes between the writing of the graph and its check, as a faulty exporter would make it differ."""
    describe = export._describe

    def describe_then_change(path, net, *rest):
        describe(path, net, *rest)
        net.heads[0].bias.data += 1

    monkeypatch.setattr(export, "_describe", describe_then_change)
    (tmp_path / "m.onnx").write_bytes(b"older")
    with pytest.raises(ArithmeticError, match=r"must equal the network within 0\.0001; it differs by"):
        export_onnx(network, tmp_path / "m.onnx", image_size=SIZE, categories=NAMES, exporter="legacy")
    network.heads[0].bias.data -= 1
    assert (tmp_path / "m.onnx").read_bytes() == b"older"
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]


def test_a_network_of_nan_is_not_exported(tmp_path):
    net = YoloSeg(2, "n", COCO_ANCHORS)
    net.heads[2].bias.data[0] = float("nan")
    with pytest.raises(ArithmeticError, match="differs by nan"):
        export_onnx(net, tmp_path / "m.onnx", image_size=SIZE, categories=NAMES, exporter="legacy")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"categories": ["Object"]}, r"categories must be 2 names; got \['Object'\]"),
        ({"image_size": 100}, "image_size must be a positive multiple of 32; got 100"),
        ({"exporter": "onnx"}, "exporter must be 'dynamo' or 'legacy'; got 'onnx'"),
    ],
)
def test_refuses_before_it_writes(network, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        export_onnx(network, tmp_path / "m.onnx", **{"image_size": SIZE, "categories": NAMES, **options})
    assert not list(tmp_path.iterdir())
