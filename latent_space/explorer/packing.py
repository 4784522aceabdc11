"""Many columns as one short text: byte planes, deflated together, in base64.

**Conventions**: an array of n items of `size` bytes lies in the stream as `planes` runs of n bytes, the most
significant byte of every item first; planes that are left out are zero. Alike bytes stand together, so they deflate
well. A column of numbers takes the smallest of: up to 255 different values and codes into them (exact), integers from
an offset (exact), floats of 24 bits (relative error at most 2^-16: more digits than are shown), float32, float64.
The last code of integers and of few values means "no value".
"""

import base64
import json
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

_MOST_VALUES = 255
_COARSEST = 2.0**-12  # of its range, that a column may lose by rounding
_LEVEL = 6


class Store:
    """Collects columns and JSON values, and gives for each what the page needs to find it.

    Examples
    --------
    >>> store = Store()
    >>> store.numbers(np.array([5.0, 7.0, np.nan, 300000.0]))
    {'at': 0, 'n': 4, 'type': 'few', 'planes': 1, 'levels': [5.0, 7.0, 300000.0]}
    >>> store.json(["a", "b"])
    {'at': 4, 'n': 9, 'type': 'json', 'planes': 1}
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def numbers(self, values: npt.NDArray[np.float64]) -> dict[str, Any]:
        """Pack numbers; NaN stays NaN, and so do infinities.

        Parameters
        ----------
        values : (n,) float64 array
        """
        known = values[~np.isnan(values)]
        different = np.unique(known)
        if len(different) <= _MOST_VALUES and np.isfinite(different).all():
            codes = np.where(np.isnan(values), _MOST_VALUES, np.searchsorted(different, np.nan_to_num(values)))
            return {**self._add(codes.astype("<u1"), "few"), "levels": different.tolist()}
        if _are_whole(known) and known.max() - known.min() < 256**4 - 1:
            low, high = float(known.min()), float(known.max())
            planes = next(planes for planes in range(1, 5) if high - low < 256**planes - 1)
            missing = 256**planes - 1
            codes = np.where(np.isnan(values), missing, np.nan_to_num(values) - low)
            return {**self._add(codes.astype("<u4"), "int", planes), "offset": low}
        single = None if _are_whole(known) else _rounded(values)
        if single is not None:
            return self._add(single, "f4", 3)
        return self._add(values.astype("<f8"), "f8")

    def places(self, values: npt.NDArray[np.floating[Any]]) -> dict[str, Any]:
        """Pack coordinates of a map as they are, in float32."""
        return self._add(values.astype("<f4"), "f4")

    def codes(self, values: npt.NDArray[np.integer[Any]]) -> dict[str, Any]:
        """Pack whole numbers from 0 to 65535."""
        return self._add(values.astype("<u2"), "u2")

    def json(self, value: Any) -> dict[str, Any]:
        """Pack strict JSON."""
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return self._add(np.frombuffer(text.encode(), "<u1"), "json")

    def base64(self) -> str:
        """Return everything collected as one text."""
        return base64.b64encode(zlib.compress(b"".join(self._parts), _LEVEL)).decode()

    def _add(self, array: npt.NDArray[Any], kind: str, planes: int | None = None) -> dict[str, Any]:
        size = array.dtype.itemsize
        planes = planes or size
        items = np.ascontiguousarray(array).view(np.uint8).reshape(-1, size)
        ordered = items[:, ::-1][:, :planes] if kind != "int" else items[:, :planes][:, ::-1]
        place = {"at": self._size, "n": len(items), "type": kind, "planes": planes}
        self._parts.append(np.ascontiguousarray(ordered.T).tobytes())
        self._size += planes * len(items)
        return place


def _are_whole(known: npt.NDArray[np.float64]) -> bool:
    return bool(np.isfinite(known).all() and (known == np.rint(known)).all())


def _rounded(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32] | None:
    """Return float32 whose lowest byte is zero; None where that would change what the column says."""
    finite = values[np.isfinite(values)]
    if not len(finite) or np.abs(finite).max() > np.finfo(np.float32).max / 2:
        return None
    tiny = np.abs(finite[finite != 0]).min(initial=1.0) < np.finfo(np.float32).tiny
    if tiny or np.abs(finite).max() * 2.0**-16 > _COARSEST * np.ptp(finite):
        return None
    bits = values.astype("<f4").view("<u4")
    even = (bits + np.uint32(0x7F) + ((bits >> np.uint32(8)) & np.uint32(1))) & np.uint32(0xFFFFFF00)
    rounded = np.where(np.isfinite(values), even, bits & np.uint32(0xFFFFFF00)).astype("<u4")
    return rounded.view("<f4")
