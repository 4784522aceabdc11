"""The page's modules by themselves: what goes in, what comes out."""

import json
from pathlib import Path

import numpy as np
import pytest

from latent_space.explorer import explorer

pytestmark = pytest.mark.slow
HERE = Path(explorer.__file__).parent
MODULES = ("dom.js", "unpacking.js", "data.js", "colors.js", "geometry.js", "look.js", "filters.js", "exports.js")
MODULES += ("selection.js", "curves.js", "map.js", "link.js")


@pytest.fixture
def evaluate(page):
    """Evaluate an expression where the modules' functions are known."""
    source = "\n".join((HERE / name).read_text(encoding="utf-8") for name in MODULES)

    def run(expression, **values):
        page.driver.get("about:blank")
        names = "".join(f"const {name} = {json.dumps(value)};" for name, value in values.items())
        return page.driver.execute_script(f"{source}\n{names}\nreturn ({expression});")

    return run


def test_points_inside_a_polygon_agree_with_another_implementation(evaluate):
    from matplotlib.path import Path as Outline

    generator = np.random.default_rng(0)
    points = generator.uniform(-1, 1, (500, 2))
    polygon = generator.uniform(-1, 1, (9, 2))  # crosses itself
    inside = evaluate(
        "[...pointsInside({x, y}, polygon)]",
        x=[*points[:, 0], float("nan")],
        y=[*points[:, 1], 0],
        polygon=polygon.tolist(),
    )
    odd = _crossings(points, polygon) % 2
    assert inside[:-1] == odd.tolist()
    assert inside[-1] == 0
    square = Outline([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]).contains_points(points)
    found = evaluate(
        "[...pointsInside({x, y}, rectangle([0.5, 0.5], [-0.5, -0.5]))]",
        x=points[:, 0].tolist(),
        y=points[:, 1].tolist(),
    )
    assert found == square.astype(int).tolist()


def _crossings(points, polygon):
    """How many edges a ray to the right meets."""
    a, b = polygon, np.roll(polygon, 1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    spans = (a[:, 1] > y) != (b[:, 1] > y)
    return (spans & (x < (b[:, 0] - a[:, 0]) * (y - a[:, 1]) / (b[:, 1] - a[:, 1]) + a[:, 0])).sum(axis=1)


def test_the_grid_finds_the_nearest_of_all(evaluate):
    generator = np.random.default_rng(1)
    points, asked = generator.normal(size=(400, 2)), generator.normal(size=(60, 2))
    found = evaluate(
        "asked.map(([cx, cy]) => new PointGrid({x, y}, boundsOf({x, y})).nearest(cx, cy, 0.4, (i) => i % 5))",
        x=points[:, 0].tolist(),
        y=points[:, 1].tolist(),
        asked=asked.tolist(),
    )
    far = np.hypot(*(asked[:, None] - points[None]).T).T
    far[:, ::5] = np.inf
    expected = np.where(far.min(axis=1) <= 0.4, far.argmin(axis=1), -1)
    assert found == expected.tolist()
    assert evaluate("new PointGrid({x: [], y: []}, [0, 0, 1, 1]).nearest(0, 0, Infinity, () => true)") == -1


def test_rows_survive_an_address(evaluate):
    rows = sorted({0, 1, 5, 127, 128, 129, 16_500, 2_000_000})
    assert evaluate("rowsFromText(rowsToText(rows))", rows=rows) == rows
    assert evaluate("rowsToText([])") == ""
    many = [row for row in range(40_000) if row % 3]
    assert evaluate("rowsFromText(rowsToText(rows))", rows=many) == many
    assert evaluate("rowsToText(rows).length", rows=many) < 7_000, "a bit per row"
    assert set(evaluate("rowsToText(rows)", rows=rows)) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )


def test_numbers_as_one_reads_them(evaluate):
    values = [0, 1234567, 0.133333, 12.3456, 1e-7, 123456.789, None]
    assert evaluate("values.map((value) => readable(value ?? NaN))", values=values) == [
        "0",
        "1,234,567",
        "0.1333",
        "12.35",
        "1.00e-7",
        "123,500",
        "\u2013",
    ]


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0, 1, [0, 0.25, 0.5, 0.75, 1]), (3, 42, [10, 20, 30, 40]), (5, 5, [5])]
)
def test_ticks_are_round(evaluate, low, high, expected):
    assert evaluate("roundTicks(low, high)", low=low, high=high)[: len(expected)] == expected


def test_fields_of_a_csv_are_quoted_where_they_must_be(evaluate):
    fields = ["plain", 'say "a, b"', "two\nlines", " space", None, 5, "漢字"]
    assert evaluate("fields.map(csvField)", fields=fields) == [
        "plain",
        '"say ""a, b"""',
        '"two\nlines"',
        '" space"',
        "",
        "5",
        "漢字",
    ]
    assert evaluate("fileName('../a b/<x>.漢', 'csv')") == "a-b-x-.漢.csv"
    assert evaluate("fileName('...', 'json')") == "selection.json"


def test_selections_combine(evaluate):
    state = {"before": [1, 1, 0, 0], "mask": [0, 1, 1, 0]}
    for how, expected in (("replace", [0, 1, 1, 0]), ("add", [1, 1, 1, 0]), ("remove", [1, 0, 0, 0])):
        assert evaluate(f"[...combined(before, Uint8Array.from(mask), '{how}')]", **state) == expected
    assert evaluate("combined(null, new Uint8Array(3), 'add')") is None


def test_drawn_from_back_to_front(evaluate):
    look = evaluate(
        "[...makeLook({scale: {range: [0, 1], bins: [3, -1, 0, 9], colors: Array(64).fill([1, 2, 3])},"
        " radius: Float32Array.of(2, 2, 2, 2), visible: Uint8Array.of(1, 1, 1, 0),"
        " selected: Uint8Array.of(1, 1, 0, 1)}).order]"
    )
    assert look == [2, 1, 0], "not selected, without a value, with one; the hidden one not at all"


def test_what_sets_a_selection_apart(evaluate):
    table = (
        "{columns: [{kind: 'number', label: 'size', values: [1, 1, 9, 9]},"
        " {kind: 'number', label: 'flat', values: [2, 2, 2, 2]}, {kind: 'text', values: []},"
        " {kind: 'category', label: 'colour', levels: ['blue', 'red'], values: [0, 1, 1, 0]}]}"
    )
    found = evaluate(f"tellingColumns({table}, Uint8Array.of(0, 0, 1, 1), Uint8Array.of(1, 1, 1, 1))")
    assert [(one["column"]["label"], one["own"], one["rest"], one["more"]) for one in found] == [
        ("size", "9", "1", True),
        ("colour", "50 %", "50 %", False),
    ]
    assert evaluate(f"tellingColumns({table}, Uint8Array.of(0, 0, 1, 1), Uint8Array.of(0, 0, 1, 1))") == []


def test_colours_of_many_levels_repeat(evaluate):
    column = "{kind: 'category', levels: Array(64).fill('x'), values: [0, 1, 30, 65535]}"
    assert evaluate(f"[...colorScale({column}, 4).bins]") == [0, 1, 0, -1]
    assert evaluate("new Set(levelColors(64).map(String)).size") == 30
