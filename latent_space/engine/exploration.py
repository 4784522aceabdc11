"""Run an integration over every sample of every split, and make of it a `Population` in a run folder.

The work is cut into chunks of samples that worker processes run (`workers`, `stages`); chunks that are done stay on
disk until the run is complete, so that it can be resumed after a kill. Then the chunks are put together, the samples
are placed on maps and the report is written.

**Conventions**: samples of a split are in the integration's order, splits in code-loader's. The result does not depend
on `jobs`, on interruptions, or on how samples fall into chunks. A sample that fails is set aside with its reason and
counted in `run.json`; when all samples of a split fail, or of several chunks from all over it and no other gave any,
the run stops.
"""

import os
from pathlib import Path

from latent_space.engine.chunks import Plan
from latent_space.engine.entry import find_entry
from latent_space.engine.failures import IntegrationError
from latent_space.engine.folder import run_folder
from latent_space.engine.run import Run
from latent_space.population import Population

_MOST_JOBS = 4


def explore(
    integration: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    jobs: int | None = None,
    resume: bool = False,
    latent: str | None = None,
    seed: int = 0,
    batch_size: int = 16,
    visualizers: bool = True,
    maps: bool = True,
) -> Population:
    """Run an integration over its data and write a run folder.

    Parameters
    ----------
    integration : path
        Folder with a `leap.yaml`, or an entry file.
    out : path
        The run folder: new, empty, or one of an earlier run, which is replaced.
    model : path, optional
        An ONNX file, or a folder with one, to use instead of the integration's own; the integration finds the file in
        ``ARMSCOPE_MODEL`` too.
    data : path, optional
        Handed to the integration as ``ARMSCOPE_DATA``; a change of its files makes `resume` start afresh.
    limit : int, optional
        At most so many samples per split, the first ones.
    jobs : int, optional
        Worker processes; by default as many as there are processors, at most four.
    resume : bool
        Whether to use the chunks of an interrupted run again. Only those made from the same integration, model, data,
        settings and library versions are; a complete run of the same is returned as it is, with maps if they are
        wanted and missing.
    latent : str, optional
        Name of a tensor of the model's graph, or of a latent space of the integration; chosen by itself otherwise.
    seed : int
        Of maps and random projections.
    batch_size : int
        Samples that metrics and losses get at once. Outputs and latents do not depend on it.
    visualizers : bool
        Whether visualizers run; without them thumbnails are made of the inputs.
    maps : bool
        Whether the maps and the report are made.

    Returns
    -------
    Population
        As written to `out`.

    Raises
    ------
    FileNotFoundError
        If the integration, `leap.yaml`, the entry file or `model` does not exist.
    ValueError
        If an argument is outside of what is described above.
    IntegrationError
        If the integration cannot be run; the message names the function and the sample.
    """
    limits = {"limit": limit, "jobs": jobs, "batch_size": batch_size}
    for name, value in limits.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1; got {value}.")
    entry = find_entry(integration)
    plan = Plan(str(entry.root), entry.file, _file(model), latent, batch_size, seed, visualizers)
    run = Run(entry, plan, run_folder(out), None if data is None else Path(data).expanduser().absolute(), limit)
    with run.open() as first:
        try:
            finished = run.prepare(first, resume=resume)
        except (IntegrationError, ValueError):
            run.discard()
            raise
        if finished is not None:
            return run.complete(finished, maps=maps)
        run.run_chunks(first, jobs or min(_MOST_JOBS, os.cpu_count() or 1))
    return run.finish(maps=maps)


def _file(model: str | os.PathLike[str] | None) -> str | None:
    if model is None:
        return None
    path = Path(model).expanduser().absolute()
    if path.is_dir():
        found = sorted(path.glob("*.onnx"))
        if len(found) != 1:
            raise ValueError(f"model must be an ONNX file or a folder with one; got {path}, which holds {len(found)}.")
        return str(found[0])
    if not path.is_file():
        raise FileNotFoundError(f"model must be an ONNX file; got {path}, which does not exist.")
    return str(path)
