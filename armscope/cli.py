"""The `armscope` command: one line for what the user can mend (exit 2), a traceback for a fault of ours (exit 1)."""

import sys
import warnings
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer

from anomaly_detection.cli import app as anomaly
from armbench_segmentation.cli import app as segmentation
from armscope.demo import demo
from armscope.explore import explore
from armscope.export import export
from armscope.label import label
from armscope.place import place
from armscope.prune import prune
from armscope.similar import similar

_HOUSE = Path(__file__).resolve().parent.parent
_PACKAGES = ("armscope", "latent_space", "armbench_segmentation", "anomaly_detection")
_HELP = "Debug a robot arm's models: run an integration locally, see where its model fails, push it to Tensorleap."

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=_HELP)
app.add_typer(segmentation, name="segmentation")
app.add_typer(anomaly, name="anomaly")
app.command()(demo)
app.command()(explore)
app.command()(label)
app.command()(export)
app.command()(place)
app.command()(prune)
app.command()(similar)


@app.command()
def push(
    leap_arguments: Annotated[
        list[str] | None, typer.Argument(help="Passed to `leap`, after `--`: -- -n my-model -m model.onnx")
    ] = None,
    folder: Annotated[
        Path, typer.Option(help="Folder of the integration, with its leap.yaml.", show_default="this repository")
    ] = _HOUSE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be sent.")] = False,
    stage: Annotated[Path | None, typer.Option(help="Also copy what is sent to this new folder.")] = None,
) -> None:
    """Push the integration to Tensorleap: list what its leap.yaml selects, then run `leap push`."""
    from armscope import push as bundle

    files = bundle.bundle_files(folder) if stage is None else bundle.stage(folder, stage)
    sizes = [(folder / file).stat().st_size for file in files]
    for file, size in zip(files, sizes, strict=True):
        typer.echo(f"{size / 1000:10.1f} kB  {file}")
    typer.echo(f"{sum(sizes) / 1000:10.1f} kB  in {len(files)} files of {folder.resolve()}")
    if not dry_run:
        bundle.push(folder, leap_arguments or [])


def main() -> None:
    """Run the command line; the entry point of the `armscope` script."""
    warnings.showwarning = _show_warning
    try:
        app(prog_name="armscope")
    except OSError as error:
        # The system's own words come with a number that helps nobody.
        named = error.strerror and error.filename is not None
        _mendable(f"{error.filename}: {error.strerror}" if named else error)
    except (ValueError, TypeError, ImportError, RuntimeError) as error:
        if not _raised_by_us(error.__traceback__):
            raise
        _mendable(error)


def _mendable(error: BaseException | str) -> None:
    sys.stderr.write(f"armscope: {error}\n")
    sys.exit(2)


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Show a warning of ours as one line, another's not at all: it speaks to programmers."""
    if category is UserWarning:
        sys.stderr.write(f"armscope: warning: {message}\n")


def _raised_by_us(traceback: TracebackType | None) -> bool:
    """Whether the innermost frame is a `raise` of this project, hence a message meant for the user."""
    file = None
    while traceback is not None:
        file, traceback = Path(traceback.tb_frame.f_code.co_filename), traceback.tb_next
    return file is not None and any(file.is_relative_to(_HOUSE / package) for package in _PACKAGES)
