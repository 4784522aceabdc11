"""What was repaired while a table was read, counted: a bad cell is set right and told, never passed over in silence.

**Conventions**: a repair is a sentence with the places ``{n}`` (how many) and ``{s}`` (the plural's s); equal sentences
add up, file by file. No repairs give no sentences.
"""

from collections import Counter
from collections.abc import Sequence

_NAMED_FILES = 5
_NAMED_COLUMNS = 8

# Used by both the whole reading and the reading in chunks.
INFINITE = "{n} infinite cell{s} of channel {column!r} counted as missing"
TEXT = "{n} cell{s} of text in channel {column!r} counted as missing"
TRUTHS = "true and false of channel {column!r} read as 1 and 0"
MISSING = "{n} missing cell{s} filled with the last value of the channel"
LEADING = "{n} missing cell{s} before a channel's first value filled with that first value"
OFFSET = "times with an offset from UTC are given as UTC"
NO_TIME = "{n} row{s} without a readable timestamp"
NO_MACHINE = "{n} row{s} without a machine"
PAUSES = "{n} pause{s} longer than {limit} s: a new series starts after each"


class RepairLog:
    """Counts repairs while a table is read.

    Examples
    --------
    >>> log = RepairLog()
    >>> log.add("{n} row{s} with a duplicate timestamp left out", 2, "a.csv")
    >>> log.add("{n} row{s} with a duplicate timestamp left out", 1, "b.csv")
    >>> log.sentences()
    ('3 rows with a duplicate timestamp left out (a.csv: 2, b.csv: 1).',)
    """

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._examples: dict[str, str] = {}

    def add(self, sentence: str, n: int = 1, file: str = "", *, example: str | None = None) -> None:
        """Count `n` repairs of one kind in one file (none leave no trace); the first `example` is told."""
        if n > 0:
            self._counts.setdefault(sentence, Counter())[file] += n
            if example is not None:
                self._examples.setdefault(sentence, example)

    def total(self, sentence: str) -> int:
        """Return how many repairs of one kind there were."""
        return sum(self._counts.get(sentence, Counter()).values())

    def counts(self) -> dict[str, int]:
        """Return how many repairs of each kind there were."""
        return {sentence: self.total(sentence) for sentence in self._counts}

    def sentences(self) -> tuple[str, ...]:
        """Return one readable sentence for each kind, in the order of their first occurrence."""
        return tuple(_sentence(text, files, self._examples.get(text)) for text, files in self._counts.items())


def repair_text(sentence: str, **values: object) -> str:
    """Fill the places of a sentence but its count, whatever characters the values hold.

    Examples
    --------
    >>> repair_text(INFINITE, column="x{}")
    "{n} infinite cell{s} of channel 'x{{}}' counted as missing"
    """
    for name, value in values.items():
        text = repr(value) if f"{{{name}!r}}" in sentence else str(value)
        text = text.replace("{", "{{").replace("}", "}}")
        sentence = sentence.replace(f"{{{name}!r}}", text).replace(f"{{{name}}}", text)
    return sentence


def counted(n: int, what: str) -> str:
    """Say how many there are.

    Examples
    --------
    >>> counted(1, "row"), counted(20000, "row")
    ('1 row', '20,000 rows')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """Name columns, the first few where they are many.

    Examples
    --------
    >>> listed(["x", "y"]), listed("abcdefghij")
    ('x, y', 'a, b, c, d, e, f, g, h and 2 more')
    """
    more = len(names) - _NAMED_COLUMNS
    return ", ".join(names[:_NAMED_COLUMNS]) + (f" and {more} more" if more > 0 else "")


def _sentence(text: str, files: Counter[str], example: str | None) -> str:
    n = sum(files.values())
    body = text.format(n=n, s="" if n == 1 else "s") + ("" if example is None else f", first {example}")
    named = [(name, count) for name, count in files.items() if name]
    if not named:
        return f"{body}."
    if len(named) == 1:
        return f"{body} ({named[0][0]})."
    shown = ", ".join(f"{name}: {count}" for name, count in named[:_NAMED_FILES])
    more = f", and {len(named) - _NAMED_FILES} more files" if len(named) > _NAMED_FILES else ""
    return f"{body} ({shown}{more})."
