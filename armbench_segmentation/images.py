"""Read any picture as 8-bit RGB, upright as its annotations see it.

**Conventions**: images are (H, W, 3) uint8 RGB, sizes (height, width). Alpha is dropped and not blended, as OpenCV and
YOLO's loaders do; 16-bit gray is divided by 257, whatever the brightest pixel is, so that pictures of one camera stay
comparable; of several frames the first is read. Floating-point pictures hold 0..1, or 0..255 where a pixel exceeds 1;
32-bit integers hold 0..255, or 0..65535 where a pixel exceeds 255.
The EXIF orientation is applied, except where the annotations were drawn on the stored pixels: their size tells (of a
TIFF, which Pillow always turns, only the upright size is known). Of a JPEG that is at least twice as large as needed
only a half, a quarter or an eighth is decoded (PSNR above 50 dB against decoding all and shrinking, at half the cost).
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION_TAG = 274
_FLIPS_AXES = 5  # EXIF orientations from 5 on exchange width and height


@dataclass(frozen=True)
class ImageHeader:
    """What a file says of its picture before any pixel is decoded.

    Attributes
    ----------
    stored_size : (height, width)
        Of the pixels in the file.
    orientation : int
        The EXIF tag, 1..8; 1 is upright.

    Examples
    --------
    >>> phone = ImageHeader((600, 800), 6)
    >>> phone.upright_size, phone.orientation_for((800, 600)), phone.orientation_for((600, 800))
    ((800, 600), 6, 1)
    """

    stored_size: tuple[int, int]
    orientation: int = 1

    @property
    def upright_size(self) -> tuple[int, int]:
        """(height, width) after the orientation is applied."""
        height, width = self.stored_size
        return (width, height) if self.orientation >= _FLIPS_AXES else (height, width)

    def orientation_for(self, size: tuple[int, int] | None) -> int:
        """Orientation to apply so that the picture has the `size` its annotations were drawn on.

        Raises
        ------
        ValueError
            If neither the upright nor the stored picture has it.
        """
        if size is None or size == self.upright_size:
            return self.orientation
        if size == self.stored_size:
            return 1
        height, width = self.upright_size
        raise ValueError(f"the image is {width}x{height} pixels but its annotations say {size[1]}x{size[0]}")


def read_header(path: Path) -> ImageHeader:
    """Size and orientation of the picture at `path`, from its first bytes.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If Pillow does not recognise it as a picture.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            return _header(image)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"no image file at {path}") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from error


def read_image(
    path: Path | str, *, size: tuple[int, int] | None = None, at_least: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Decode a picture.

    Parameters
    ----------
    path : Path
        In any format Pillow reads.
    size : (height, width), optional
        What the annotations say; decides whether the EXIF orientation is applied. By default it is.
    at_least : (height, width), optional
        A smaller picture will do, if it is no smaller than this: makes large JPEGs cheaper.

    Returns
    -------
    (H, W, 3) uint8
        RGB; exactly the picture's size without `at_least`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no picture, is truncated, or has another size than `size`.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            orientation = _header(image).orientation_for(size)
            if at_least is not None:
                height, width = at_least[::-1] if orientation >= _FLIPS_AXES else at_least
                image.draft(image.mode, (width, height))
            return _turn(_to_rgb(image), orientation)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"no image file at {path}") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from error


def image_suffixes() -> frozenset[str]:
    """File name endings, in lower case, of the formats that can be read."""
    from PIL import Image

    Image.init()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in Image.OPEN)


def _header(image: "Image") -> ImageHeader:
    from PIL.Image import Image as BaseImage

    if image.format == "TIFF":
        # Pillow turns TIFFs while it loads them, and gives their turned size before.
        return ImageHeader((image.height, image.width))
    # The base class's method looks at what opening has read; PNG's own would decode all pixels first.
    orientation = BaseImage.getexif(image).get(ORIENTATION_TAG, 1)
    return ImageHeader((image.height, image.width), orientation if orientation in range(1, 9) else 1)


def _to_rgb(image: "Image") -> NDArray[np.uint8]:
    if image.mode.startswith(("I", "F")):
        gray = np.asarray(image)
        return np.repeat(_to_8_bit(gray, image.mode)[:, :, None], 3, axis=2)
    if image.mode == "P" and "transparency" in image.info:
        return np.asarray(image.convert("RGBA"))[:, :, :3]
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _to_8_bit(gray: NDArray[np.generic], mode: str) -> NDArray[np.uint8]:
    values = gray.astype(np.float64)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535:
        raise ValueError(f"its gray values must lie in 0..65535; got {values.min():g}..{values.max():g}")
    scale = 1 / 257
    if mode.startswith("F"):
        scale = 255.0 if values.max() <= 1 else 1.0
    elif mode == "I" and values.max() <= 255:
        scale = 1.0
    return np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)


def _turn(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Apply an EXIF orientation: 2..4 mirror or turn by 180 degrees, 5..8 exchange the axes too."""
    if orientation >= _FLIPS_AXES:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
