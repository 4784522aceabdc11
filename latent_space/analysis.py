"""What is made of a population once all of its samples are known: the graph, maps, insights, and their files.

**Conventions**: everything rests on one `Space`, so that the graph is built once. Files are written beside the
population's own, under the names in `run_folder`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from latent_space.insights.copies import Looks, read_looks
from latent_space.insights.finding import add_insights, find_insights
from latent_space.insights.insight import Insights, write_insights
from latent_space.maps import add_maps, draw_maps
from latent_space.population import Population
from latent_space.progress import working
from latent_space.space import Space, sample_space, write_graph

Pictures = Callable[[str], Path | None]
_AXES_OF_A_MAP = 4


@dataclass(frozen=True, eq=False)
class Analysis:
    """A population with the columns of every stage, and what its stages keep in files of their own.

    Attributes
    ----------
    population : Population
        With the stages' columns and facts.
    space : Space
        Of its samples.
    insights : Insights
        Where the model fails, and what is wrong with the data.
    seconds : dict of str to float
        How long each stage took.
    """

    population: Population
    space: Space
    insights: Insights
    seconds: dict[str, float]

    def write(self, out: Path) -> None:
        """Write the stages' files into the run folder; the population is saved by itself."""
        write_graph(self.space, self.population, out)
        write_insights(out, self.insights)
        draw_maps(self.population, out)


def analyse(
    population: Population, *, cache: Path | None = None, pictures: Pictures | None = None, seed: int = 0
) -> Analysis:
    """Run every stage on a population.

    Parameters
    ----------
    population : Population
        With latents.
    cache : path, optional
        Folder of maps made before.
    pictures : callable, optional
        From what the column `thumbnail` holds to the file, None where there is none.
    seed : int
        Of everything drawn at random.

    Raises
    ------
    ValueError
        If the population has no latents.
    """
    start = time.perf_counter()
    space = sample_space(population)
    population = add_maps(population, space=space, cache=cache, random_state=seed)
    mapped = time.perf_counter()
    looks = _looks(population, pictures)
    with working("insights"):
        insights = find_insights(population, space, looks=looks, random_state=seed)
    population = add_insights(population, space, insights=insights)
    seconds = {"maps": mapped - start, "insights": time.perf_counter() - mapped}
    return Analysis(population, space, insights, seconds)


def _looks(population: Population, pictures: Pictures | None) -> Looks | None:
    """Read the samples' pictures where the model reads pictures; elsewhere thumbnails are drawings."""
    samples, latent = population.samples, population.run.get("latent")
    is_map = isinstance(latent, dict) and len(latent.get("shape") or ()) == _AXES_OF_A_MAP
    if pictures is None or "thumbnail" not in samples or not is_map:
        return None
    return read_looks([pictures(path) if isinstance(path, str) else None for path in samples["thumbnail"]])
