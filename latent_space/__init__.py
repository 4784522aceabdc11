"""Any integration -> latents -> decisions. Knows nothing of totes or sensors.

Importing this package imports none of its libraries: names are resolved on first use, so that the platform's bundle,
which needs `latent_space.settings` alone, stays small.
"""

from importlib import import_module

_HOME = {
    "Population": "population",
    "build_graph": "neighbors",
    "project": "projection",
    "map_quality": "projection_quality",
    "place": "placement",
    "explore": "engine.exploration",
    "find_near_duplicates": "insights.duplicates",
    "find_slices": "insights.slices",
    "predict_error": "labelling",
    "select_for_labelling": "labelling",
    "select_to_keep": "pruning",
}
__all__ = [
    "Population",
    "build_graph",
    "explore",
    "find_near_duplicates",
    "find_slices",
    "map_quality",
    "place",
    "predict_error",
    "project",
    "select_for_labelling",
    "select_to_keep",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'latent_space' has no attribute {name!r}")
    return getattr(import_module(f"latent_space.{_HOME[name]}"), name)
