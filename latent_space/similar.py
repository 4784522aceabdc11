"""The samples whose latents are nearest to one sample's, and finding that sample by its id.

**Conventions**: distances are in the units of the latents; nearest first, ties by row. The sample itself is left out.
"""

from difflib import SequenceMatcher, get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from latent_space.neighbors import Metric, find_neighbors

if TYPE_CHECKING:
    import pandas as pd

    from latent_space.population import Population

_MOST_COMPARED = 20_000
_TIED = 50


def find_similar(
    population: "Population", sample_id: str, *, n: int = 20, metric: Metric = "euclidean"
) -> "pd.DataFrame":
    """List the samples nearest to one in latent space.

    Parameters
    ----------
    population : Population
        With latents.
    sample_id : str
        Of the sample to compare with.
    n : int
        How many; with fewer others, all of them.
    metric : {"euclidean", "cosine"}
        Of the distance.

    Returns
    -------
    DataFrame
        ``sample_id``, ``distance``, and ``split`` and ``loss`` where the population has them; nearest first.

    Raises
    ------
    ValueError
        If there is no such sample, or it has no finite latents.

    Examples
    --------
    >>> import pandas as pd
    >>> from latent_space.population import Population
    >>> population = Population(pd.DataFrame({"sample_id": ["a", "b", "c"]}), np.array([[0.0], [5.0], [1.0]]))
    >>> find_similar(population, "a", n=1).to_dict("records")
    [{'sample_id': 'c', 'distance': 1.0}]
    """
    if n < 1:
        raise ValueError(f"n must be at least 1; got {n}.")
    row = row_of(population, sample_id)
    if population.latents.shape[1] == 0:
        raise ValueError("population must have latents to be compared; got none. Run `armscope explore` again.")
    if not np.isfinite(population.latents[row]).all():
        raise ValueError(f"sample_id must have finite latents; got {sample_id!r}, which has none.")
    others = np.flatnonzero(np.isfinite(population.latents).all(axis=1))
    others = others[others != row]
    columns = [name for name in ("sample_id", "split", "loss") if name in population.samples]
    nearest, distances = others, np.zeros(0, np.float32)
    if len(others):
        near = find_neighbors(population.latents[[row]], population.latents[others], n_neighbors=n, metric=metric)
        nearest, distances = others[near.indices[0]], near.distances[0]
    found: pd.DataFrame = population.samples.iloc[nearest][columns].reset_index(drop=True)
    found.insert(1, "distance", distances)
    return found


def row_of(population: "Population", sample_id: str) -> int:
    """Return the row of a sample.

    Raises
    ------
    ValueError
        If there is none of that id; it names the nearest spelling.
    """
    ids = population.samples["sample_id"].tolist()
    if sample_id in ids:
        return int(ids.index(sample_id))
    nearest = _nearest_spelling(sample_id, ids)
    advice = f" Did you mean {nearest!r}?" if nearest is not None else ""
    raise ValueError(f"sample_id must be one of the {len(ids):,} of the run; got {sample_id!r}.{advice}")


def _nearest_spelling(sample_id: str, ids: list[str]) -> str | None:
    """Return the id that was meant: the only one that contains the text, or else the one spelled most alike."""
    wanted = sample_id.casefold()
    holding = [one for one in ids if wanted and wanted in one.casefold()]
    if len(holding) == 1:
        return holding[0]
    # Comparing spellings is slow: those of a length that cannot fit, then those too many, are left out.
    alike = sorted(holding or ids, key=lambda one: abs(len(one) - len(sample_id)))[:_MOST_COMPARED]
    close = get_close_matches(sample_id, alike, n=_TIED)
    return max(sorted(close), key=lambda one: _likeness(sample_id, one), default=None)


def _likeness(text: str, other: str) -> tuple[float, int]:
    return SequenceMatcher(None, other, text).ratio(), _n_same(text, other)


def _n_same(text: str, other: str) -> int:
    """Count the letters that two texts begin with alike."""
    pairs = enumerate(zip(text, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(text), len(other)))
