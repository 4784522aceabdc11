"""The detectors by name. A new one is a class and a line here.

**Conventions**: a name stands for `module:Class`, imported when it is asked for, so that `pca` needs no torch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any, Literal, get_args, get_origin

from anomaly_detection.base import Detector

_HOME = {
    "pca": "pca:PCADetector",
    "multiscale": "multiscale:MultiscaleDetector",
    "knn": "knn:KNNDetector",
    "autoencoder": "autoencoder:AutoencoderDetector",
    "vae": "autoencoder:VAEDetector",
    "tcn": "sequence:TCNDetector",
    "lstm": "sequence:LSTMDetector",
}


class _Detectors(Mapping[str, type[Detector]]):
    """Name -> class, imported on first use."""

    def __getitem__(self, name: str) -> type[Detector]:
        if name not in _HOME:
            raise KeyError(name)
        module, _, attribute = _HOME[name].partition(":")
        try:
            found: type[Detector] = getattr(import_module(f"anomaly_detection.{module}"), attribute)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("anomaly_detection"):
                raise
            raise ImportError(f"{name} needs {error.name}; install it with: pip install 'armscope[train]'") from error
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_HOME)

    def __len__(self) -> int:
        return len(_HOME)


DETECTORS: Mapping[str, type[Detector]] = _Detectors()


def make_detector(name: str, **settings: Any) -> Detector:
    """Make a detector by its name.

    Raises
    ------
    ValueError
        If there is no such detector, or it has no such setting.

    Examples
    --------
    >>> make_detector("pca", n_components=3).settings["n_components"]
    3
    """
    if name not in _HOME:
        raise ValueError(f"name must be one of {', '.join(DETECTORS)}; got {name!r}.")
    detector = DETECTORS[name]
    known = [f.name for f in fields(detector) if f.init]
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(f"{name} has no setting {', '.join(unknown)}; it has {', '.join(known)}.")
    return detector(**settings)


def describe_settings(detector: Detector) -> list[str]:
    """Describe the settings of a detector as `armscope anomaly train --set` takes them, with what else they may be.

    Examples
    --------
    >>> describe_settings(make_detector("pca"))[5:7]
    ['statistic=q  (q, t2, combined)', 'scaling=standard  (standard, minmax, robust)']
    """
    lines = []
    for setting in (f for f in fields(detector) if f.init):
        others = f"  ({kinds})" if (kinds := _kinds(setting.type)) else ""
        lines.append(f"{setting.name}={_as_text(getattr(detector, setting.name))}{others}")
    return lines


def _as_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _kinds(kind: Any) -> str:
    """Name the values that a type allows: all of few, or the one that is no number."""
    if get_origin(kind) is Literal:
        return ", ".join(map(str, get_args(kind)))
    if kind is bool:
        return "true, false"
    return "or none" if type(None) in get_args(kind) else ""
