"""Start worker processes, hand them chunks, and tell what they answered.

**Conventions**: each worker is a fresh interpreter with one thread per numeric library, in our own folder as working
directory, so nothing of the integration is imported by accident and results do not depend on the number of workers. It
ends with the process that started it, which closes its input. What it prints goes to a log file.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any

from latent_space.engine.chunks import Plan, Task
from latent_space.engine.failures import IntegrationError

_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "NUMBA")}


class WorkerError(Exception):
    """A worker failed by a fault of this package; the message is its traceback."""


class Worker:
    """A process that has opened the plan's integration.

    Parameters
    ----------
    plan : Plan
    log : Path
        File for what the integration prints.
    environment : dict
        Variables to set beside those of this process.
    """

    def __init__(self, plan: Plan, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        self._last = "opening the integration"
        self.first_samples: str | None = None
        house = Path(__file__).resolve().parents[1]
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{house.name}.engine.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                cwd=house.parent,
                env={**os.environ, **_ONE_THREAD, "TL_DISABLE_ANALYTICS": "1", "MPLBACKEND": "Agg", **environment},
                text=True,
                encoding="utf-8",
            )
        self._send(asdict(plan))

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(at_once=error is not None)

    def description(self) -> dict[str, Any]:
        """Wait until the integration is open, and tell what it is.

        Raises
        ------
        IntegrationError
            If it cannot be opened.
        """
        description = self._receive()
        self.first_samples = description["first_samples"]
        return description

    def run(self, task: Task, folder: Path) -> dict[str, Any]:
        """Run a task and write its chunk to `folder`."""
        self._last = f"running {len(task.sample_ids)} samples of {task.split} from {task.sample_ids[0]!r} on"
        self._send({**asdict(task), "folder": str(folder)})
        return self._receive()

    def stop(self, *, at_once: bool = False) -> None:
        """End the process: after what it is doing, or at once."""
        if at_once:
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        self._process.wait()

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._died()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._died()
        answer = json.loads(line)
        if "error" in answer:
            raise IntegrationError(answer["error"])
        if "fault" in answer:
            raise WorkerError(answer["fault"])
        result: dict[str, Any] = answer["result"]
        return result

    def _died(self) -> None:
        code = self._process.wait()
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = f" Its last line was: {lines[-1]}" if lines else ""
        raise IntegrationError(f"The worker process ended with code {code} while {self._last}.{last} See {self._log}.")


def run_tasks(
    first: Worker, others: Sequence[Any], tasks: Sequence[tuple[Task, Path]]
) -> Iterator[tuple[Task, dict[str, Any]]]:
    """Run tasks on several workers and yield each with its answer as it is done, in no fixed order.

    Parameters
    ----------
    first : Worker
        Already open.
    others : sequence of callable
        Each starts one more worker.
    tasks : sequence of (Task, Path)
        What to run and where to write the chunk.
    """
    idle: SimpleQueue[Worker] = SimpleQueue()
    with ExitStack() as stack:
        workers = [first, *(stack.enter_context(start()) for start in others)]
        idle.put(first)
        pool = ThreadPoolExecutor(len(workers))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)

        def open_worker(worker: Worker) -> None:
            worker.description()
            if worker.first_samples != first.first_samples:
                raise IntegrationError(
                    "preprocess gives other samples in each process: seed whatever it draws at random, and sort what"
                    " it lists."
                )
            idle.put(worker)

        def run(task: Task, folder: Path) -> tuple[Task, dict[str, Any]]:
            worker = idle.get()
            try:
                return task, worker.run(task, folder)
            finally:
                idle.put(worker)

        futures: list[Future[Any]] = [pool.submit(open_worker, worker) for worker in workers[1:]]
        futures += [pool.submit(run, task, folder) for task, folder in tasks]
        try:
            for future in as_completed(futures):
                result = future.result()
                if result is not None:
                    yield result
        except BaseException:
            # Threads wait for their workers' answers; without the workers they end.
            for worker in workers:
                worker.stop(at_once=True)
            raise
