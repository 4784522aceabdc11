"""The latent spaces that an integration registers itself: which one is used, how each becomes a vector per sample.

**Conventions**: the space with ``use_ls_for_analysis`` comes first, then the others by name, as the platform numbers
them. A space that reads a ground truth has no vector for unlabelled samples, so it is not used where there are any.
Reductions are the integration's: the mean over all but the channels, or a seeded Gaussian projection.
"""

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.engine.encoding import UNLABELED
from latent_space.engine.failures import HandlerError
from latent_space.engine.integration import Integration

Vector = npt.NDArray[np.float32]


def usable_space(integration: Integration) -> str | None:
    """Name the registered space that can serve all samples, or None."""
    reads_gt = {call.registered for call in integration.wiring.of("latent space") if call.reads_gt}
    wired = {call.registered for call in integration.wiring.of("latent space")}
    has_unlabeled = UNLABELED in integration.responses
    spaces = [
        handler
        for handler in integration.setup.custom_latent_spaces.values()
        if not handler.instance_aware
        and (handler.computed_at.value == "dataset" or handler.name in wired)
        and not (has_unlabeled and handler.name in reads_gt)
    ]
    ranked = sorted(spaces, key=lambda handler: (not handler.use_ls_for_analysis, handler.name))
    return ranked[0].name if ranked else None


def to_vector(handler: Any, array: npt.NDArray[Any], seed: int, *, has_batch_axis: bool) -> Vector:
    """Reduce one sample's array as the space's registration says.

    Parameters
    ----------
    handler : code_loader CustomLatentSpaceHandler
    array : array
        Of one sample, without batch axis.
    seed : int
        Of the random projection.
    has_batch_axis : bool
        Whether `channel_axis` counts the batch (spaces computed from the model's tensors).

    Raises
    ------
    HandlerError
        If a value is not finite, or there is no such axis.
    """
    title = f"latent space {handler.name!r}"
    array = np.asarray(array, np.float64)
    if not np.isfinite(array).all():
        raise HandlerError(title, "must return finite numbers; got NaN or infinity")
    reduce = handler.reduce.value if handler.reduce is not None else None
    if reduce == "MEAN_POOL":
        axis = handler.channel_axis - (has_batch_axis and handler.channel_axis > 0)
        if not -array.ndim <= axis < array.ndim:
            raise HandlerError(title, f"must have an axis {handler.channel_axis} to pool by; got shape {array.shape}")
        array = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1).mean(1)
    elif reduce == "RANDOM_PROJECTION":
        array = array.ravel() @ _projection(prod(array.shape), handler.n_components, seed)
    return array.ravel().astype(np.float32)


@lru_cache(maxsize=4)
def _projection(n_features: int, n_components: int, seed: int) -> npt.NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    return np.asarray(generator.standard_normal((n_features, n_components)) / np.sqrt(n_components), np.float64)
