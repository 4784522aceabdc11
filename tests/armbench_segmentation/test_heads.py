import numpy as np
import pytest

from armbench_segmentation.heads import check_prototypes, head_kind, split_outputs

PROTOS_640 = (1, 32, 160, 160)
CELLS_640 = 80 * 80 + 40 * 40 + 20 * 20


@pytest.mark.parametrize(
    ("shape", "n_classes", "kind"),
    [
        ((1, 25200, 117), 80, "yolov5"),
        ((4, 25200, 38), 1, "yolov5"),  # one class: as wide as an end-to-end head, told by its 3 anchors per cell
        ((1, 25200, 39), 2, "yolov5"),
        ((1, 34000, 38), 1, "yolov5"),  # strides 8 to 64
        ((1, 116, 8400), 80, "yolov8"),
        ((2, 37, 8400), 1, "yolov8"),
        ((1, 300, 38), 1, "end_to_end"),
        ((1, 300, 38), 80, "end_to_end"),
        ((1, 100, 38), 2, "end_to_end"),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_kind_is_told_by_shape_in_any_order(shape, n_classes, kind, swapped):
    shapes = [shape, (shape[0], *PROTOS_640[1:])]
    assert head_kind(shapes[::-1] if swapped else shapes, n_classes) == kind


@pytest.mark.parametrize("size", [32, 64, 96, 128, 256, 320, 640, 1280])
def test_one_class_is_never_confused_at_any_input_size(size):
    cells = sum((size // stride) ** 2 for stride in (8, 16, 32))
    protos = (1, 32, size // 4, size // 4)
    assert head_kind([(1, 3 * cells, 38), protos], 1) == "yolov5"
    assert head_kind([(1, 37, cells), protos], 1) == "yolov8"
    assert head_kind([(1, 300, 38), protos], 1) == "end_to_end"


def test_yolov5_with_as_many_rows_as_a_yolov8_has_columns():
    # 64 x 64 pixels: 84 cells, and 47 classes make 5 + 47 + 32 = 84 columns; 4 + 47 + 32 = 83 rows.
    protos = (1, 32, 16, 16)
    assert head_kind([(1, 83, 84), protos], 47) == "yolov8"
    assert head_kind([(1, 252, 84), protos], 47) == "yolov5"


def test_arrays_and_shapes_give_the_same_answer():
    assert head_kind([np.zeros((1, 37, 21)), np.zeros((1, 32, 8, 8))], 1) == "yolov8"


@pytest.mark.parametrize(
    ("shape", "n_classes"),
    [((1, 25200, 39), 1), ((1, 25200, 38), 3), ((1, 116, 8400), 2), ((1, 300, 39), 3), ((1, 8400, 37), 1)],
)
def test_a_wrong_number_of_classes_names_the_shapes(shape, n_classes):
    with pytest.raises(ValueError, match=rf"n_classes={n_classes}.*got \[\(1, {shape[1]}, {shape[2]}\)"):
        head_kind([shape, PROTOS_640], n_classes)


@pytest.mark.parametrize(
    "shapes",
    [
        [(1, 25200, 38)],
        [PROTOS_640],
        [(1, 25200, 38), (1, 300, 38), PROTOS_640],
        [(25200, 38), (32, 160, 160)],
        [(2, 25200, 38), PROTOS_640],
    ],
)
def test_missing_or_unmatched_outputs_are_refused(shapes):
    with pytest.raises(ValueError, match="outputs must hold one array of rank 3"):
        head_kind(shapes, 1)


def test_no_classes_are_refused():
    with pytest.raises(ValueError, match="n_classes must be at least 1; got 0"):
        head_kind([(1, 25200, 37), PROTOS_640], 0)


def test_split_finds_predictions_and_prototypes_and_casts_them():
    predictions, protos = np.ones((2, 37, 21), np.float16), np.zeros((2, 32, 8, 8), np.float16)
    raw_map = np.zeros((2, 3, 8, 8, 38), np.float16)
    for outputs in ([predictions, protos], [protos, raw_map, predictions]):
        found, found_protos = split_outputs(outputs)
        assert found.shape == (2, 37, 21)
        assert found.dtype == found_protos.dtype == np.float32
        assert found_protos.shape == (2, 32, 8, 8)


def test_prototypes_must_be_a_quarter_of_the_input():
    check_prototypes((1, 32, 24, 32), (96, 128))
    with pytest.raises(ValueError, match=r"image_size must be 4 times .* \(32, 32\); got \(640, 640\)"):
        check_prototypes((1, 32, 32, 32), (640, 640))
