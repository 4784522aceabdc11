"""Networks and the state of a training on disk, and back.

**Conventions**: a checkpoint holds tensors and plain Python values only and is read with `weights_only=True`, so that a
file from someone else cannot run code. Files appear in one step: an interruption leaves the previous one.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch

from armbench_segmentation.training.network import Width, YoloSeg

_FORMAT = 1
Anchors = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Architecture:
    """What a network is before its weights: enough to build it again.

    Attributes
    ----------
    categories : tuple of str
        A name per class.
    width : "n" or "s"
    anchors : three rows of three width, height pairs
        Pixels of the input.
    image_size : int
        Side of the input, pixels.
    """

    categories: tuple[str, ...]
    width: Width
    anchors: Anchors
    image_size: int

    def build(self, *, seed: int = 0) -> YoloSeg:
        """Make the network with fresh weights; torch's global random state stays as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return YoloSeg(len(self.categories), self.width, self.anchors, image_size=self.image_size)

    def to_plain(self) -> dict[str, Any]:
        """As lists, numbers and strings."""
        return {
            "categories": list(self.categories),
            "width": self.width,
            "anchors": [list(row) for row in self.anchors],
            "image_size": self.image_size,
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Architecture":
        """Undo `to_plain`."""
        anchors = tuple(tuple(row) for row in plain["anchors"])
        return cls(tuple(plain["categories"]), plain["width"], anchors, plain["image_size"])


def save_checkpoint(path: Path, architecture: Architecture, state: dict[str, Any]) -> None:
    """Write the architecture and `state`, made of tensors and plain values, in one step."""
    draft = path.with_name(path.name + ".part")
    try:
        torch.save({"format": _FORMAT, "architecture": architecture.to_plain(), **state}, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> tuple[Architecture, dict[str, Any]]:
    """Read what `save_checkpoint` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No checkpoint at {path}.")
    if not is_zipfile(path):
        raise ValueError(f"{path} must be a checkpoint of this program; it is no zip archive.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} must be a checkpoint of this program: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f"{path} must be a checkpoint of this program in format {_FORMAT}.")
    return Architecture.from_plain(content["architecture"]), content


def load_network(path: Path) -> tuple[YoloSeg, Architecture]:
    """Build the network of a `best.pth`, in evaluation mode.

    Raises
    ------
    FileNotFoundError, ValueError
        As `load_checkpoint`.
    """
    architecture, content = load_checkpoint(path)
    network = architecture.build()
    network.load_state_dict(content["network"])
    return network.eval(), architecture
