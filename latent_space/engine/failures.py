"""What can go wrong inside an integration, and how it is told: one line that names the function and the sample.

**Conventions**: a handler is any function that the integration registered. What it raises is turned into a
`HandlerError` where it is called; the engine counts failures per sample, and makes an `IntegrationError` of those
that leave nothing to work with.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class IntegrationError(RuntimeError):
    """The integration cannot be run; the message is one line for its author."""


class HandlerError(Exception):
    """One handler failed on one or more samples.

    Attributes
    ----------
    function : str
        Kind and name of the handler, such as ``metric 'accuracy'``.
    reason : str
        One line: the error and where in the integration it was raised.
    """

    def __init__(self, function: str, reason: str) -> None:
        super().__init__(f"{function}: {reason}")
        self.function = function
        self.reason = reason


@contextmanager
def calling(function: str) -> Iterator[None]:
    """Turn whatever the integration's code raises, `SystemExit` included, into a `HandlerError`."""
    try:
        yield
    except HandlerError:
        raise
    except (Exception, SystemExit) as error:
        raise HandlerError(function, describe(error)) from error


def describe(error: BaseException) -> str:
    """Tell an error in one line: kind, message, and the innermost place outside of libraries."""
    message = " ".join(str(error).split())
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and not Path(frame.filename).is_relative_to(Path(__file__).parents[1])
    ]
    if not frames or frames[-1].filename.startswith("<"):
        return text
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno}, in {frames[-1].name})"
