"""The local test harness behind `poetry run test`: the whole pytest suite, from anywhere inside the repository.

**Conventions**: arguments go to pytest as they are (relative paths are taken from the repository's root), and the exit
code is pytest's. One thread per numeric library, and no telemetry, whatever the caller's environment says.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_MARKS = ("pyproject.toml", "leap.yaml", "tests")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests and return pytest's exit code; the entry point of the `test` script.

    Parameters
    ----------
    arguments : sequence of str, optional
        For pytest; by default the command line's.
    """
    root = find_root()
    chosen = list(sys.argv[1:] if arguments is None else arguments)
    sys.stdout.write(f"Testing {root}\n")
    sys.stdout.flush()
    # A process of its own: pytest then starts clean, with the environment set before any library is loaded.
    command = [sys.executable, "-m", "pytest", *chosen]
    return subprocess.run(command, cwd=root, env=environment(os.environ), check=False).returncode


def find_root() -> Path:
    """Folder of the repository: the one this file lies in, or else the one around the working directory.

    Raises
    ------
    FileNotFoundError
        If neither is a checkout of the project.
    """
    here = Path.cwd().resolve()
    for folder in (Path(__file__).resolve().parent.parent, here, *here.parents):
        if all((folder / mark).exists() for mark in _MARKS):
            return folder
    raise FileNotFoundError(f"The tests must be run inside a checkout of armscope; got {here}.")


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return `base` with telemetry off and one thread per numeric library.

    Examples
    --------
    >>> environment({"OMP_NUM_THREADS": "8"})["OMP_NUM_THREADS"]
    '1'
    """
    return {**base, "TL_DISABLE_ANALYTICS": "1", **dict.fromkeys(_ONE_THREAD, "1")}


if __name__ == "__main__":
    sys.exit(main())
