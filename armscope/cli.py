"""The `armscope` command: one line for what the user can mend (exit 2), a traceback for a fault of ours (exit 1)."""

import sys
from pathlib import Path
from types import TracebackType

import typer

from armbench_segmentation.cli import app as segmentation

_HOUSE = Path(__file__).resolve().parent.parent
_PACKAGES = ("armscope", "latent_space", "armbench_segmentation")

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(segmentation, name="segmentation")


def main() -> None:
    """Run the command line; the entry point of the `armscope` script."""
    try:
        app()
    except OSError as error:
        _mendable(error)
    except (ValueError, TypeError, ImportError, RuntimeError) as error:
        if not _raised_by_us(error.__traceback__):
            raise
        _mendable(error)


def _mendable(error: BaseException) -> None:
    sys.stderr.write(f"armscope: {error}\n")
    sys.exit(2)


def _raised_by_us(traceback: TracebackType | None) -> bool:
    """Whether the innermost frame is a `raise` of this project, hence a message meant for the user."""
    file = None
    while traceback is not None:
        file, traceback = Path(traceback.tb_frame.f_code.co_filename), traceback.tb_next
    return file is not None and any(file.is_relative_to(_HOUSE / package) for package in _PACKAGES)
