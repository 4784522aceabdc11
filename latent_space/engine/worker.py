"""Run chunks in a process of its own: ``python -m latent_space.engine.worker`` imports `latent_space` alone.

It reads one JSON request per line from standard input and answers each with one line on what was standard output; what
the integration prints goes to standard error, and what it reads is empty. The first request is a plan and is answered
by a description of the integration; the others are tasks with the folder to write the chunk to. It ends when its input
does.

**Conventions**: an answer has `error`, one line, where the integration failed, and `fault`, a traceback, where our own
code did.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import cv2

from latent_space.engine.chunks import Plan, Task
from latent_space.engine.failures import HandlerError, IntegrationError
from latent_space.engine.stages import open_session, run_chunk


def main() -> None:
    """Serve requests until the input ends."""
    cv2.setNumThreads(1)  # as every numeric library here: parallel work is whole processes
    requests, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # What the integration and its child processes read is empty: they must not take our requests, or wait for more.
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    plan: Plan | None = None
    for line in requests:
        request = json.loads(line)
        if plan is None:
            plan = Plan(**request)
            _answer(answers, partial(_open, plan))
        else:
            _answer(answers, partial(_run, plan, request))
    # code-loader prints a table at exit and replaces the excepthook: neither is wanted here.
    os._exit(0)


def _open(plan: Plan) -> dict[str, Any]:
    return open_session(plan).describe()


def _run(plan: Plan, request: dict[str, Any]) -> dict[str, Any]:
    task = Task(request["split"], tuple(request["sample_ids"]), request["pictures"])
    chunk = run_chunk(plan, task)
    chunk.write(Path(request["folder"]))
    return {"n_samples": len(chunk.samples), "failed": chunk.failed}


def _answer(answers: TextIO, act: Callable[[], dict[str, Any]]) -> None:
    answer: dict[str, Any]
    try:
        answer = {"result": act()}
    except HandlerError as error:
        answer = {"error": str(error)}
    except (IntegrationError, FileNotFoundError, ImportError, ValueError) as error:
        answer = {"error": " ".join(str(error).split())} if _is_ours(error) else {"fault": traceback.format_exc()}
    except Exception:  # noqa: BLE001  the process's border: whoever started it raises this again
        answer = {"fault": traceback.format_exc()}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _is_ours(error: BaseException) -> bool:
    """Whether the error was raised by a `raise` of this package, hence is a message for the user."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and Path(frames[-1].filename).is_relative_to(Path(__file__).parents[1])


if __name__ == "__main__":
    main()
