"""The end of each half of the demo: where the model fails, what to label next, and what can be dropped."""

from pathlib import Path

import typer

_SLICES, _BUDGET = 3, 20


def show_decisions(run: Path, *, seed: int) -> None:
    """Tell the failing slices in words, the samples to label with what that saves, and what can be dropped.

    Parameters
    ----------
    run : Path
        A run folder with insights.
    seed : int
    """
    from armscope.label import label_run, print_labelling
    from armscope.prune import prune_run
    from latent_space.insights.insight import read_insights, sentences
    from latent_space.labelling.request import Request
    from latent_space.population import Population

    found = [one for one in read_insights(run).insights if one.kind == "low_performance"]
    typer.echo("Where it fails:" if found else "Where it fails: no slice stands out from what chance explains.")
    for sentence in sentences(found, _SLICES):
        typer.echo(f"- {sentence}")
    population = Population.load(run)
    if "unlabeled" in set(population.samples["split"]):
        labelling, _ = label_run(run, Request(_BUDGET, random_state=seed), population=population)
        print_labelling(labelling, {}, shown=_BUDGET)
    pruning, _ = prune_run(run, keep=None, random_state=seed)
    typer.echo(pruning.sentence)
