"""A run in progress: from an opened integration to the files of its run folder.

**Conventions**: what is needed only until the run is complete lies in `.work` of the run folder: chunks that are done,
in a folder named by the hash of all they were made from, and the workers' logs. Files of later stages that an earlier
run left are removed, for they tell of other samples. An earlier `run.json` goes before anything of that run is
replaced, and `finished` is written into the new one after all other files.

A chunk holds few samples at the start of a split and more later: small data occupy all workers, large data cost little
per chunk, and neither `limit` nor `jobs` moves the borders. Chunks from all over a split come first, so that a fault of
the whole split shows early.
"""

import os
import platform
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

from latent_space.analysis import Analysis, Pictures, analyse
from latent_space.engine.assembly import assemble, collect_pictures, write_extras
from latent_space.engine.calls import FAILS_ON_BATCH
from latent_space.engine.chunks import Plan, Task, WrittenChunk
from latent_space.engine.entry import Entry
from latent_space.engine.failures import IntegrationError
from latent_space.engine.fingerprint import data_fingerprint, files_fingerprint, settings_fingerprint
from latent_space.engine.folder import (
    WORK_FOLDER,
    begin_replacing,
    close_work,
    discard_work,
    finished_run,
    has_maps,
    keep_work,
    open_work,
)
from latent_space.engine.workers import Worker, run_tasks
from latent_space.explorer import write_report
from latent_space.exports.pictures import thumbnail_of
from latent_space.population import Population
from latent_space.progress import track
from latent_space.run_folder import MAPS_FOLDER, RUN_FILE, replaced_files, write_json

_SAMPLES_PER_CHUNK = 64
_SMALL_CHUNKS = 16
_FIRST_CHUNKS = 4
_MOST_PICTURES = 20_000
_MADE_FROM = (
    "task",
    "model_sha256",
    "integration_fingerprint",
    "engine_fingerprint",
    "data_fingerprint",
    "versions",
    "settings",
    "latent",
)
_LIBRARIES = ("code-loader", "onnxruntime", "numpy", "opencv-python-headless", "faiss-cpu", "umap-learn", "openTSNE")


@dataclass
class Run:
    """A run in progress."""

    entry: Entry
    plan: Plan
    out: Path
    data: Path | None
    limit: int | None
    facts: dict[str, Any] = field(default_factory=dict)
    tasks: list[tuple[Task, Path]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    reused: int = 0

    @property
    def work(self) -> Path:
        """Folder for what is needed only until the run is complete."""
        return self.out / WORK_FOLDER

    def open(self, number: int = 0) -> Worker:
        """Start a worker."""
        variables = {"ARMSCOPE_DATA": str(self.data) if self.data else None, "ARMSCOPE_MODEL": self.plan.model}
        environment = {name: value for name, value in variables.items() if value is not None}
        return Worker(self.plan, open_work(self.out) / f"worker-{number}.log", environment)

    def discard(self) -> None:
        """Leave no trace of a run that could not start, but for what its worker printed."""
        discard_work(self.out)

    def prepare(self, first: Worker, *, resume: bool) -> Population | None:
        """Learn what there is to run; returns the finished run where it is to be resumed and complete already."""
        start = time.perf_counter()
        description = next(iter(track(iter([first]), "opening the integration", total=1))).description()
        splits = {split: ids[: self.limit] for split, ids in description.pop("splits").items()}
        pictures = sum(map(len, splits.values())) * len(description["visualizers"]) <= _MOST_PICTURES
        first_samples = description.pop("first_samples")
        leave_out = [self.out, *([self.data] if self.data else [])]
        self.facts = {
            "task": _task(self.entry),
            "integration": str(self.entry.root / self.entry.file),
            "data": str(self.data) if self.data else None,
            **description,
            "integration_fingerprint": files_fingerprint(self.entry.root, leave_out),
            "engine_fingerprint": files_fingerprint(Path(__file__).parent),
            "data_fingerprint": data_fingerprint(self.data, first_samples),
            "versions": _versions(),
            "seed": self.plan.seed,
            "settings": {**asdict(self.plan), "limit": self.limit, "pictures": pictures},
            "created": _now(),
        }
        settings = {key: self.facts[key] for key in _MADE_FROM}
        complete = settings_fingerprint(settings)
        chunks = settings_fingerprint(settings | {"settings": {**settings["settings"], "limit": None}})
        self.facts["fingerprint"] = complete
        self.seconds["open"] = time.perf_counter() - start
        done = finished_run(self.out, complete) if resume else None
        if done is not None:
            return done
        self._plan_tasks(splits, self.work / chunks[:16], pictures=pictures)
        keep_work(self.out, *([self.work / chunks[:16]] if resume else []))
        return None

    def _plan_tasks(self, splits: dict[str, list[Any]], folder: Path, *, pictures: bool) -> None:
        for split, ids in splits.items():
            for start, end in _borders(len(ids), int(self.facts["batch_size"])):
                task = Task(split, tuple(ids[start:end]), pictures and self.plan.visualizers)
                self.tasks.append((task, folder / f"{split}-{start:08d}-{len(task.sample_ids)}"))
        if not self.tasks:
            raise IntegrationError("The integration has no samples.")

    def run_chunks(self, first: Worker, jobs: int) -> None:
        """Run what is not done yet."""
        start = time.perf_counter()
        order = _spread([task.split for task, _ in self.tasks])
        pending = [self.tasks[number] for number in order if not WrittenChunk(self.tasks[number][1]).exists]
        self.reused = len(self.tasks) - len(pending)
        for folder in {folder.parent for _, folder in pending}:
            folder.mkdir(parents=True, exist_ok=True)
        others = [partial(self.open, number) for number in range(1, min(jobs, len(pending)))]
        total = sum(len(task.sample_ids) for task, _ in pending)
        for _ in track(self._done(first, others, pending), "samples", total=total):
            pass
        self.seconds["samples"] = time.perf_counter() - start

    def _done(self, first: Worker, others: Sequence[Any], pending: list[tuple[Task, Path]]) -> Iterator[None]:
        """Yield once per sample that is done; stop where the first chunks of a split, from all over it, give nothing.

        A split of few chunks is left to `_count`, which knows all of them.
        """
        if not pending:
            return
        n_chunks = Counter(task.split for task, _ in self.tasks)
        working = {task.split for task, folder in self.tasks if WrittenChunk(folder).exists}
        failed: dict[str, list[dict[str, Any]]] = {split: [] for split in n_chunks}
        n_failing: Counter[str] = Counter()
        for task, answer in run_tasks(first, others, pending):
            split = task.split
            if answer["n_samples"]:
                working.add(split)
            failed[split] += answer["failed"]
            n_failing[split] += not answer["n_samples"]
            if split not in working and n_failing[split] >= _FIRST_CHUNKS:
                raise IntegrationError(_failure(failed[split], f"all {len(failed[split]) - 1} others that were tried"))
            yield from [None] * len(task.sample_ids)

    def finish(self, *, maps: bool) -> Population:
        """Put the chunks together, place the samples on maps, write everything."""
        start = time.perf_counter()
        chunks = [WrittenChunk(folder) for _, folder in self.tasks]
        self._count([chunk.facts() for chunk in chunks])
        population = assemble(chunks)
        self.facts["latent"]["n_features"] = population.latents.shape[1]
        self.seconds["assembly"] = time.perf_counter() - start
        population = population.with_run(**self.facts)
        analysis = self._analyse(population, _thumbnails(chunks).get) if maps else None
        population = analysis.population if analysis else population
        start = time.perf_counter()
        begin_replacing(self.out)
        collect_pictures(chunks, self.work, self.out)
        write_extras(chunks, len(population), self.out)
        population.save(self.out)
        self.seconds["assembly"] += time.perf_counter() - start
        return self._publish(population, analysis)

    def complete(self, population: Population, *, maps: bool) -> Population:
        """Give a run that is finished the maps that it was made without."""
        if maps and not has_maps(self.out, population):
            self.seconds = dict(population.run.get("seconds", {}))
            analysis = self._analyse(population, partial(thumbnail_of, self.out))
            analysis.population.save(self.out)
            return self._publish(analysis.population, analysis)
        close_work(self.out)
        return population

    def _analyse(self, population: Population, pictures: Pictures) -> Analysis:
        analysis = analyse(population, cache=self.out / MAPS_FOLDER, pictures=pictures, seed=self.plan.seed)
        self.seconds |= analysis.seconds
        return analysis

    def _publish(self, population: Population, analysis: Analysis | None) -> Population:
        """Write the files of the analysis and the report, and only then call the run finished."""
        finished = population.run.get("finished") or _now()
        if analysis is not None:
            start = time.perf_counter()
            analysis.write(self.out)
            write_report(population.with_run(seconds=self.seconds, finished=finished), self.out)
            self.seconds["report"] = time.perf_counter() - start
        population = population.with_run(seconds=self.seconds, finished=finished)
        with replaced_files() as temporary_name:
            write_json(temporary_name(self.out / RUN_FILE), population.run)
        close_work(self.out)
        return population

    def _count(self, facts: list[dict[str, Any]]) -> None:
        """Note failures and warnings; stop where a split has lost all of its samples."""
        failed = [failure for chunk in facts for failure in chunk["failed"]]
        lines = [*self.facts["warnings"], *(line for chunk in facts for line in chunk["warnings"])]
        splits: dict[str, dict[str, int]] = {}
        for task, _ in self.tasks:
            count = splits.setdefault(task.split, {"n": 0, "n_failed": 0})
            count["n"] += len(task.sample_ids)
        for failure in failed:
            count = splits[failure["split"]]
            count["n"], count["n_failed"] = count["n"] - 1, count["n_failed"] + 1
        empty = [split for split, count in splits.items() if count["n"] == 0 and count["n_failed"] > 1]
        if empty or not any(count["n"] for count in splits.values()):
            raise IntegrationError(_failure([one for one in failed if one["split"] == (empty or [*splits])[0]]))
        reasons = Counter(f"{one['function']}: {one['reason']}" for one in failed)
        self.facts |= {"splits": splits, "failed": failed, "n_failed": len(failed), "reasons": dict(reasons)}
        # The reason why a handler fails on batches may name what is in them: one line for each handler is enough.
        by_key = {line.partition(f" {FAILS_ON_BATCH} ")[0]: line for line in reversed(lines)}
        self.facts["warnings"] = list(reversed(by_key.values()))


def _failure(failed: Sequence[dict[str, Any]], others: str = "every other") -> str:
    """Tell the first of the failures, and whether the others are of the same function."""
    first = failed[0]
    text = f"{first['function']} failed on sample {first['sample_id']!r} of {first['split']}"
    if len(failed) > 1:
        same = all(one["function"] == first["function"] for one in failed)
        text += f", and on {others}" if same else f", and some function on {others}"
    return f"{text}: {first['reason']}"


def _borders(n_samples: int, batch_size: int) -> list[tuple[int, int]]:
    """Cut a split into chunks: the first ones of a batch each, the others of several whole batches.

    Examples
    --------
    >>> _borders(40, 16)
    [(0, 16), (16, 32), (32, 40)]
    >>> _borders(300, 16)[-2:]
    [(240, 256), (256, 300)]
    """
    large = batch_size * max(1, _SAMPLES_PER_CHUNK // batch_size)
    few = min(n_samples, _SMALL_CHUNKS * batch_size)
    starts = [*range(0, few, batch_size), *range(few, n_samples, large)]
    return list(pairwise([*starts, n_samples])) if starts else []


def _spread(splits: Sequence[str]) -> list[int]:
    """Order chunks, given the split of each, so that a few from all over each split are the first.

    Examples
    --------
    >>> _spread(["training"] * 8 + ["test"])
    [0, 2, 5, 7, 8, 1, 3, 4, 6]
    """
    first: list[int] = []
    for split in dict.fromkeys(splits):
        places = [number for number, name in enumerate(splits) if name == split]
        n_first = min(_FIRST_CHUNKS, len(places))
        first += [places[round(k * (len(places) - 1) / max(1, n_first - 1))] for k in range(n_first)]
    return [*first, *(number for number in range(len(splits)) if number not in set(first))]


def _task(entry: Entry) -> str:
    """Name the task: as the environment or a `settings.yaml` beside the entry file says, else as the folder."""
    import yaml

    settings = entry.root / "settings.yaml"
    content = None
    if settings.is_file():
        try:
            content = yaml.safe_load(settings.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError, OSError):
            content = None
    named = content.get("task") if isinstance(content, dict) else None
    if isinstance(named, str):
        return os.environ.get("ARMSCOPE_TASK") or named
    return entry.root.name


def _versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found


def _thumbnails(chunks: Sequence[WrittenChunk]) -> dict[str, Path]:
    """Return the chunks' thumbnails, by their path in the run folder."""
    files = (item for chunk in chunks for item in chunk.files())
    return {name: path for name, path in files if name.startswith("thumbnails/")}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
