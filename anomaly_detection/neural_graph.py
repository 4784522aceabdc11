"""A fitted neural detector as an ONNX graph, scaling included.

**Conventions**: input `window` (batch, window_size, n_channels) float32 in raw units; outputs as `stored` names them.
Written by torch's exporter, all weights inside the one file.
"""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from anomaly_detection.stored import OPSET

_LSTM_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")

if TYPE_CHECKING:
    from anomaly_detection.neural import NeuralDetector


def neural_graph(detector: "NeuralDetector") -> bytes:
    """Export the detector; the batch is dynamic."""
    from anomaly_detection.neural import RawForm

    form = copy.deepcopy(RawForm(detector)).cpu().eval()
    _use_onnx_lstm(form)
    # Two windows: a dimension of 1 in the example would be taken for a constant.
    example = torch.zeros(2, detector.window_size, len(detector.channels_))
    with _quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(
            form,
            (example,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=["window"],
            output_names=["score", detector.kind, "latent", "residual"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


class _OnnxLSTM(nn.Module):
    """An LSTM as ONNX's own operator, one per layer: torch's exporter would write a loop."""

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        self.hidden_size, self.n_layers = lstm.hidden_size, lstm.num_layers
        for layer in range(self.n_layers):
            w, r, b_w, b_r = (_gates(getattr(lstm, f"{name}_l{layer}")) for name in _LSTM_PARTS)
            self.register_buffer(f"w{layer}", w[None])
            self.register_buffer(f"r{layer}", r[None])
            self.register_buffer(f"b{layer}", torch.cat([b_w, b_r])[None])

    def forward(self, rows: Tensor) -> tuple[Tensor, None]:
        hidden = rows.transpose(0, 1)  # ONNX wants the steps first
        for layer in range(self.n_layers):
            n_steps, batch = hidden.shape[0], hidden.shape[1]
            states, _, _ = torch.onnx.ops.symbolic_multi_out(
                "LSTM",
                [hidden, *(getattr(self, f"{part}{layer}") for part in "wrb")],
                attrs={"hidden_size": self.hidden_size},
                dtypes=[hidden.dtype] * 3,
                shapes=[(n_steps, 1, batch, self.hidden_size), *[(1, batch, self.hidden_size)] * 2],
                version=OPSET,
            )
            hidden = states.squeeze(1)
        return hidden.transpose(0, 1), None


def _gates(parameter: Tensor) -> Tensor:
    """Bring torch's order of the gates (input, forget, cell, output) into ONNX's (input, output, forget, cell)."""
    entry, forget, cell, leave = parameter.detach().chunk(4)
    return torch.cat([entry, leave, forget, cell])


def _use_onnx_lstm(module: nn.Module) -> None:
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.LSTM):
                setattr(parent, name, _OnnxLSTM(child))


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence what the exporter says about itself, and nothing else."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)`", category=FutureWarning)
            yield
    finally:
        logger.setLevel(level)
