"""The latent tensor is right by its place in the graph: what feeds it, what it feeds, its grid; or its name says so."""

import io
import itertools
import warnings

import numpy as np
import pytest

from latent_space.engine.latent_choice import choose_latent, named_latent
from latent_space.engine.latents import LatentTensor
from latent_space.engine.model import OnnxModel
from latent_space.engine.onnx_graph import DataGraph

torch = pytest.importorskip("torch")
nn = torch.nn
torch.set_num_threads(1)


class Block(nn.Sequential):
    def __init__(self, n_in, n_out, kernel=3, stride=1):
        super().__init__(nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2), nn.SiLU())


class YoloV8Like(nn.Module):
    """A pyramid with heads on three levels, box distributions decoded by a fixed convolution, and prototypes."""

    def __init__(self, *, masks=True):
        super().__init__()
        self.stem = nn.Sequential(Block(3, 8, stride=2), Block(8, 16, stride=2))
        self.p3, self.p4, self.p5 = Block(16, 24, stride=2), Block(24, 32, stride=2), Block(32, 40, stride=2)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.sppf = Block(80, 40, 1)
        self.up = nn.Upsample(scale_factor=2)
        self.n4, self.n3 = Block(72, 32), Block(56, 24)
        self.d4, self.d5 = Block(24, 32, stride=2), Block(32, 40, stride=2)
        self.boxes = nn.ModuleList(nn.Sequential(Block(c, 16), nn.Conv2d(16, 64, 1)) for c in (24, 32, 40))
        self.classes = nn.ModuleList(nn.Sequential(Block(c, 16), nn.Conv2d(16, 3, 1)) for c in (24, 32, 40))
        self.expectation = nn.Conv2d(16, 1, 1, bias=False)
        self.masks = masks
        self.protos = nn.Sequential(Block(24, 24), nn.ConvTranspose2d(24, 24, 2, 2), nn.Conv2d(24, 8, 1))

    def forward(self, x):
        p3 = self.p3(self.stem(x))
        p4 = self.p4(p3)
        p5 = self.p5(p4)
        p5 = self.sppf(torch.cat((p5, self.pool(p5)), 1))
        p4 = self.n4(torch.cat((self.up(p5), p4), 1))
        p3 = self.n3(torch.cat((self.up(p4), p3), 1))
        o4 = self.d4(p3) + p4
        levels = (p3, o4, self.d5(o4) + p5)
        boxes = torch.cat([head(level).flatten(2) for head, level in zip(self.boxes, levels, strict=True)], 2)
        classes = torch.cat([head(level).flatten(2) for head, level in zip(self.classes, levels, strict=True)], 2)
        n = boxes.shape[2]
        boxes = self.expectation(boxes.view(-1, 4, 16, n).transpose(2, 1).softmax(1)).view(-1, 4, n)
        output = torch.cat((boxes, classes.sigmoid()), 1)
        return (output, self.protos(p3)) if self.masks else output


class SqueezeExcite(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.down, self.up = nn.Linear(n, 2), nn.Linear(2, n)

    def forward(self, x):
        scale = self.up(self.down(x.mean((2, 3))).relu()).sigmoid()
        return x * scale[:, :, None, None]


def classifier():
    body = nn.Sequential(Block(3, 8, stride=2), Block(8, 12, stride=2), SqueezeExcite(12), Block(12, 20, stride=2))
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 5), nn.Softmax(1))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = Block(3, 8), Block(8, 12, stride=2), Block(12, 16, stride=2)
        self.up = nn.Upsample(scale_factor=2)
        self.d, self.e, self.out = Block(28, 12), Block(20, 8), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(a)
        d = self.d(torch.cat((self.up(self.c(b)), b), 1))
        return self.out(self.e(torch.cat((self.up(d), a), 1))).sigmoid()


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 7, batch_first=True), nn.Linear(7, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 12, 8, 8)
        self.layer = nn.TransformerEncoderLayer(12, 2, 16, batch_first=True, dropout=0)
        self.norm, self.head = nn.LayerNorm(12), nn.Linear(12, 4)

    def forward(self, x):
        return self.head(self.norm(self.layer(self.patches(x).flatten(2).transpose(1, 2)))[:, 0])


def to_onnx(network, example, exporter="legacy"):
    network.eval()
    file = io.BytesIO()
    batch = torch.cat((example, example))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        if exporter == "legacy":
            axes = {"input": {0: "batch"}}
            torch.onnx.export(network, (batch,), file, input_names=["input"], dynamic_axes=axes, dynamo=False)
            return file.getvalue()
        shapes = ({0: torch.export.Dim("batch")},)
        program = torch.onnx.export(network, (batch,), dynamo=True, dynamic_shapes=shapes, verbose=False)
        return program.model_proto.SerializeToString()


def opened(content, example, name=None):
    """The model's latent tensor and its graph."""
    model = OnnxModel(content)
    latent = model.open_latent(name, [example[0].numpy()])
    return model, latent, DataGraph(model._proto())


IMAGE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
WINDOW = torch.rand(1, 10, 3, generator=torch.Generator().manual_seed(0))


def operations_above(graph, tensor):
    """Kinds of the nodes between the tensor and the outputs."""
    below = [name for name in graph.depth if name != tensor and tensor in graph.ancestors(name)]
    return [graph.producer(name).op_type for name in below]


def assert_end_of_backbone(graph, latent, *, grid, n_channels):
    assert latent.shape == (1, n_channels, *grid)
    assert all(latent.name in graph.ancestors(output) for output in graph.outputs)
    made_of = [graph.producer(name).op_type for name in graph.ancestors(latent.name) if graph.producer(name)]
    assert not {"Resize", "Upsample", "ConvTranspose"} & set(made_of)
    readers = {node.op_type for node in graph.nodes if latent.name in node.input}
    assert readers & {"Resize", "Upsample"}, "the neck begins here"


def assert_turn(graph, latent, *, grid, n_channels):
    """On the finest grid after the way up, read by the first step of the way down and by the heads."""
    assert latent.shape == (1, n_channels, *grid)
    assert all(latent.name in graph.ancestors(output) for output in graph.outputs)
    made_of = [graph.producer(name).op_type for name in graph.ancestors(latent.name) if graph.producer(name)]
    assert sum(kind in ("Resize", "Upsample") for kind in made_of) == 2
    strides = [
        next((attribute.ints[0] for attribute in node.attribute if attribute.name == "strides"), 1)
        for node in graph.nodes
        if latent.name in node.input and node.op_type == "Conv"
    ]
    assert 2 in strides, "the way down begins"
    assert 1 in strides, "and a head"


@pytest.mark.slow
@pytest.mark.parametrize("exporter", ["legacy", "dynamo"])
def test_our_network_turns_at_the_finest_map_of_its_neck(exporter, tmp_path):
    network = pytest.importorskip("armbench_segmentation.training.network")
    export = pytest.importorskip("armbench_segmentation.training.export")
    from armbench_segmentation.config import COCO_ANCHORS

    path = tmp_path / "model.onnx"
    made = network.YoloSeg(2, "n", COCO_ANCHORS, image_size=64)
    export.export_onnx(made, path, image_size=64, categories=["Object", "Tote"], exporter=exporter)
    model = OnnxModel(path)
    before = model.predict([[IMAGE[0].numpy()]])[0].outputs
    latent = model.open_latent(None, [IMAGE[0].numpy()])
    assert_turn(DataGraph(model._proto()), latent, grid=(8, 8), n_channels=64)
    after = model.predict([[IMAGE[0].numpy()]])[0]
    assert [array.tobytes() for array in before] == [array.tobytes() for array in after.outputs]
    assert latent.pool(after.features).shape == (64,)


@pytest.mark.parametrize("exporter", ["legacy", pytest.param("dynamo", marks=pytest.mark.slow)])
@pytest.mark.parametrize("masks", [True, False])
def test_a_v8_like_network_turns_at_the_finest_map_of_its_neck(exporter, masks):
    _, latent, graph = opened(to_onnx(YoloV8Like(masks=masks), IMAGE, exporter), IMAGE)
    assert_turn(graph, latent, grid=(8, 8), n_channels=24)


@pytest.mark.parametrize("exporter", ["legacy", pytest.param("dynamo", marks=pytest.mark.slow)])
def test_a_classifier_gives_the_map_that_its_head_pools(exporter):
    model, latent, graph = opened(to_onnx(classifier(), IMAGE, exporter), IMAGE)
    assert latent.shape == (1, 20, 8, 8)
    above = operations_above(graph, latent.name)
    assert above.count("Gemm") == 1
    assert not {"Conv", "Sigmoid", "Mul"} & set(above), "after the last activation"
    assert latent.pool(model.predict([[IMAGE[0].numpy()]])[0].features).shape == (20,)


class Pyramid(nn.Module):
    """A feature pyramid without a way back down, but with one more, coarser level from its coarsest."""

    def __init__(self):
        super().__init__()
        self.p3, self.p4, self.p5 = Block(3, 8, stride=2), Block(8, 12, stride=2), Block(12, 16, stride=2)
        self.lateral3, self.lateral4 = nn.Conv2d(8, 16, 1), nn.Conv2d(12, 16, 1)
        self.up, self.p6, self.head = nn.Upsample(scale_factor=2), nn.MaxPool2d(1, 2), nn.Conv2d(16, 4, 3, 1, 1)

    def forward(self, x):
        p3 = self.p3(x)
        p4 = self.p4(p3)
        p5 = self.p5(p4)
        m4 = self.lateral4(p4) + self.up(p5)
        m3 = self.lateral3(p3) + self.up(m4)
        return torch.cat([self.head(level).flatten(2) for level in (m3, m4, p5, self.p6(p5))], 2)


def test_a_pyramid_without_a_way_down_gives_the_end_of_its_backbone():
    _, latent, graph = opened(to_onnx(Pyramid(), IMAGE), IMAGE)
    assert_end_of_backbone(graph, latent, grid=(8, 8), n_channels=16)


def test_a_unet_gives_its_bottom():
    _, latent, graph = opened(to_onnx(UNet(), IMAGE), IMAGE)
    assert_end_of_backbone(graph, latent, grid=(16, 16), n_channels=16)


def test_an_autoencoder_gives_its_waist():
    sizes = (30, 16, 4, 16, 30)
    layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())][:-1]
    _, latent, graph = opened(to_onnx(nn.Sequential(nn.Flatten(), *layers), WINDOW), WINDOW)
    assert latent.shape == (1, 4)
    assert operations_above(graph, latent.name).count("Gemm") == 2


def test_a_perceptron_gives_its_last_hidden_layer_even_where_an_earlier_one_is_narrower():
    network = nn.Sequential(nn.Flatten(), nn.Linear(30, 6), nn.ReLU(), nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 2))
    _, latent, graph = opened(to_onnx(network, WINDOW), WINDOW)
    assert latent.shape == (1, 9)
    assert graph.producer(latent.name).op_type == "Relu"


def test_a_forecaster_gives_the_state_before_its_head():
    _, latent, graph = opened(to_onnx(Forecaster(), WINDOW), WINDOW)
    assert latent.shape == (1, 7)
    assert operations_above(graph, latent.name) == ["Gemm"]


def test_a_transformer_gives_normalised_features_before_its_head():
    torch.backends.mha.set_fastpath_enabled(False)  # its fused operator has no ONNX form
    try:
        content = to_onnx(Transformer(), IMAGE)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    _, latent, graph = opened(content, IMAGE)
    assert latent.shape[latent.channel_axis] == 12
    assert "Softmax" not in operations_above(graph, latent.name), "after the last attention"


def test_a_model_without_hidden_layer_gives_its_output():
    model, latent, graph = opened(to_onnx(nn.Sequential(nn.Flatten(), nn.Linear(30, 2)), WINDOW), WINDOW)
    assert latent.name == graph.outputs[0]
    assert latent.is_output
    assert latent.pool(model.predict([[WINDOW[0].numpy()]])[0].features).shape == (2,)


def test_a_classifier_of_as_many_classes_as_inputs_is_no_autoencoder():
    layers = (nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 9), nn.ReLU(), nn.Linear(9, 10))
    example = torch.rand(1, 10)
    for end, wanted in ((nn.Softmax(1), 9), (nn.Identity(), 8)):
        assert opened(to_onnx(nn.Sequential(*layers, end), example), example)[1].shape == (1, wanted)


def test_features_that_are_an_output_themselves_may_be_chosen():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Sequential(nn.Flatten(), nn.Linear(30, 6)), nn.Linear(6, 2)

        def forward(self, x):
            features = self.body(x)
            return self.head(features), features

    model, latent, graph = opened(to_onnx(Both(), WINDOW), WINDOW)
    assert latent.name == graph.outputs[1]
    assert not latent.is_output
    prediction = model.predict([[WINDOW[0].numpy()]])[0]
    assert len(prediction.outputs) == 2
    np.testing.assert_array_equal(prediction.features[0], prediction.outputs[1])


def test_a_named_tensor_is_used():
    content = to_onnx(classifier(), IMAGE)
    graph = DataGraph(OnnxModel(content)._proto())
    wanted = next(name for name in graph.depth if name not in graph.inputs and graph.producer(name).op_type == "Mul")
    _, latent, _ = opened(content, IMAGE, wanted)
    assert latent == LatentTensor(wanted, (1, 8, 32, 32), 1)


def test_a_name_that_is_no_tensor_of_the_graph_is_refused():
    with pytest.raises(ValueError, match=r"latent must be a tensor of the model's graph, such as .*; got 'nowhere'"):
        opened(to_onnx(classifier(), IMAGE), IMAGE, "nowhere")


def test_a_tensor_without_batch_is_refused():
    content = to_onnx(nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (-1, 30)), nn.Linear(30, 2)), WINDOW)
    flat = next(name for name in DataGraph(OnnxModel(content)._proto()).depth if name != "input")
    with pytest.raises(ValueError, match="latent must be a float tensor with the batch as first axis"):
        named_latent(OnnxModel(content)._proto(), flat, lambda names: dict.fromkeys(names, (30,)))


def test_a_model_whose_output_ignores_its_input_is_refused():
    import onnx
    from onnx import TensorProto, helper

    constant = helper.make_node("Constant", [], ["y"], value_float=1.0)
    graph = helper.make_graph(
        [constant],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])],
    )
    with pytest.raises(ValueError, match="model must have an output that depends on its input"):
        choose_latent(helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]), lambda names: {})


class Detector(nn.Module):
    """Gives a score, a reconstruction, and the latent vector between them."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Linear(8, 3), nn.Linear(3, 8)

    def forward(self, x):
        latent = self.down(x).tanh()
        reconstruction = self.up(latent)
        return (x - reconstruction).square().mean(1), reconstruction, latent * 1.0


def export_named(module, x, names):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), x, buffer, output_names=names, dynamo=False, opset_version=17)
    return buffer.getvalue()


def test_an_output_called_latent_is_the_latent_space():
    model = OnnxModel(export_named(Detector(), torch.zeros(1, 8), ["score", "reconstruction", "latent"]))
    sample = [np.linspace(-1, 1, 8, dtype=np.float32)]
    tensor = model.open_latent(None, sample)
    assert (tensor.name, tensor.shape, tensor.is_output) == ("latent", (1, 3), False)
    [prediction] = model.predict([sample])
    assert len(prediction.outputs) == 3
    np.testing.assert_array_equal(tensor.pool(prediction.features), prediction.outputs[2])


def test_a_single_output_called_latent_says_nothing_of_the_space_before_it():
    model = OnnxModel(
        export_named(nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 2)), torch.zeros(1, 8), ["latent"])
    )
    assert model.open_latent(None, [np.zeros(8, np.float32)]).n_features == 5
