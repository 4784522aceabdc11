"""Text that fits into a small picture.

**Conventions**: pixels, in OpenCV's plain font, which writes ASCII alone; other characters become "?".
"""

from functools import lru_cache


@lru_cache(maxsize=1024)
def fitted(text: str, room: int, scale: float) -> tuple[str, int]:
    """Make of a text what can be written, without its middle where that is wider than the room.

    Parameters
    ----------
    text : str
    room : int
        Pixels in width.
    scale : float
        Of the font.

    Returns
    -------
    (str, int)
        What to write, and its width.

    Examples
    --------
    >>> fitted("Line 4 / Station 12 / outlet", 80, 0.36)[0]
    'Line 4..outlet'
    """
    import cv2

    short = whole = text.encode("ascii", "replace").decode()
    kept = len(whole) // 2
    while (width := cv2.getTextSize(short, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0]) > room and kept > 1:
        kept -= 1
        short = f"{whole[:kept]}..{whole[-kept:]}"
    return short, int(width)
