"""The anomaly task: sensor series, the detectors that watch them, and how those fail.

Importing this package imports none of its modules: names are resolved on first use.
"""

from importlib import import_module

_HOME = {
    "DETECTORS": "registry",
    "add_feature_engineering": "features",
    "evaluate_scores": "evaluation",
    "load_detector": "stored",
    "make_detector": "registry",
    "read_series": "series",
    "simulate_arm": "simulation",
    "simulate_rig": "simulation",
}
__all__ = [
    "DETECTORS",
    "add_feature_engineering",
    "evaluate_scores",
    "load_detector",
    "make_detector",
    "read_series",
    "simulate_arm",
    "simulate_rig",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'anomaly_detection' has no attribute {name!r}")
    return getattr(import_module(f"anomaly_detection.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
