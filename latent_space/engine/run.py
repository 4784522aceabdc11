"""A run in progress: from an opened integration to the files of its run folder.

**Conventions**: what is needed only until the run is complete lies in `.work` of the run folder: chunks that are done,
in a folder named by the hash of all they were made from, and the workers' logs. Files of later stages that an earlier
run left are removed, for they tell of other samples. `run.json` is the last file to be written.
"""

import os
import platform
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from latent_space.engine.assembly import assemble, collect_pictures, write_extras
from latent_space.engine.chunks import Plan, Task, WrittenChunk
from latent_space.engine.entry import Entry
from latent_space.engine.failures import IntegrationError
from latent_space.engine.fingerprint import data_fingerprint, files_fingerprint, settings_fingerprint
from latent_space.engine.workers import Worker, run_tasks
from latent_space.explorer import write_report
from latent_space.maps import add_maps, draw_maps
from latent_space.population import Population
from latent_space.progress import track
from latent_space.run_folder import REPORT_FILE, RUN_FILE, replaced_files, write_json

WORK_FOLDER = ".work"
_SAMPLES_PER_CHUNK = 64
_ALL_FAILING = 8
_MOST_PICTURES = 20_000
_MADE_FROM = (
    "model_sha256",
    "integration_fingerprint",
    "engine_fingerprint",
    "data_fingerprint",
    "versions",
    "settings",
    "latent",
)
_OF_LATER_STAGES = ("insights.json", "labelling.csv", "pruning.csv", "curves.json", REPORT_FILE)
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
        (self.work / "logs").mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in variables.items() if value is not None}
        return Worker(self.plan, self.work / "logs" / f"worker-{number}.log", environment)

    def discard(self) -> None:
        """Leave no trace of a run that could not start, but for what its worker printed."""
        logs = self.work / "logs"
        for log in logs.iterdir():
            if log.stat().st_size == 0:
                log.unlink()
        for folder in (logs, self.work, self.out):
            if not any(folder.iterdir()):
                folder.rmdir()

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
        if resume and (self.out / RUN_FILE).is_file():
            done = Population.load(self.out)
            if done.run.get("fingerprint") == complete and done.run.get("finished"):
                return done
        self._plan_tasks(splits, self.work / chunks[:16], pictures=pictures)
        self._keep(self.work / chunks[:16] if resume else None)
        return None

    def _plan_tasks(self, splits: dict[str, list[Any]], folder: Path, *, pictures: bool) -> None:
        batch = int(self.facts["batch_size"])
        size = batch * max(1, _SAMPLES_PER_CHUNK // batch)
        for split, ids in splits.items():
            for start in range(0, len(ids), size):
                task = Task(split, tuple(ids[start : start + size]), pictures and self.plan.visualizers)
                self.tasks.append((task, folder / f"{split}-{start:08d}-{len(task.sample_ids)}"))
        if not self.tasks:
            raise IntegrationError("The integration has no samples.")

    def _keep(self, chunks: Path | None) -> None:
        """Remove what an earlier run left, but for the chunks that are used again."""
        for path in self.work.iterdir():
            if path.name != "logs" and path != chunks:
                shutil.rmtree(path)

    def run_chunks(self, first: Worker, jobs: int) -> None:
        """Run what is not done yet."""
        start = time.perf_counter()
        pending = [(task, folder) for task, folder in self.tasks if not WrittenChunk(folder).exists]
        self.reused = len(self.tasks) - len(pending)
        for folder in {folder.parent for _, folder in pending}:
            folder.mkdir(parents=True, exist_ok=True)
        others = [partial(self.open, number) for number in range(1, min(jobs, len(pending)))]
        total = sum(len(task.sample_ids) for task, _ in pending)
        for _ in track(self._done(first, others, pending), "samples", total=total):
            pass
        self.seconds["samples"] = time.perf_counter() - start

    def _done(self, first: Worker, others: Sequence[Any], pending: list[tuple[Task, Path]]) -> Iterator[None]:
        """Yield once per sample that is done; stop where nothing works."""
        if not pending:
            return
        for task, answer in run_tasks(first, others, pending):
            size = sum(len(other.sample_ids) for other, _ in self.tasks if other.split == task.split)
            if answer["n_samples"] == 0 and len(task.sample_ids) >= min(_ALL_FAILING, size) and size > 1:
                raise IntegrationError(_failure(answer["failed"][0]))
            yield from [None] * len(task.sample_ids)

    def finish(self, *, maps: bool) -> Population:
        """Put the chunks together, place the samples on maps, write everything."""
        start = time.perf_counter()
        chunks = [WrittenChunk(folder) for _, folder in self.tasks]
        self._count([chunk.facts() for chunk in chunks])
        population = assemble(chunks)
        self.facts["latent"]["n_features"] = population.latents.shape[1]
        collect_pictures(chunks, self.work, self.out)
        write_extras(chunks, len(population), self.out)
        for name in _OF_LATER_STAGES:
            (self.out / name).unlink(missing_ok=True)
        self.seconds["assembly"] = time.perf_counter() - start
        population = population.with_run(**self.facts)
        if maps:
            start = time.perf_counter()
            population = add_maps(population, random_state=self.plan.seed)
            self.seconds["maps"] = time.perf_counter() - start
        population = population.with_run(seconds=self.seconds, finished=_now())
        population.save(self.out)
        if maps:
            start = time.perf_counter()
            draw_maps(population, self.out)
            write_report(population, self.out)
            self.seconds["report"] = time.perf_counter() - start
            with replaced_files() as temporary_name:
                write_json(temporary_name(self.out / RUN_FILE), population.run)
        shutil.rmtree(self.work)
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
            raise IntegrationError(_failure(next(one for one in failed if not empty or one["split"] in empty)))
        reasons = Counter(f"{one['function']}: {one['reason']}" for one in failed)
        self.facts |= {"splits": splits, "failed": failed, "n_failed": len(failed), "reasons": dict(reasons)}
        self.facts["warnings"] = list(dict.fromkeys(lines))


def _failure(failed: dict[str, Any]) -> str:
    """Tell the failure that stops a run."""
    return (
        f"{failed['function']} failed on sample {failed['sample_id']!r} of {failed['split']}, and on every other:"
        f" {failed['reason']}"
    )


def _task(entry: Entry) -> str:
    """Name the task: as the environment or a `settings.yaml` beside the entry file says, else as the folder."""
    import yaml

    settings = entry.root / "settings.yaml"
    content = None
    if settings.is_file():
        try:
            content = yaml.safe_load(settings.read_text(encoding="utf-8"))
        except yaml.YAMLError:
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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
