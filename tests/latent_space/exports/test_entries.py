from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from latent_space.exports.entries import labels_of, read_entries, relative_name, unique_names
from latent_space.population import Population
from tests.latent_space.exports.conftest import pictures_population

SHORT = st.text("aA.-/2é", min_size=1, max_size=6).map(relative_name)


@given(st.text(max_size=20))
def test_a_name_stays_inside(text):
    parts = PurePosixPath(relative_name(text)).parts
    assert parts
    assert not {"..", "/"} & set(parts)
    assert relative_name(relative_name(text)) == relative_name(text)


@given(st.lists(SHORT, max_size=8), st.booleans())
def test_names_become_unique_and_those_that_are_stay(names, by_stem):
    def key(name):
        return (str(PurePosixPath(name).with_suffix("")) if by_stem else name).casefold()

    found = unique_names(names, by_stem=by_stem)
    assert len({key(name) for name in found}) == len(names)
    firsts = {key(name): name for name in reversed(names)}
    assert set(firsts.values()) <= set(found), "the first of each keeps its name"
    assert unique_names(found, by_stem=by_stem) == found


def test_a_dot_at_the_end_is_no_ending():
    assert unique_names(["a.", "a", "a.", "A."], by_stem=True) == ["a.", "a", "a-2", "A-3"]


def objects(rows, **columns):
    samples = pd.DataFrame({"sample_id": ["a"], "width": [100.0], "height": [50.0], **columns})
    return Population(samples, np.zeros((1, 1)), pd.DataFrame(rows).assign(sample_id="a", kind="pred", label="x"))


def test_boxes_of_the_picture_itself_go_before_those_of_the_models_input():
    known = objects([{"box_rel": [0.0, 0.25, 1.0, 0.75], "box_px": [0.0, 0.0, 100.0, 50.0], "confidence": 0.5}])
    (box,) = read_entries(known, [0])[0].boxes
    assert box.corners == (0, 0, 1, 1)
    (box,) = read_entries(objects([{"box_rel": [0.0, 0.25, 1.0, 0.75], "confidence": 0.5}]), [0])[0].boxes
    assert box.corners == (0, 0.25, 1, 0.75)


def test_objects_without_a_box_and_boxes_that_are_none_are_left_out():
    rows = [{"box_rel": None}, {"box_rel": [0.0, np.nan, 1.0, 1.0]}, {"box_rel": [0.5, 0.0, 0.25, 1.0]}]
    (entry,) = read_entries(objects(rows), [0])
    assert entry.boxes == ()
    assert (entry.width, entry.height) == (100, 50)


@pytest.mark.parametrize("unknown", [None, np.nan])
def test_objects_without_a_label_are_left_out(unknown):
    known = objects([{"box_rel": [0.0, 0.0, 1.0, 1.0]}] * 2)
    labelled = Population(known.samples, known.latents, known.instances.assign(label=[unknown, "cup"]))
    assert [box.label for box in read_entries(labelled, [0])[0].boxes] == ["cup"] == labels_of(labelled)


def test_a_confidence_of_zero_is_a_confidence():
    (box,) = read_entries(objects([{"box_rel": [0.0, 0.0, 1.0, 1.0], "confidence": 0.0}]), [0])[0].boxes
    assert box.confidence == 0


def test_outlines_of_the_picture_itself_go_before_those_of_the_models_input():
    rel, px = [[0.0, 0.25, 1.0, 0.25, 1.0, 0.75]], [[0.0, 0.0, 100.0, 0.0, 100.0, 50.0]]
    row = {"box_rel": [0.0, 0.25, 1.0, 0.75], "box_px": [0.0, 0.0, 100.0, 50.0], "polygons_rel": rel}
    (box,) = read_entries(objects([row]), [0])[0].boxes
    assert [ring.tolist() for ring in box.outline] == [[[0, 0.25], [1, 0.25], [1, 0.75]]]
    (box,) = read_entries(objects([{**row, "polygons_px": px}]), [0])[0].boxes
    assert [ring.tolist() for ring in box.outline] == [[[0, 0], [1, 0], [1, 1]]]


def test_the_thumbnail_shows_the_models_input(tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "t.png")
    row = {"box_rel": [0.0, 0.25, 1.0, 0.75], "polygons_rel": [[0.0, 0.25, 1.0, 0.25, 1.0, 0.75]]}
    row |= {"box_px": [0.0, 0.0, 100.0, 50.0], "polygons_px": [[0.0, 0.0, 100.0, 0.0, 100.0, 50.0]]}
    (entry,) = read_entries(objects([row], thumbnail=["t.png"]), [0], run_dir=tmp_path)
    assert (entry.is_thumbnail, entry.boxes[0].corners) == (True, (0, 0.25, 1, 0.75))
    assert entry.boxes[0].outline[0].tolist() == [[0, 0.25], [1, 0.25], [1, 0.75]]


def test_an_outline_is_clipped_to_the_picture_and_makes_up_for_a_box():
    rows = [
        {"polygons_rel": [[0.5, 0.5, 1.5, 0.5, 1.5, 0.75, 0.5, 0.75], [2.0, 2.0, 3.0, 2.0, 3.0, 3.0]]},
        {"polygons_rel": [[2.0, 2.0, 3.0, 2.0, 3.0, 3.0]]},
        {"polygons_rel": None},
    ]
    (box,) = read_entries(objects(rows), [0])[0].boxes
    assert box.corners == (0.5, 0.5, 1, 0.75)
    assert [ring.tolist() for ring in box.outline] == [[[0.5, 0.5], [1, 0.5], [1, 0.75], [0.5, 0.75]]]


def test_what_is_no_ring_is_no_outline():
    odd = [[0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.5]]
    for rings in (odd, [[0.0, 0.0, 1.0, 1.0]], [[0.0, np.nan, 1.0, 1.0, 1.0, 0.0]], [0.0, 1.0], np.nan, "none"):
        (box,) = read_entries(objects([{"box_rel": [0.0, 0.0, 1.0, 1.0], "polygons_rel": rings}]), [0])[0].boxes
        assert box.outline == ()


def test_only_what_the_model_found_counts_and_all_labels_do():
    known = pictures_population()
    (entry,) = read_entries(known, [0])
    assert [box.label for box in entry.boxes] == ["cup", "box & co"]
    assert labels_of(known) == ["box & co", "cup", "unfound"]
    assert labels_of(Population(known.samples, known.latents)) == []
