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

    @property
    def has_outlines(self) -> bool:
        """Whether an outline is known of any object."""
        return any(box.outline for entry in self.entries for box in entry.boxes)
