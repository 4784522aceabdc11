"""Which training samples can be dropped without the model losing anything, and the check that shows it.

Importing this package imports none of its libraries: names are resolved on first use.
"""

from latent_space.lazy_names import lazy_names

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
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)
