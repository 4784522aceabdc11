import pytest
from PIL import Image

from latent_space.exports.pictures import PictureFolder, picture_size, place_picture


@pytest.fixture
def root(tmp_path):
    for name in (
        "train/0.jpg",
        "val/0.jpg",
        "deep/er/1.jpg",
        "deep/er/est/2.jpg",
        "top.jpg",
        "deep/top.jpg",
        ".git/3.jpg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_names_are_found_two_levels_deep(root):
    folder = PictureFolder(root)
    assert folder.find("1.jpg") == root / "deep/er/1.jpg"
    assert folder.find("er/1.jpg") == root / "deep/er/1.jpg"
    assert folder.find("2.jpg") is None
    assert folder.find("est/2.jpg") == root / "deep/er/est/2.jpg"
    assert folder.find("3.jpg") is None, "hidden"
    assert folder.find("top.jpg") == root / "top.jpg", "the data folder itself goes first"


def test_of_several_the_one_of_the_split_is_taken_and_none_in_doubt(root):
    folder = PictureFolder(root)
    assert folder.find("0.jpg", "training") == root / "train/0.jpg"
    assert folder.find("0.jpg", "validation") == root / "val/0.jpg"
    assert folder.find("0.jpg", "additional") is None
    assert folder.find("0.jpg") is None


def test_without_a_folder_there_is_nothing(root):
    assert PictureFolder(None).find("top.jpg") is None
    assert PictureFolder(root / "none").find("top.jpg") is None
    assert PictureFolder(root / "train" / "0.jpg").find("0.jpg") == root / "train" / "0.jpg", (
        "a file stands for its folder"
    )


def test_sizes_are_those_of_the_picture_as_shown(tmp_path):
    Image.new("RGB", (7, 5)).save(tmp_path / "plain.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (7, 5)).save(tmp_path / "turned.jpg", exif=turned)
    (tmp_path / "no.jpg").write_text("no picture")
    assert picture_size(tmp_path / "plain.png") == (7, 5)
    assert picture_size(tmp_path / "turned.jpg") == (5, 7)
    assert picture_size(tmp_path / "no.jpg") is None
    assert picture_size(None) is None


def test_placing(tmp_path):
    (tmp_path / "a").write_text("x")
    assert place_picture(tmp_path / "a", tmp_path / "to" / "b", "copy")
    assert place_picture(tmp_path / "a", tmp_path / "to" / "c", "link")
    assert not place_picture(tmp_path / "a", tmp_path / "to" / "d", "none")
    assert not place_picture(None, tmp_path / "to" / "e", "copy")
    assert {file.name: file.is_symlink() for file in (tmp_path / "to").iterdir()} == {"b": False, "c": True}
