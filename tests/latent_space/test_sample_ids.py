"""Sample ids as the page exports them and as tables hold them."""

import json

import pytest

from latent_space.sample_ids import read_sample_ids

STRANGE = ["b, with a comma", 'a "quoted" name', "<script>", "тест", "007"]


def test_json_of_the_page_a_bare_list_and_a_table_say_the_same(tmp_path):
    (tmp_path / "page.json").write_text(json.dumps({"name": "a lasso", "sample_ids": STRANGE}), encoding="utf-8")
    (tmp_path / "list.json").write_text(json.dumps(STRANGE), encoding="utf-8")
    lines = ['"{}",{}'.format(one.replace('"', '""'), 1) for one in STRANGE]
    (tmp_path / "table.csv").write_text("\n".join(["sample_id,rank", *lines]), encoding="utf-8")
    for name in ("page.json", "list.json", "table.csv"):
        assert read_sample_ids(tmp_path / name) == STRANGE


def test_an_id_named_twice_counts_once(tmp_path):
    (tmp_path / "ids.json").write_text('["b", "a", "b"]')
    assert read_sample_ids(tmp_path / "ids.json") == ["b", "a"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "ids.json",
            '{"ids": ["a"]}',
            'ids.json must be JSON or CSV with sample ids; got: no list of strings under "sam',
        ),
        ("ids.json", '{"sample_ids": [1, 2]}', "no list of strings"),
        ("ids.json", "{", "ids.json must be JSON or CSV with sample ids; got: "),
        ("ids.json", '{"sample_ids": []}', "must hold at least one sample id; got none"),
        ("ids.csv", "id,rank\na,1\n", "got: columns id, rank, and no sample_id"),
        ("ids.csv", "", "must be JSON or CSV with sample ids"),
        ("ids.csv", "a,b\n1,2,3\n1,2,3,4\n", "sample ids; got: Expected 3 fields in line 3, saw 4$"),
        ("ids.csv", "sample_id\n", "at least one sample id"),
    ],
)
def test_what_holds_no_ids_is_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_sample_ids(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"file of sample ids must exist; got .*ids\.json"):
        read_sample_ids(tmp_path / "ids.json")
