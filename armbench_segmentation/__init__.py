"""The segmentation task: totes, the model that sees their objects, and how it fails.

Importing this package imports none of its modules: names are resolved on first use.
"""

from latent_space.lazy_names import lazy_names

_HOME = {
    "Instances": "instances",
    "decode_predictions": "decode",
    "evaluate": "evaluation",
    "load_coco": "dataset",
    "match_instances": "matching",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)
