"""Any integration -> latents -> decisions. Knows nothing of totes or sensors.

Importing this package imports none of its libraries: names are resolved on first use, so that the platform's bundle,
which needs `latent_space.settings` alone, stays small.
"""

from latent_space.lazy_names import lazy_names

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
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)
