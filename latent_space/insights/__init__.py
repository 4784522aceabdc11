"""Where and why a model fails, and what is wrong with the data: each finding with size, severity and evidence.

Importing this package imports none of its libraries: names are resolved on first use.
"""

from latent_space.lazy_names import lazy_names

_HOME = {
    "Insight": "insight",
    "Insights": "insight",
    "Slice": "slices",
    "add_insights": "finding",
    "find_insights": "finding",
    "find_near_duplicates": "duplicates",
    "find_slices": "slices",
    "read_insights": "insight",
    "sentences": "insight",
    "write_insights": "insight",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)
