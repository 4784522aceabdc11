import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from armbench_segmentation.images import ImageHeader, image_suffixes, read_header, read_image

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
CORNERS = np.array([[RED, GREEN, BLUE], [(9, 9, 9), (99, 99, 99), (200, 200, 200)]], np.uint8)


def oriented(path, orientation, pixels=CORNERS):
    """A file of `pixels` with an EXIF orientation."""
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "mpo"])
def test_every_exif_orientation_is_applied_as_pillow_does(tmp_path, suffix, orientation):
    path = oriented(tmp_path / f"a.{suffix}", orientation, np.kron(CORNERS, np.ones((16, 16, 1), np.uint8)))
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(read_image(path), expected)
    np.testing.assert_array_equal(read_image(path, size=expected.shape[:2]), expected)
    assert read_header(path).upright_size == expected.shape[:2]


def test_a_tiff_without_an_orientation_is_left_as_it_is(tmp_path):
    Image.fromarray(CORNERS).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), CORNERS)


def test_a_turned_tiff_has_no_stored_size(tmp_path):
    with pytest.raises(ValueError, match="the image is 2x3 pixels but its annotations say 3x2"):
        read_image(oriented(tmp_path / "a.tif", 6), size=(2, 3))


def test_the_annotated_size_decides_whether_the_orientation_is_applied(tmp_path):
    path = oriented(tmp_path / "a.png", 6)
    assert read_image(path, size=(3, 2)).shape == (3, 2, 3)
    np.testing.assert_array_equal(read_image(path, size=(2, 3)), CORNERS)
    with pytest.raises(ValueError, match="the image is 2x3 pixels but its annotations say 5x4"):
        read_image(path, size=(4, 5))


def test_an_orientation_beyond_eight_is_ignored(tmp_path):
    assert read_header(oriented(tmp_path / "a.png", 42)) == ImageHeader((2, 3), 1)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("L", 7, (7, 7, 7)),
        ("1", 1, (255, 255, 255)),
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("RGBA", (1, 2, 3, 0), (1, 2, 3)),
        ("LA", (5, 128), (5, 5, 5)),
        ("I;16", 257 * 200, (200, 200, 200)),
        ("I;16", 65535, (255, 255, 255)),
        ("I;16", 255, (1, 1, 1)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
    ],
)
def test_every_mode_becomes_8_bit_rgb(tmp_path, mode, value, expected):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.new(mode, (4, 2), value).save(path)
    image = read_image(path)
    assert (image.shape, image.dtype) == ((2, 4, 3), np.uint8)
    assert tuple(image[1, 3]) == expected


@pytest.mark.parametrize(("top", "expected"), [(1.0, 255), (200.0, 200)])
def test_floats_hold_0_to_1_or_0_to_255(tmp_path, top, expected):
    Image.fromarray(np.full((2, 2), top, np.float32)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").max() == expected


@pytest.mark.parametrize(("top", "expected"), [(200, 200), (255, 255), (257 * 200, 200), (65535, 255)])
def test_integers_of_32_bit_hold_0_to_255_or_0_to_65535(tmp_path, top, expected):
    Image.fromarray(np.array([[0, top]], np.int32)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif")[0, :, 0].tolist() == [0, expected]


def test_a_gray_level_beyond_16_bit_is_refused(tmp_path):
    Image.fromarray(np.full((2, 2), 70_000, np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"gray values must lie in 0\.\.65535; got 70000"):
        read_image(tmp_path / "a.tif")


def test_a_palette_with_transparency_keeps_its_colours(tmp_path):
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(tmp_path / "a.png", transparency=bytes([255, 0]))
    assert tuple(read_image(tmp_path / "a.png")[0, 0]) == (10, 20, 30)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp", "a.tif", "a.webp", "a.gif"])
def test_a_truncated_file_is_named(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = tmp_path / name
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"{name} cannot be read as an image"):
        read_image(path)


def test_what_is_no_image_or_missing_is_named(tmp_path):
    (tmp_path / "a.jpg").write_text("no picture")
    for read in (read_image, read_header):
        with pytest.raises(ValueError, match=r"a\.jpg cannot be read as an image"):
            read(tmp_path / "a.jpg")
        with pytest.raises(FileNotFoundError, match=r"no image file at .*b\.jpg"):
            read(tmp_path / "b.jpg")


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz.jpg"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as an image"):
        read_image(path)


def smooth(height, width):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], 2).astype(np.uint8)


def test_a_large_jpeg_is_decoded_no_smaller_than_asked(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(smooth(512, 768)).save(path, quality=95)
    assert read_image(path, at_least=(128, 128)).shape == (128, 192, 3)
    assert read_image(path, at_least=(129, 128)).shape == (256, 384, 3)
    assert read_image(path, at_least=(600, 600)).shape == (512, 768, 3)


def test_reduced_decoding_shows_what_full_decoding_and_averaging_show(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(smooth(512, 768)).save(path, quality=95)
    full = read_image(path).reshape(128, 4, 192, 4, 3).mean((1, 3))
    reduced = read_image(path, at_least=(128, 192)).astype(float)
    assert np.abs(full - reduced).mean() < 2


def test_reduced_decoding_respects_the_orientation(tmp_path):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(smooth(512, 768)).save(path, exif=exif)
    assert read_image(path, at_least=(192, 128)).shape == (192, 128, 3)
    assert read_image(path, at_least=(193, 128)).shape == (384, 256, 3)


def test_suffixes_are_those_pillow_opens():
    assert {".jpg", ".jpeg", ".png", ".tif", ".bmp", ".webp"} <= image_suffixes()
    assert ".json" not in image_suffixes()
