"""Finding where an integration starts."""

import pytest

from latent_space.engine.entry import Entry, find_entry


def test_the_entry_file_is_named_by_leap_yaml(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "start.py").write_text("")
    (tmp_path / "leap.yaml").write_text("entryFile: ./code/start.py\n")
    expected = Entry(tmp_path, "code/start.py")
    assert find_entry(tmp_path) == expected
    assert find_entry(tmp_path / "code" / ".." / "code" / "start.py") == expected
    (tmp_path / "leap.yaml").unlink()
    assert find_entry(tmp_path / "code" / "start.py") == Entry(tmp_path / "code", "start.py")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"integration must be a folder with a leap.yaml, or an entry file; got"),
        ("include: []", r"leap.yaml must name the entry file under `entryFile`; got None"),
        ("- a", r"leap.yaml must name the entry file under `entryFile`; got None"),
        ("entryFile: missing.py", r"entryFile of .*leap.yaml must exist; got 'missing.py'"),
        ("a: [", r"leap.yaml must be valid YAML; got: while parsing"),
    ],
)
def test_what_is_no_integration_is_told(content, message, tmp_path):
    if content is not None:
        (tmp_path / "leap.yaml").write_text(content)
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        find_entry(tmp_path)


def test_text_in_another_encoding_is_told(tmp_path):
    (tmp_path / "leap.yaml").write_bytes(b"entryFile: caf\xe9.py\n")
    with pytest.raises(ValueError, match=r"leap.yaml must be UTF-8 text; got: .* can't decode byte 0xe9") as caught:
        find_entry(tmp_path)
    assert "\n" not in str(caught.value)
