"""Copies of samples: all but the same to the model, or to the eye.

A network may tell a picture from itself, shifted by a few pixels or a little brighter: then its latents do not show
the copy, and a training picture leaks into validation unseen. So pictures are compared as well, small and by the same
test, which has no threshold of its own (`find_near_duplicates`).

The size was chosen on drawn totes of seed 0, whose 30 planted copies differ by noise, compression, brightness or a
shift: 30 were found, and none that was not planted (27 with 16 pixels, 25 with 24). Seeds 1 and 2 were looked at once
after that: 28 and 30 of 30, and none that was not planted. By latents alone it is 18, 16 and 13, with 1, 2 and 0
samples that were not; by both 30, 29 and 30.

**Conventions**: a look is a picture of 8 x 8 pixels in three colours, its mean 0 and its spread 1, which no brightness
or contrast changes; NaN where a sample has no picture, or one of a single colour.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from latent_space.insights.duplicates import find_near_duplicates, numbered_groups
from latent_space.neighbors import Graph
from latent_space.progress import track

if TYPE_CHECKING:
    import pandas as pd

Looks = npt.NDArray[np.float32]

_SIDE = 8
_FEWEST = 16  # pictures that say what is usual: as many as a sample with its neighbours
_LEAST_SPREAD = 1.0  # of 255


def read_looks(files: Sequence[Path | None]) -> Looks:
    """Read what samples look like.

    Parameters
    ----------
    files : sequence of path or None
        A picture per sample.

    Returns
    -------
    (n, 192) float32 array
    """
    looks = np.full((len(files), 3 * _SIDE**2), np.nan, np.float32)
    for row, file in enumerate(track(list(files), "looking for copies")):
        small = None if file is None else _small(file)
        if small is not None and small.std() >= _LEAST_SPREAD:
            looks[row] = ((small - small.mean()) / small.std()).ravel()
    return looks


def find_copies(latents: npt.NDArray[np.float32], looks: Looks | None, *, graph: Graph) -> "pd.DataFrame":
    """Find near-duplicates in latent space and among pictures.

    Parameters
    ----------
    latents : (n, n_features) array
        Finite.
    looks : (n, 192) array, optional
        Of `read_looks`.
    graph : Graph
        Of the latents.

    Returns
    -------
    DataFrame
        As `find_near_duplicates` gives it; of both scores the higher, and groups that share a sample are one.
    """
    import pandas as pd

    found = find_near_duplicates(latents, graph=graph)
    seen = np.empty(0, np.int64) if looks is None else np.flatnonzero(np.isfinite(looks).all(axis=1))
    if looks is None or len(seen) < _FEWEST:
        return found
    alike = find_near_duplicates(looks[seen])
    by_look = np.full(len(latents), -1)
    by_look[seen] = alike["near_duplicate_group"]
    both = [_pairs(found["near_duplicate_group"].to_numpy(np.int64)), _pairs(by_look)]
    group = numbered_groups(len(latents), np.hstack(both))
    score = found["near_duplicate_score"].to_numpy(copy=True)
    score[seen] = np.fmax(score[seen], alike["near_duplicate_score"])
    return pd.DataFrame({"near_duplicate_score": score, "is_near_duplicate": group >= 0, "near_duplicate_group": group})


def _pairs(group: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the pairs (2, n_members) of every member of a group and its first; -1 is no group."""
    rows = np.flatnonzero(group >= 0)
    _, first, inverse = np.unique(group[rows], return_index=True, return_inverse=True)
    return np.stack([rows[first][inverse], rows])


def _small(file: Path) -> npt.NDArray[np.float64] | None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as picture:
            return np.asarray(picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return None
