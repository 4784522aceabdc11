import json

import pytest

from latent_space.explorer.decisions import read_decisions

IDS = ["a", "b", "NA", "d"]
CURVE = {
    "title": "Failures found",
    "budgets": [10, 20],
    "n_seeds": 5,
    "strategies": {"random": {"mean": [1, 2], "low": [0, 1], "high": [2, 3]}},
    "full": None,
    "sentence": "Saves 10 labels.",
}
INSIGHT = {
    "id": "slice-1",
    "kind": "slice",
    "title": "Yellow totes",
    "description": "The loss is high.",
    "size": 2,
    "severity": 0.5,
    "p_value": 0.01,
    "measure": "loss",
    "explained_by": [{"column": "meta_colour", "text": "colour = yellow"}],
    "sample_ids": ["d", "a"],
}


def test_a_run_without_decisions(tmp_path):
    found = read_decisions(tmp_path, IDS)
    assert (found.insights, found.queues, found.curves, found.columns, found.warnings) == ([], {}, {}, {}, [])


def test_samples_are_given_by_their_row(tmp_path):
    (tmp_path / "insights.json").write_text(json.dumps({"insights": [INSIGHT]}))
    (tmp_path / "curves.json").write_text(json.dumps({"labelling": [CURVE]}))
    (tmp_path / "labelling.csv").write_text(
        "rank,sample_id,predicted_error,predicted_error_low,predicted_error_high,reason\n"
        '2,NA,0.5,,0.75,"near, ""x"""\n1,b,0.25,0,1,\n'
    )
    (tmp_path / "pruning.csv").write_text("sample_id,decision,rank,reason\na,keep,1,rare\nd,drop,2,duplicate of a\n")
    found = read_decisions(tmp_path, IDS)
    assert found.warnings == []
    assert found.insights[0]["samples"] == [3, 0]
    assert found.insights[0]["explained_by"] == ["colour = yellow"]
    labelling = found.queues["labelling"]
    assert labelling["samples"] == [1, 2]
    assert labelling["rank"] == [1, 2]
    assert labelling["reason"] == ["", 'near, "x"']
    assert labelling["predicted_error_high"] == [1, 0.75]
    assert found.queues["pruning"]["decision"] == ["keep", "drop"]
    assert found.columns["pruning_decision"].fillna("-").tolist() == ["keep", "-", "-", "drop"]
    assert found.columns["labelling_rank"].tolist()[1:3] == [1, 2]
    assert found.curves["labelling"] == [CURVE]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("insights.json", "{", "insights.json is left out of this page"),
        ("insights.json", "[]", "insights.json is left out of this page: a list instead of a mapping"),
        ("insights.json", "{}", "insights.json: all insights are damaged"),
        ("insights.json", '{"insights": [{"title": 5, "sample_ids": []}, 7]}', "insights.json: 2 insights are damaged"),
        ("curves.json", '{"pruning": [{"strategies": {}}]}', "curves.json: a curve of pruning is damaged"),
        ("curves.json", '{"pruning": 7}', "curves.json: a curve of pruning is damaged"),
        ("labelling.csv", "", "labelling.csv is left out of this page"),
        ("labelling.csv", "rank\n1\n", "labelling.csv is left out of this page: no column sample_id, only rank"),
        ("pruning.csv", "sample_id,decision\nzz,keep\n", "pruning.csv names 1 samples that this run does not have"),
    ],
)
def test_a_damaged_file_costs_one_line(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    found = read_decisions(tmp_path, IDS)
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith(says)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "pruning.csv").write_bytes(b"\xff\xfe\x00sample_id\n")
    assert "pruning.csv is left out" in read_decisions(tmp_path, IDS).warnings[0]
