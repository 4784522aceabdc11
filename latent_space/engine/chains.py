"""Autoregressive integrations: drive the chain hook -> model -> hook until the hook ends it, then score the chain.

**Conventions**: the hook sees unbatched arrays; the model's outputs are named by the declared prediction types.
Metrics, losses and visualizers of a chain take the final step's `inputs`, `outputs` and `state`, and ground truths,
without batch axis. The latent vector is the last step's, or the mean over all steps, as the integration says.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.engine.calls import Values, per_sample
from latent_space.engine.encoding import Encoded
from latent_space.engine.failures import HandlerError, calling
from latent_space.engine.integration import Integration
from latent_space.engine.latents import LatentTensor
from latent_space.engine.model import Model
from latent_space.engine.wiring import Call

Array = npt.NDArray[Any]
MAX_STEPS = 1000
_STEP = "the autoregressive step"


@dataclass(frozen=True)
class Chain:
    """A finished chain.

    Attributes
    ----------
    inputs, outputs : dict of arrays
        Of the final step.
    state : Any
        As the hook's last call returned it.
    features : (n_features,) array, optional
        The latent vector.
    """

    inputs: dict[str, Array]
    outputs: dict[str, Array]
    state: Any
    features: npt.NDArray[np.float32] | None

    @property
    def output_list(self) -> list[Array]:
        """Outputs in the model's order."""
        return list(self.outputs.values())


def run_chain(integration: Integration, model: Model, split: str, sample: Encoded) -> Chain:
    """Run one sample's chain to its end.

    Raises
    ------
    HandlerError
        If the hook or the model fails, or the chain does not end.
    """
    names = [prediction.name for prediction in integration.setup.prediction_types]
    state = integration.state(split)
    vectors: list[npt.NDArray[np.float32]] = []
    inputs: dict[str, Array] | None = None
    outputs: dict[str, Array] | None = None
    memory: Any = None
    for _ in range(MAX_STEPS):
        with calling(_STEP):
            following, memory = integration.loader.run_autoregressive_step(
                sample.sample_id, inputs, outputs, memory, state
            )
        if following is None:
            return Chain(inputs or {}, outputs or {}, memory, _aggregate(integration, vectors))
        inputs = following
        with calling("the model"):
            prediction = model.predict([[inputs[name] for name in integration.wiring.model_inputs]])[0]
            outputs = dict(zip(names, prediction.outputs, strict=True))
        if prediction.features is not None and isinstance(model.latent, LatentTensor):
            vectors.append(model.latent.pool(prediction.features))
    raise HandlerError(_STEP, f"did not end the chain within {MAX_STEPS} steps")


def _aggregate(integration: Integration, vectors: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32] | None:
    if not vectors:
        return None
    if integration.setup.autoregressive_step.latent_space_aggregation == "mean":
        return np.asarray(np.mean(vectors, axis=0, dtype=np.float64), np.float32)
    return vectors[-1]


def evaluate_chain(call: Call, sample: Encoded, chain: Chain) -> Values | HandlerError:
    """Run a chain's metric or loss and give its values by column."""
    try:
        return per_sample(call, call_on_chain(call, sample, chain), 1)[0]
    except HandlerError as error:
        return error


def call_on_chain(call: Call, sample: Encoded, chain: Chain) -> Any:
    """Call a chain's handler with the arguments it declares.

    Raises
    ------
    HandlerError
        If it fails.
    """
    import inspect

    known = {"inputs": chain.inputs, "outputs": chain.outputs, "state": chain.state}
    wired = {name: sample.gt[str(source.key)] for name, source in call.arguments.items()}
    wanted = [name for name in inspect.signature(call.function).parameters if name in known]
    with calling(call.title):
        return call.function(**{name: known[name] for name in wanted}, **wired)
