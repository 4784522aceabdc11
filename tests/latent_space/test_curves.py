import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latent_space import curves
from latent_space.curves import Curve, draw_curve, read_curves, save_curves, summary


@pytest.fixture
def curve():
    strategies = {"random": summary([[1, 2], [3, 6]]), "ours $x$": summary([[5, np.nan], [6, np.nan]])}
    return Curve("Failures found", "labels", "failures", [10, 20], strategies, 2, "Costs 5 $ less.", full=7.0)


def test_summary_by_hand(curve):
    assert curve.strategies["random"] == {"mean": [2, 4], "low": [1, 2], "high": [3, 6]}
    assert curve.strategies["ours $x$"] == {"mean": [5.5, None], "low": [5, None], "high": [6, None]}


def test_saved_curves_come_back_and_others_stay(curve, tmp_path):
    assert read_curves(tmp_path) == {"labelling": [], "pruning": []}
    other = dataclasses.replace(curve, title="Accuracy", full=None)
    newer = dataclasses.replace(curve, sentence="Saves nothing.")
    save_curves(tmp_path, "labelling", [curve])
    save_curves(tmp_path, "pruning", [curve])
    save_curves(tmp_path, "labelling", [other, newer])
    assert read_curves(tmp_path) == {"labelling": [other, newer], "pruning": [curve]}
    content = json.loads((tmp_path / "curves.json").read_text())
    assert set(content["labelling"][0]) == {
        "title", "x_label", "y_label", "budgets", "strategies", "n_seeds", "sentence", "full"
    }  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["curves.json"]


def test_picture(curve, tmp_path):
    path = draw_curve(curve, tmp_path / "labelling.png")
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert (pixels == (0x3A, 0x6F, 0xD8)).all(axis=1).any()
    assert draw_curve(curve, tmp_path / "again.png").read_bytes() == path.read_bytes()


def test_picture_and_report_share_their_colours(curve, tmp_path):
    text = (Path(curves.__file__).parent / "explorer" / "colors.js").read_text()
    light = re.findall(r'"(#[0-9a-f]{6})"', text.split("light: [")[1].split("]")[0])
    assert list(curves._COLORS) == light
    named = {name: summary([[1, 2]]) for name in ("random", "kcenter", "auto")}
    path = draw_curve(dataclasses.replace(curve, strategies=named), tmp_path / "labelling.png")
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    firsts = {
        color: int((pixels == [int(color[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=1).argmax())
        for color in light[:2]
    }
    assert 0 < firsts[light[0]] < firsts[light[1]]  # auto, the first colour, is drawn above kcenter in the legend


def test_messages(curve, tmp_path):
    with pytest.raises(ValueError, match="key must be one of labelling, pruning; got 'other'"):
        save_curves(tmp_path, "other", [curve])
    with pytest.raises(ValueError, match=r"a value per budget, 3; got .* of 'random'"):
        dataclasses.replace(curve, budgets=[1, 2, 3])
    for content in ('{"labelling": [{"title": 1}]}', '{"labelling": 3}', "[]", "{", '{"labelling": [3]}'):
        (tmp_path / "curves.json").write_text(content)
        with pytest.raises(ValueError, match=r"curves\.json must be a readable file"):
            read_curves(tmp_path)
        with pytest.raises(ValueError, match=r"curves\.json must be a readable file"):
            save_curves(tmp_path, "labelling", [curve])


def test_damaged_curves_are_not_written_over_and_the_message_says_what_to_do(tmp_path):
    (tmp_path / "curves.json").write_text("[]")
    curve = Curve("A", "x", "y", [1], {"random": summary([[0.5]])}, n_seeds=1, sentence="S.")
    with pytest.raises(ValueError, match=r"curves.json must be .*\. Remove the file: `armscope label` and"):
        save_curves(tmp_path, "labelling", [curve])
    assert (tmp_path / "curves.json").read_text() == "[]"
