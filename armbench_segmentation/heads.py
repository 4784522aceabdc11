"""The raw outputs of YOLO-seg models: which contract they follow, told by shape.

Three contracts are known, told apart by the shapes of the outputs alone (B images, nc classes, K mask coefficients,
prototypes (B, K, h, w) with h, w = input / 4), in whatever order the model returns them:

- *yolov5*, (B, N, 5 + nc + K): cx, cy, w, h in input pixels, objectness and classes after sigmoid, coefficients.
- *yolov8* (also 11), (B, 4 + nc + K, N): cx, cy, w, h, classes after sigmoid, coefficients; no objectness.
- *end_to_end*, (B, n, 6 + K): x1, y1, x2, y2, score, class, coefficients; overlaps already suppressed.

With one class, *yolov5* and *end_to_end* have the same width; the number of rows then decides: one that is a whole
grid of anchors (strides 8 to 32, also with 4 or 64) is *yolov5*.

**Conventions**: shapes are those of the arrays as the model returns them, float16 or float32.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.precision import to_float32

HeadKind = Literal["yolov5", "yolov8", "end_to_end"]
Floats = NDArray[np.float32]
PROTOTYPE_STRIDE = 4
_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))


def head_kind(outputs: Sequence[NDArray[Any] | tuple[int, ...]], n_classes: int) -> HeadKind:
    """Tell which contract the shapes follow.

    Parameters
    ----------
    outputs : sequence of arrays or shapes
        As in `decode_predictions`.
    n_classes : int
        Number of classes.

    Raises
    ------
    ValueError
        If the shapes fit no contract; the message names them and what was expected.

    Examples
    --------
    >>> head_kind([(1, 25200, 38), (1, 32, 160, 160)], 1), head_kind([(1, 32, 160, 160), (1, 300, 38)], 1)
    ('yolov5', 'end_to_end')
    >>> head_kind([(1, 116, 8400), (1, 32, 160, 160)], 80)
    'yolov8'
    """
    if n_classes < 1:
        raise ValueError(f"n_classes must be at least 1; got {n_classes}.")
    (_, rows, columns), (_, n_coefficients, *grid) = _two_shapes(_shapes(outputs))
    whole_grids = [sum((4 * grid[0] // s) * (4 * grid[1] // s) for s in strides) for strides in _STRIDES]
    is_grid = {n: any(cells and n % cells == 0 for cells in whole_grids) for n in (rows, columns)}
    fits: dict[HeadKind, bool] = {
        "yolov5": columns == 5 + n_classes + n_coefficients,
        "yolov8": rows == 4 + n_classes + n_coefficients,
        "end_to_end": columns == 6 + n_coefficients and not is_grid[rows],
    }
    if fits["yolov5"] and is_grid[rows]:
        return "yolov5"
    if fits["yolov8"] and is_grid[columns]:
        return "yolov8"
    for kind in ("end_to_end", "yolov5", "yolov8"):
        if fits[kind]:
            return kind
    raise ValueError(
        f"outputs must be (B, N, {5 + n_classes + n_coefficients}) as YOLOv5-seg,"
        f" (B, {4 + n_classes + n_coefficients}, N) as YOLOv8/11-seg or (B, n, {6 + n_coefficients}) end to end"
        f" for n_classes={n_classes} and {n_coefficients} mask coefficients; got {_shapes(outputs)}."
    )


def split_outputs(outputs: Sequence[NDArray[Any]]) -> tuple[Floats, Floats]:
    """Return (predictions (B, ., .), prototypes (B, K, h, w)) as float32, found by rank.

    Raises
    ------
    ValueError
        If there is not exactly one of each, or they differ in batch size.
    """
    _two_shapes(_shapes(outputs))
    predictions, prototypes = (next(o for o in outputs if o.ndim == rank) for rank in (3, 4))
    return to_float32(predictions), to_float32(prototypes)


def check_prototypes(shape: tuple[int, ...], input_size: tuple[int, int]) -> None:
    """Raise ValueError unless prototypes of `shape` (B, K, h, w) are a quarter of `input_size`."""
    expected = (input_size[0] / PROTOTYPE_STRIDE, input_size[1] / PROTOTYPE_STRIDE)
    if shape[2:] != expected:
        raise ValueError(
            f"image_size must be 4 times the prototypes' height and width {shape[2:]}; got {input_size}."
            " Give the size of the model's own input."
        )


def _shapes(outputs: Sequence[NDArray[Any] | tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [tuple(int(n) for n in getattr(output, "shape", output)) for output in outputs]


def _two_shapes(shapes: list[tuple[int, ...]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    predictions, prototypes = ([shape for shape in shapes if len(shape) == rank] for rank in (3, 4))
    if len(predictions) != 1 or len(prototypes) != 1 or predictions[0][0] != prototypes[0][0]:
        raise ValueError(
            "outputs must hold one array of rank 3 (predictions) and one of rank 4 (prototypes) with the same batch"
            f" size; got {shapes}."
        )
    return predictions[0], prototypes[0]
