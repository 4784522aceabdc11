import json

import numpy as np
import pandas as pd
import pytest

from latent_space.insights.insight import Insight, Insights, write_insights
from latent_space.population import Population
from latent_space.selections import read_choice, read_insight, read_selection


@pytest.fixture
def population():
    ids = ["a, b.jpg", 'q"q.jpg', "名.jpg", "007"]
    image_ids = ["1", "2", "2", "1000007"]
    return Population(pd.DataFrame({"sample_id": ids, "meta_image_image_id": image_ids}), np.zeros((4, 1)))


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_what_the_page_exports(population, tmp_path):
    ids = ["名.jpg", 'q"q.jpg', "a, b.jpg", "007"]
    assert read_selection(write(tmp_path / "a.json", {"name": "x", "sample_ids": ids}), population) == ids
    table = 'sample_id,loss\r\n名.jpg,1\r\n"q""q.jpg",\r\n"a, b.jpg",2\r\n007,3\r\n'
    assert read_selection(write(tmp_path / "a.csv", table), population) == ids, "007 stays a text"
    assert read_selection(write(tmp_path / "b.json", {"image_ids": [1000007, 1]}), population) == ["007", "a, b.jpg"]
    assert read_selection(write(tmp_path / "c.json", {"image_ids": ["1", "1"]}), population) == ["a, b.jpg"]


def test_ids_that_are_kept_as_numbers(tmp_path):
    samples = pd.DataFrame({"sample_id": ["x", "y"], "meta_image_id": [4.0, np.nan]})
    known = Population(samples, np.zeros((2, 1)))
    assert read_selection(write(tmp_path / "a.json", {"image_ids": [4]}), known) == ["x"]


def test_of_a_table_that_decides_the_samples_to_keep(population, tmp_path):
    file = write(tmp_path / "pruning.csv", "sample_id,decision,rank,reason\n007,keep,1,rare\n名.jpg,drop,2,twice\n")
    assert read_selection(file, population) == ["007"]
    assert read_choice(file, population) == (["007"], {"007": "rare", "名.jpg": "twice"})
    write(file, "sample_id,decision\n007,drop\n")
    with pytest.raises(ValueError, match="at least one sample to keep; got none"):
        read_selection(file, population)
    assert read_choice(write(tmp_path / "a.json", ["007"]), population) == (["007"], None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", {"image_ids": []}, "at least one id under image_ids; got"),
        ("a.json", {"image_ids": [9]}, "9 fits no sample"),
        ("a.json", {"image_ids": [2]}, 'fits 2 samples, q"q.jpg, 名.jpg'),
        ("a.json", {"image_ids": [None]}, "under image_ids"),
        ("a.json", {"sample_ids": []}, "at least one sample id; got none"),
        ("a.json", {"images": []}, "must be JSON or CSV with sample ids"),
        ("a.json", "{", "must be JSON or CSV with sample ids"),
        ("a.csv", "", "must be JSON or CSV with sample ids"),
        ("a.csv", "id\n1\n", "and no sample_id"),
        ("a.csv", "sample_id\n", "at least one sample id; got none"),
        ("a.jpg", "\x00\x01", "must be JSON or CSV with sample ids"),
    ],
)
def test_a_file_that_is_no_selection(population, tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message):
        read_selection(write(tmp_path / name, content), population)


def test_a_file_that_does_not_exist(population, tmp_path):
    with pytest.raises(FileNotFoundError, match="must exist"):
        read_selection(tmp_path / "a.json", population)


def test_image_ids_without_a_column_of_them(tmp_path):
    known = Population(pd.DataFrame({"sample_id": ["x"]}), np.zeros((1, 1)))
    with pytest.raises(ValueError, match="the run has no column of image ids"):
        read_selection(write(tmp_path / "a.json", {"image_ids": [4]}), known)


def test_insights(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"insights.json does not exist"):
        read_insight(tmp_path, "slice-1")
    found = Insight("slice-1", "outlier", "dark", "", 2, 0.5, None, None, (), ("b", "a"))
    write_insights(tmp_path, Insights((found,), {}, {}))
    assert read_insight(tmp_path, "slice-1") == (["b", "a"], "dark")
    with pytest.raises(ValueError, match="insight must be one of slice-1; got 'slice-2'"):
        read_insight(tmp_path, "slice-2")
    write(tmp_path / "insights.json", {"insights": [{"id": "broken"}]})
    with pytest.raises(ValueError, match=r"insights.json must hold insights; got KeyError"):
        read_insight(tmp_path, "broken")
