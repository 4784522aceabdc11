"""The anomaly task's settings, checked once.

**Conventions**: sizes in rows, paths absolute. What a model's own `detector.json` says wins over `kind`, `window_size`,
`channels`, `threshold` and `n_latents`; they are for places where the binder has no such file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from anomaly_detection.base import Kind
from anomaly_detection.parts import DEFAULT_RATIOS, FILES
from anomaly_detection.splits import check_ratios
from latent_space.settings import Settings, load_settings

_PATHS = ("data", "model")


@dataclass(frozen=True)
class AnomalyConfig:
    """What `settings.yaml` says under `anomaly`; see the comments there for each field."""

    data: Path
    model: Path
    read: Mapping[str, Any] = field(default_factory=dict)
    fractions: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_RATIOS))
    stride: int | None = None
    context: int = 60
    max_samples: Mapping[str, int | None] = field(default_factory=dict)
    kind: Kind = "reconstruction"
    window_size: int = 1
    channels: tuple[str, ...] | None = None
    threshold: float | None = None
    n_latents: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"anomaly.kind must be one of {', '.join(get_args(Kind))}; got {self.kind!r}.")
        for name in ("context", "window_size", "n_latents"):
            _check_count(f"anomaly.{name}", getattr(self, name))
        if self.stride is not None:
            _check_count("anomaly.stride", self.stride)
        unknown = sorted(set(self.max_samples) - set(FILES))
        if unknown:
            raise ValueError(f"anomaly.max_samples must name {', '.join(FILES)}; got {unknown[0]!r}.")
        for split, limit in self.max_samples.items():
            if limit is not None:
                _check_count(f"anomaly.max_samples.{split}", limit)
        check_ratios(self.fractions, tuple(FILES), told="anomaly.fractions.{}")


def load_config(settings: Settings | None = None) -> AnomalyConfig:
    """Read the task's section of `settings.yaml`, or of the given `settings`.

    Raises
    ------
    ValueError
        If a key is unknown or a value is outside its range; the message names it.
    """
    settings = settings or load_settings()
    known = {f.name for f in fields(AnomalyConfig)} - {"seed"}
    unknown = sorted(set(settings.section) - known)
    if unknown:
        raise ValueError(
            f"settings.yaml has an unknown key anomaly.{unknown[0]}; known are {', '.join(sorted(known))}."
        )
    values: dict[str, Any] = {k: v for k, v in settings.section.items() if v is not None}
    missing = [key for key in _PATHS if key not in values]
    if missing:
        raise ValueError(f"anomaly.{missing[0]} must be a path in settings.yaml; got none.")
    values |= {key: settings.path(key) for key in _PATHS}
    if "channels" in values:
        values["channels"] = tuple(str(name) for name in values["channels"])
    return AnomalyConfig(seed=settings.seed, **values)


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1; got {value!r}.")
