"""The anomaly task: sensor series, the detectors that watch them, and how those fail.

Importing this package imports none of its modules: names are resolved on first use.
"""

from latent_space.lazy_names import lazy_names

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
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)
