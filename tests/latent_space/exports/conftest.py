import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latent_space.exports import export_selection
from latent_space.population import Population

# Name, split and (width, height) of every picture; the last but one is nowhere, the last has nothing found in it.
PICTURES = {
    "plain.jpg": ("training", (40, 20)),
    'with space/it\'s "quoted".png': ("training", (30, 30)),
    "図/тест ä & <script>.jpg": ("unlabeled", (50, 10)),
    "images/a.jpg": ("validation", (16, 16)),
    "images/a.png": ("validation", (8, 16)),
    "gone.jpg": ("unlabeled", (64, 32)),
    "empty.jpg": ("test", (10, 10)),
}
FOUND = {
    "plain.jpg": [("cup", 0.75, [0.25, 0.5, 0.5, 1.0]), ("box & co", 0.5, [-0.5, 0.0, 0.5, 2.0])],
    'with space/it\'s "quoted".png': [("cup", None, [0.0, 0.0, 1.0, 1.0])],
    "図/тест ä & <script>.jpg": [("cup", 0.25, [0.1, 0.2, 0.3, 0.4]), ("cup", 0.9, [0.5, 0.5, 0.5, 0.9])],
    "images/a.jpg": [("box & co", 1.0, [0.0, 0.5, 0.5, 1.0])],
    "images/a.png": [("cup", 0.5, [0.5, 0.0, 1.0, 0.5])],
    "gone.jpg": [("cup", 0.5, [0.25, 0.25, 0.75, 0.75])],
}
# Outlines of some of them, in shares: a triangle, a frame around a hole, and two parts.
TRIANGLE = [[0.25, 0.5, 0.5, 0.5, 0.5, 1.0]]
FRAME = [[0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.2, 0.2, 0.2, 0.8, 0.8, 0.8, 0.8, 0.2, 0.2, 0.2, 0.0, 0.0]]
PARTS = [[0.0, 0.5, 0.25, 0.5, 0.25, 1.0, 0.0, 1.0], [0.375, 0.5, 0.5, 0.5, 0.5, 1.0, 0.375, 1.0]]
OUTLINES = {
    ("plain.jpg", "cup"): TRIANGLE,
    ('with space/it\'s "quoted".png', "cup"): FRAME,
    ("images/a.jpg", "box & co"): PARTS,
}
NAMES = list(PICTURES)
THERE = [name for name in NAMES if name != "gone.jpg"]


def pictures_population(data=None, **columns):
    samples = pd.DataFrame(
        {
            "sample_id": NAMES,
            "split": [split for split, _ in PICTURES.values()],
            "loss": [0.5, 0.25, np.nan, 1.0, 2.0, np.nan, 0.0],
            "meta_image_file_name": NAMES,
            "meta_image_width_px": [float(width) for _, (width, _) in PICTURES.values()],
            "meta_image_height_px": [float(height) for _, (_, height) in PICTURES.values()],
            **columns,
        }
    )
    truth = [{"sample_id": "plain.jpg", "kind": "gt", "label": "unfound", "confidence": 1.0, "box_rel": [0, 0, 1, 1]}]
    found = [
        {"sample_id": name, "kind": "pred", "label": label, "confidence": confidence, "box_rel": box}
        for name, boxes in FOUND.items()
        for label, confidence, box in boxes
    ]
    run = {} if data is None else {"data": str(data)}
    return Population(samples, np.arange(14.0).reshape(7, 2), pd.DataFrame(truth + found), run=run)


def outlined_population(data=None, **columns):
    """The same with outlines, as a run keeps them: flat float32 rings, None where there is none."""
    known = pictures_population(data, **columns)
    outlines = [
        OUTLINES.get((row.sample_id, row.label)) if row.kind == "pred" else None for row in known.instances.itertuples()
    ]
    rings = [None if one is None else [np.array(ring, np.float32) for ring in one] for one in outlines]
    return Population(known.samples, known.latents, known.instances.assign(polygons_rel=rings), run=known.run)


@pytest.fixture
def data(tmp_path):
    for name, (_, size) in PICTURES.items():
        if name != "gone.jpg":
            file = tmp_path / "data" / "photos" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size).save(file)
    return tmp_path / "data"


@pytest.fixture
def population(data):
    return pictures_population(data)


@pytest.fixture
def export(population, tmp_path):
    """Export pictures that are there, or those given."""

    def run(format, ids=THERE, **options):
        return export_selection(population, ids, format=format, out=tmp_path / "out", **options)

    return run


@pytest.fixture
def export_outlines(data, tmp_path):
    """Export pictures that are there, or those given, with outlines."""

    def run(format, ids=THERE, **options):
        return export_selection(outlined_population(data), ids, format=format, out=tmp_path / "outlined", **options)

    return run


@pytest.fixture
def windows(tmp_path):
    """Four stretches of two machines, 10 s long, and their recording: a row per second, 60 of them."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    times = pd.date_range("2026-01-01", periods=60, freq="1s")
    parts = [
        pd.DataFrame(
            {"datetime": times, "machine": name, "temp °C": np.arange(60.0) + 100 * k, "label": 1, "mode": "x"}
        )
        for k, name in enumerate(("m 1", "m2"))
    ]
    pd.concat(parts).to_csv(folder / "rig.csv", index=False)
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    ids = [
        "m 1:2026-01-01T00:00:19",
        "m2:2026-01-01T00:00:19",
        "m 1:2026-01-01T00:00:39",
        "training:m2:2026-01-01T00:00:59#2",
    ]
    samples = pd.DataFrame(
        {
            "sample_id": ids,
            "split": ["training", "training", "test", "training"],
            "loss": [0.5, np.nan, 1.0, 2.0],
            "meta_window_machine": ["m 1", "m2", "m 1", "m2"],
            "meta_window_start": [f"2026-01-01T00:00:{second}" for second in (10, 10, 30, 50)],
            "meta_window_end": [f"2026-01-01T00:00:{second}" for second in (19, 19, 39, 59)],
            "meta_label_anomaly_type": ["normal", "normal", "SPIKE", None],
            "metric_is_anomaly": [0.0, 0.0, 1.0, np.nan],
        }
    )
    return Population(samples, np.zeros((4, 1)), run={"data": str(folder)})
