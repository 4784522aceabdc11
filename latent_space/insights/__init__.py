"""Where and why a model fails, and what is wrong with the data: each finding with size, severity and evidence.

Importing this package imports none of its libraries: names are resolved on first use.
"""

from importlib import import_module

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
__all__ = [
    "Insight",
    "Insights",
    "Slice",
    "add_insights",
    "find_insights",
    "find_near_duplicates",
    "find_slices",
    "read_insights",
    "sentences",
    "write_insights",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'latent_space.insights' has no attribute {name!r}")
    return getattr(import_module(f"latent_space.insights.{_HOME[name]}"), name)
