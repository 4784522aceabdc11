"""The report of a run, written anew after a command has added to the run."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latent_space.population import Population


def renew_report(population: "Population", run: Path) -> Path | None:
    """Write the page of a run again, so that it shows what the run folder holds now; None where the run has no map."""
    from latent_space.explorer import write_report
    from latent_space.maps import MAPPED_METHODS

    if not any(f"{method}_x" in population.samples for method in MAPPED_METHODS):
        return None
    return write_report(population, run).absolute()
