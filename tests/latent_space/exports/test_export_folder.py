from pathlib import Path

import pytest

from latent_space.exports.export_folder import check_place, export_folder


def write(out, text="x"):
    with export_folder(out, facts={"n": 1}) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "labels.txt").write_text(text)
    return out


def test_an_unchanged_export_is_replaced_whole(tmp_path):
    out = write(tmp_path / "a" / "out")
    (out / "deep" / "labels.txt").touch()
    write(out, "y")
    assert (out / "deep" / "labels.txt").read_text() == "y"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    assert (write(tmp_path / "out") / "export.json").is_file()


def change(out):
    (out / "deep" / "labels.txt").write_text("labelled by hand")


def add(out):
    (out / "mine.txt").write_text("")


def remove(out):
    (out / "deep" / "labels.txt").unlink()


def break_list(out):
    (out / "export.json").write_text("[]")


@pytest.mark.parametrize("spoil", [change, add, remove, break_list])
def test_a_folder_that_someone_worked_in_is_refused(tmp_path, spoil):
    out = write(tmp_path / "out")
    spoil(out)
    before = sorted(out.rglob("*"))
    with pytest.raises(FileExistsError, match=r"which holds something else\. Name another folder"):
        write(out)
    assert sorted(out.rglob("*")) == before


def test_a_file_and_the_name_of_a_file_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match=r"out must be a folder; got .*file, which is a file"):
        write(tmp_path / "file")
    with pytest.raises(ValueError, match=r"got .*labels.csv, which has the name of a file"):
        write(tmp_path / "labels.csv")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder that nobody can write to")
def test_a_place_where_nothing_can_be_made_is_refused():
    for out in (Path("/proc/x"), Path("/proc/x/y")):
        with pytest.raises(PermissionError, match=r"got /proc/x.*, and in /proc nothing can be made: "):
            check_place(out)


def test_a_check_leaves_nothing_behind(tmp_path):
    check_place(tmp_path / "a" / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_what_was_there(tmp_path):
    out = write(tmp_path / "out")
    with pytest.raises(RuntimeError, match="stop"), export_folder(out, facts={}) as folder:
        (folder / "half").write_text("")
        raise RuntimeError("stop")
    assert (out / "deep" / "labels.txt").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_links_count_by_where_they_lead(tmp_path):
    (tmp_path / "big.jpg").write_bytes(b"0" * 10)
    out = tmp_path / "out"
    for _ in range(2):
        with export_folder(out, facts={}) as folder:
            (folder / "a.jpg").symlink_to(tmp_path / "big.jpg")
    (out / "a.jpg").unlink()
    (out / "a.jpg").symlink_to(tmp_path / "other.jpg")
    with pytest.raises(FileExistsError):
        write(out)
