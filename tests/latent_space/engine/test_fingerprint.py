"""A fingerprint changes with what counts, and only with it."""

import os

from latent_space.engine.fingerprint import data_fingerprint, files_fingerprint, settings_fingerprint


def test_code_and_yaml_count_and_the_rest_does_not(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "leap.py").write_text("a")
    before = files_fingerprint(tmp_path)
    for name in ("notes.md", ".#leap.py", ".hidden/x.py", "tests/test.py", "venv/lib.py", "runs/x.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    assert files_fingerprint(tmp_path, [tmp_path / "runs"]) == before
    (tmp_path / "sub" / "more.yaml").write_text("x")
    after = files_fingerprint(tmp_path, [tmp_path / "runs"])
    assert after != before
    (tmp_path / ".#leap.yaml").symlink_to("nowhere")
    (tmp_path / "broken.py").symlink_to("nowhere")
    assert files_fingerprint(tmp_path, [tmp_path / "runs"]) == after
    (tmp_path / "sub" / "more.yaml").rename(tmp_path / "more.yaml")
    assert files_fingerprint(tmp_path, [tmp_path / "runs"]) not in (before, after)


def test_settings_files_count_by_content_and_large_ones_by_size_and_time(tmp_path):
    seen = {files_fingerprint(tmp_path)}
    for name in ("config.json", "a.toml", "b.csv", "c.txt", "d.ini"):
        for content in ("1", "2"):
            (tmp_path / name).write_text(content)
            os.utime(tmp_path / name, ns=(0, 0))
            seen.add(files_fingerprint(tmp_path))
    assert len(seen) == 11
    large = tmp_path / "large.csv"
    large.write_text("x" * 1_000_000)
    os.utime(large, ns=(0, 0))
    before = files_fingerprint(tmp_path)
    large.write_text("y" * 1_000_000)
    os.utime(large, ns=(0, 0))
    assert files_fingerprint(tmp_path) == before
    os.utime(large, ns=(1, 1))
    assert files_fingerprint(tmp_path) != before


def test_run_folders_do_not_count(tmp_path):
    before = files_fingerprint(tmp_path)
    (tmp_path / "mine").mkdir()
    for name in ("run.json", "labelling.csv"):
        (tmp_path / "mine" / name).write_text("{}")
    assert files_fingerprint(tmp_path) == before


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
