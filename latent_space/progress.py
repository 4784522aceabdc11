"""Progress bars for long work: on a terminal they move, elsewhere they are silent.

**Conventions**: bars go to standard error, so that what a command prints stays clean for pipes.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")


def track(items: Iterable[T], description: str, *, total: int | None = None) -> Iterator[T]:
    """Yield `items` while a bar on standard error shows how many are done.

    Parameters
    ----------
    items : iterable
        What to go through.
    description : str
        Shown left of the bar.
    total : int, optional
        Number of items, where ``len(items)`` is not available.

    Examples
    --------
    >>> sum(track([1, 2, 3], "adding"))
    6
    """
    with _bar() as progress:
        yield from progress.track(items, total=total, description=description)


@contextmanager
def working(description: str) -> Iterator[None]:
    """Show a bar on standard error while one piece of work is done."""
    with _bar() as progress:
        task = progress.add_task(description, total=1)
        yield
        progress.advance(task)


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)
