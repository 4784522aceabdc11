"""A fingerprint changes with what counts, and only with it."""

import os

from latent_space.engine.fingerprint import data_fingerprint, files_fingerprint, settings_fingerprint


def test_code_and_yaml_count_and_the_rest_does_not(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "leap.py").write_text("a")
    before = files_fingerprint(tmp_path)
    for name in ("notes.txt", ".hidden/x.py", "tests/test.py", "venv/lib.py", "runs/x.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    assert files_fingerprint(tmp_path, [tmp_path / "runs"]) == before
    (tmp_path / "sub" / "more.yaml").write_text("x")
    after = files_fingerprint(tmp_path, [tmp_path / "runs"])
    assert after != before
    (tmp_path / "sub" / "more.yaml").rename(tmp_path / "more.yaml")
    assert files_fingerprint(tmp_path, [tmp_path / "runs"]) not in (before, after)


def test_data_count_by_name_size_and_time(tmp_path):
    file = tmp_path / "a.jpg"
    file.write_text("abc")
    before = data_fingerprint(tmp_path, "first")
    assert data_fingerprint(tmp_path, "first") == before
    assert data_fingerprint(tmp_path, "other") != before
    os.utime(file, ns=(0, 0))
    assert data_fingerprint(tmp_path, "first") != before
    assert data_fingerprint(None, "first") != data_fingerprint(None, "other")
    assert data_fingerprint(file, "first") != data_fingerprint(None, "first")


def test_settings_count_whatever_their_order():
    assert settings_fingerprint({"a": 1, "b": 2}) == settings_fingerprint({"b": 2, "a": 1})
    assert settings_fingerprint({"a": 1}) != settings_fingerprint({"a": 2})
