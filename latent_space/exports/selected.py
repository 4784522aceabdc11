"""What a format's writer gets: the samples of a selection, ready to be written."""

from dataclasses import dataclass

from latent_space.exports.entries import Entry


@dataclass(frozen=True)
class Selected:
    """Pictures, in the order of the selection.

    Attributes
    ----------
    entries : tuple of Entry
    labels : tuple of str
        Of all objects of the run, sorted.
    """

    entries: tuple[Entry, ...]
    labels: tuple[str, ...]
