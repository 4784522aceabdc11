"""The segmentation task: totes, the model that sees their objects, and how it fails.

Importing this package imports none of its modules: names are resolved on first use.
"""

from importlib import import_module

_HOME = {
    "Instances": "instances",
    "decode_predictions": "decode",
    "evaluate": "evaluation",
    "load_coco": "dataset",
    "match_instances": "matching",
}
__all__ = ["Instances", "decode_predictions", "evaluate", "load_coco", "match_instances"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'armbench_segmentation' has no attribute {name!r}")
    return getattr(import_module(f"armbench_segmentation.{_HOME[name]}"), name)
