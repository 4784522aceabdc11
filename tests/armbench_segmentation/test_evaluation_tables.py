import io

from rich.console import Console

from armbench_segmentation.evaluation_tables import evaluation_tables
from armbench_segmentation.tide import TIDE_TYPES

SCORES = {"AP": 0.123, "AP50": 0.5, "AP75": float("nan")}
QUALITY = {"PQ": 0.25, "SQ": 0.5, "RQ": 0.75}
COUNTS = {
    "tolerance": 0.75,
    "over_segmented": {"objects": 11, "images": 7},
    "under_segmented": {"objects": 12, "images": 8},
    "duplicates": {"objects": 13, "images": 9},
}
RESULTS = {
    "segm": SCORES | {"per_class": {"[tote]": SCORES}},
    "bbox": SCORES | {"per_class": {"[tote]": SCORES}},
    "panoptic": QUALITY | {"per_class": {"[tote]": QUALITY}},
    "hoover": COUNTS,
    "containment": COUNTS | {"tolerance": 0.8},
    "tide": {"base": {"ap": 0.5}} | {kind: {"count": 21, "ap_regained": 0.034} for kind in TIDE_TYPES},
    "confidence": 0.35,
    "n_images": 40,
    "n_objects": 90,
    "n_confident_predictions": 80,
}


def printed(width):
    console = Console(file=io.StringIO(), width=width)
    for table in evaluation_tables(RESULTS):
        console.print(table)
    return console.file.getvalue()


def test_every_number_is_printed_on_80_columns():
    text = printed(80)
    rows = [line.split() for line in text.splitlines()]
    assert ["(all)", "12.3", "50.0", "-", "12.3", "50.0", "25.0", "50.0", "75.0"] in rows
    assert ["hoover,", "T", "0.75", "11", "(7)", "12", "(8)", "13", "(9)"] in rows
    assert all([kind, "21", "3.4"] in rows for kind in TIDE_TYPES)
    assert "of 90 objects and 80 predictions" in text


def test_a_name_in_brackets_is_not_markup():
    assert "[tote]" in printed(80)
