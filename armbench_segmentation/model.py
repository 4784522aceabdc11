"""What an exported segmentation model says of itself: input size, batch, head, classes, anchors.

**Conventions**: read from the ONNX file through onnxruntime: shapes first, then the metadata that Ultralytics'
exporters and ours write (`names`, `anchors`). What the file does not say is None.
"""

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from armbench_segmentation.resize import ResizeMode
from latent_space import onnx_session

if TYPE_CHECKING:
    import onnxruntime


@dataclass(frozen=True)
class ModelFacts:
    """Facts of one ONNX model.

    Attributes
    ----------
    image_size : (height, width) of the input in pixels, or None where dynamic
    batch_size : int or None
        Fixed batch of the export; None where dynamic.
    names : tuple of str or None
        Class names in the model's order.
    anchors : tuple of rows or None
        Width, height pairs in pixels, a row per stride.
    resize : {"stretch", "letterbox"} or None
        How the images it was trained on became its input.
    """

    image_size: tuple[int, int] | None
    batch_size: int | None
    names: tuple[str, ...] | None
    anchors: tuple[tuple[float, ...], ...] | None
    resize: ResizeMode | None


def open_session(path: Path, *, threads: int = 1) -> "onnxruntime.InferenceSession":
    """Open an ONNX model on the CPU.

    Parameters
    ----------
    path : Path
        The `.onnx` file.
    threads : int
        Threads inside one operator; one keeps results independent of the machine.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If onnxruntime cannot read it.
    """
    advice = "Train one with `armscope segmentation train`, or point ARMSCOPE_MODEL at yours."
    return onnx_session.open_session(path, advice=advice, threads=threads)


def read_facts(session: "onnxruntime.InferenceSession") -> ModelFacts:
    """Read what the opened model says of itself.

    Raises
    ------
    ValueError
        If it does not have one image input (batch, 3, height, width), or its metadata cannot be read.
    """
    inputs = session.get_inputs()
    shape = _static(inputs[0].shape)
    if len(inputs) != 1 or len(shape) != 4 or shape[1] not in (3, None):
        found = ", ".join(f"{i.name} {i.shape}" for i in inputs)
        raise ValueError(f"The model must have one input (batch, 3, height, width); got {found}.")
    height, width = shape[2:]
    metadata = session.get_modelmeta().custom_metadata_map
    return ModelFacts(
        image_size=None if height is None or width is None else (height, width),
        batch_size=shape[0],
        names=_names(metadata.get("names")),
        anchors=_anchors(metadata.get("anchors")),
        resize=_resize(metadata.get("resize")),
    )


def output_shapes(session: "onnxruntime.InferenceSession", image_size: tuple[int, int]) -> list[tuple[int, ...]]:
    """Give the shapes of the outputs: those that the file fixes, or those of a run on a black image.

    Raises
    ------
    ValueError
        If the model does not run on an image of `image_size`.
    """
    shapes = [_static(output.shape) for output in session.get_outputs()]
    if all(None not in shape[1:] for shape in shapes):
        return [(shape[0] or 1, *(axis or 1 for axis in shape[1:])) for shape in shapes]
    [source] = session.get_inputs()
    dtype = np.float16 if source.type == "tensor(float16)" else np.float32
    black = np.zeros((_static(source.shape)[0] or 1, 3, *image_size), dtype)
    try:
        return [np.shape(output) for output in session.run(None, {source.name: black})]
    except onnx_session.runtime_errors() as error:
        raise ValueError(f"The model must run on an image of {image_size}: {error}") from error


def _static(shape: Sequence[Any]) -> tuple[int | None, ...]:
    return tuple(axis if isinstance(axis, int) and axis > 0 else None for axis in shape)


def _names(text: str | None) -> tuple[str, ...] | None:
    if not text:
        return None
    try:
        names = ast.literal_eval(text)
        return tuple(str(names[k]) for k in sorted(names)) if isinstance(names, dict) else tuple(map(str, names))
    except (ValueError, SyntaxError, TypeError) as error:
        raise ValueError(
            f"The model's metadata `names` must be a Python dict or list of names; got {text!r}."
        ) from error


def _resize(text: str | None) -> ResizeMode | None:
    if text not in (None, "", "stretch", "letterbox"):
        raise ValueError(f"The model's metadata `resize` must be 'stretch' or 'letterbox'; got {text!r}.")
    return "letterbox" if text == "letterbox" else "stretch" if text else None


def _anchors(text: str | None) -> tuple[tuple[float, ...], ...] | None:
    if not text:
        return None
    try:
        return tuple(
            tuple(float(v) for pair in row for v in (pair if isinstance(pair, list) else [pair]))
            for row in json.loads(text)
        )
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"The model's metadata `anchors` must be JSON rows of widths and heights; got {text!r}."
        ) from error
