"""From an image of any size to the model's input and back: *stretch* or *letterbox*.

**Conventions**: sizes are (height, width) in pixels; points and boxes are x, y. A continuous coordinate of the
original maps to ``x * scale_x + offset_x`` of the input. Letterbox keeps the aspect ratio, centres the picture and pads
with gray 114, as YOLOv5 does; stretch has no padding. Reference: Ultralytics YOLOv5 ``letterbox`` (auto=False).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ResizeMode = Literal["stretch", "letterbox"]
PADDING_GRAY = 114


@dataclass(frozen=True)
class Resize:
    """The map between one original image and the model input.

    Attributes
    ----------
    original_size, input_size : (height, width) in pixels
    scale_x, scale_y : input pixels per original pixel
    offset_x, offset_y : padding on the left and on top, input pixels

    Examples
    --------
    >>> fit = Resize.plan((100, 200), (64, 64), "letterbox")
    >>> fit.scale_x, fit.offset_x, fit.offset_y
    (0.32, 0.0, 16.0)
    >>> fit.to_input(np.array([[100.0, 50.0]])).tolist()
    [[32.0, 32.0]]
    """

    original_size: tuple[int, int]
    input_size: tuple[int, int]
    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    @classmethod
    def plan(cls, original_size: tuple[int, int], input_size: tuple[int, int], mode: ResizeMode) -> "Resize":
        """Decide scale and padding.

        Raises
        ------
        ValueError
            If `mode` is neither "stretch" nor "letterbox".
        """
        (height, width), (input_height, input_width) = original_size, input_size
        if mode == "stretch":
            return cls(original_size, input_size, input_width / width, input_height / height, 0.0, 0.0)
        if mode != "letterbox":
            raise ValueError(f"resize must be 'stretch' or 'letterbox'; got {mode!r}.")
        scale = min(input_height / height, input_width / width)
        inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
        left = round((input_width - inner_width) / 2 - 0.1)
        top = round((input_height - inner_height) / 2 - 0.1)
        return cls(original_size, input_size, inner_width / width, inner_height / height, float(left), float(top))

    @property
    def inner_size(self) -> tuple[int, int]:
        """(height, width) of the picture inside the input, without padding."""
        height, width = self.original_size
        return round(height * self.scale_y), round(width * self.scale_x)

    def to_input(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (..., 2k) alternating x, y of the original to the input: points, polygons and xyxy boxes alike."""
        return self._per_axis(points, np.multiply, (self.scale_x, self.scale_y)) + self._offsets(points)

    def to_original(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (..., 2k) alternating x, y of the input back to the original, clipped to nothing."""
        return self._per_axis(points - self._offsets(points), np.divide, (self.scale_x, self.scale_y))

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize an (H, W, 3) uint8 image to (input height, input width, 3).

        See `resample` for how.
        """
        height, width = self.inner_size
        inner = resample(image, (height, width))
        if (height, width) == self.input_size:
            return inner
        canvas = np.full((*self.input_size, 3), PADDING_GRAY, np.uint8)
        top, left = int(self.offset_y), int(self.offset_x)
        canvas[top : top + height, left : left + width] = inner
        return canvas

    def _offsets(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.tile([self.offset_x, self.offset_y], points.shape[-1] // 2)

    @staticmethod
    def _per_axis(points: NDArray[np.float64], operation: np.ufunc, pair: tuple[float, float]) -> NDArray[np.float64]:
        return np.asarray(operation(points, np.tile(pair, points.shape[-1] // 2)), np.float64)


def resample(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize (H, W) or (H, W, 3) pixels to `size` = (height, width), each axis by its own means.

    An axis that shrinks averages, so that thin structures survive; one that grows interpolates linearly.

    Examples
    --------
    >>> stripes = np.tile(np.array([0, 200], np.uint8), (1, 4))
    >>> resample(stripes, (2, 2)).tolist()
    [[100, 100], [100, 100]]
    """
    import cv2

    (rows, columns), (height, width) = pixels.shape[:2], size
    shrunk = cv2.resize(pixels, (min(width, columns), min(height, rows)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
