"""Which training samples can be dropped without the model losing anything, and the check that shows it.

Importing this package imports none of its libraries: names are resolved on first use.
"""

from importlib import import_module

_HOME = {
    "Choice": "choice",
    "STRATEGIES": "keeping",
    "Pruning": "decisions",
    "check_pruning": "check",
    "choose": "keeping",
    "prune": "decisions",
    "prune_by_steps": "steps",
    "select_to_keep": "keeping",
}
__all__ = [
    "STRATEGIES",
    "Choice",
    "Pruning",
    "check_pruning",
    "choose",
    "prune",
    "prune_by_steps",
    "select_to_keep",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'latent_space.pruning' has no attribute {name!r}")
    return getattr(import_module(f"latent_space.pruning.{_HOME[name]}"), name)
