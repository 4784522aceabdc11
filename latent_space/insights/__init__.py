"""Where and why a model fails, and what is wrong with the data: each finding with size, severity and evidence.

Importing this package imports none of its libraries: names are resolved on first use.
"""

from importlib import import_module

_HOME = {"find_near_duplicates": "duplicates"}
__all__ = ["find_near_duplicates"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'latent_space.insights' has no attribute {name!r}")
    return getattr(import_module(f"latent_space.insights.{_HOME[name]}"), name)
