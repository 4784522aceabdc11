"""Call an integration's metrics, losses, visualizers and latent spaces as the platform does.

**Conventions**: metrics, losses and latent spaces get batches, never of two splits, and float16 where the values fit
(the platform stores tensors so); visualizers get one sample with a batch axis of 1 in full precision. Each handler
gets its own copy of the tensors. What cannot be stacked is given one sample at a time, and so is what returns one value
for a whole batch, with one warning each; so is a batch on which a handler fails, to find the sample that is to blame.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.engine.encoding import UNLABELED, Encoded
from latent_space.engine.failures import HandlerError, calling
from latent_space.engine.integration import SampleId
from latent_space.engine.wiring import Call, Source

Array = npt.NDArray[Any]
Values = dict[str, Any]
_FLOAT16_MAX = 65504.0
FAILS_ON_BATCH = "fails on a batch"


@dataclass
class Batch:
    """Samples of one split with the model's outputs.

    Attributes
    ----------
    split : str
    response : code_loader PreprocessResponse
    samples : list of Encoded
    outputs : list of list of arrays
        Per sample, per output of the model, without batch axis.
    """

    split: str
    response: Any
    samples: list[Encoded]
    outputs: list[list[Array]]
    _stacked: dict[Source, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def sample_ids(self) -> list[SampleId]:
        """Ids of the samples."""
        return [sample.sample_id for sample in self.samples]

    def rows(self, source: Source) -> list[Array]:
        """One array per sample, as encoded or predicted."""
        if source.kind == "prediction":
            return [outputs[int(source.key)] for outputs in self.outputs]
        return [(sample.inputs if source.kind == "input" else sample.gt)[str(source.key)] for sample in self.samples]

    def can_stack(self, call: Call) -> bool:
        """Whether all arguments of a call have the same shape in every sample."""
        return all(len({row.shape for row in self.rows(source)}) == 1 for source in call.arguments.values())

    def arguments(self, call: Call) -> Values:
        """Stacked tensors for a call on the whole batch, at the platform's precision."""
        values: Values = {}
        for name, source in call.arguments.items():
            if source not in self._stacked:
                self._stacked[source] = as_stored(np.stack(self.rows(source)))
            values[name] = self._stacked[source].copy()
        return values | self._response(call, self.sample_ids)

    def arguments_of_one(self, call: Call, row: int, *, stored: bool) -> Values:
        """Tensors of one sample with a batch axis of 1."""
        values = {name: self.rows(source)[row][None].copy() for name, source in call.arguments.items()}
        if stored:
            values = {name: as_stored(value) for name, value in values.items()}
        return values | self._response(call, [self.samples[row].sample_id])

    def _response(self, call: Call, sample_ids: list[SampleId]) -> Values:
        if call.response_argument is None:
            return {}
        from code_loader.contract.datasetclasses import SamplePreprocessResponse

        return {call.response_argument: SamplePreprocessResponse(np.array(sample_ids), self.response)}


def as_stored(array: Array) -> Array:
    """Bring a tensor to the precision at which the platform stores it.

    The same bytes as code-loader's `simulate_engine_float16_downcast`: float16 for floats that all fit, else as it is.
    numpy takes up to a hundred times as long for float32, more than many a model, for numbers below 6e-5.
    """
    import cv2
    from code_loader.utils import is_engine_float16_simulation_disabled, simulate_engine_float16_downcast

    if array.dtype != np.float32 or not array.size or is_engine_float16_simulation_disabled():
        return np.asarray(simulate_engine_float16_downcast(array))
    if not max(float(array.max()), -float(array.min())) <= _FLOAT16_MAX:
        return array
    halves = cv2.convertFp16(np.ascontiguousarray(array).reshape(1, -1))
    return np.asarray(halves).view(np.float16).reshape(array.shape)


def is_skipped(call: Call, split: str) -> bool:
    """Whether a call needs a ground truth that the split does not have."""
    return split == UNLABELED and call.reads_gt


class Evaluator:
    """Calls batch handlers and gives one dict of values per sample.

    Attributes
    ----------
    warnings : list of str
        One line per handler that had to be run one sample at a time.
    """

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._alone: set[str] = set()
        self._told: set[str] = set()

    def evaluate(self, call: Call, batch: Batch) -> list[Values | HandlerError]:
        """Run a metric or loss on every sample of a batch.

        Returns
        -------
        list
            Per sample, a dict of column -> number or list of confusion elements, or the failure.
        """
        if len(batch) > 1 and call.title not in self._alone:
            whole = self._on_batch(call, batch)
            if whole is not None:
                return list(whole)
        return [self._on_one(call, batch, row) for row in range(len(batch))]

    def _on_batch(self, call: Call, batch: Batch) -> Sequence[Values | HandlerError] | None:
        if not batch.can_stack(call):
            self._run_alone(call, "reads arrays of different shapes, which cannot be stacked")
            return None
        try:
            with calling(call.title):
                result = call.function(**batch.arguments(call))
        except HandlerError as error:
            return self._one_by_one(call, batch, error)
        try:
            return per_sample(call, result, len(batch))
        except HandlerError:
            self._run_alone(call, "does not return one value per sample of its batch")
            return None

    def _one_by_one(self, call: Call, batch: Batch, error: HandlerError) -> list[Values | HandlerError]:
        """Find the samples that make a batch fail; where there is none, the handler fails on batches, say so."""
        results = [self._on_one(call, batch, row) for row in range(len(batch))]
        if call.title not in self._told and not any(isinstance(result, HandlerError) for result in results):
            self._told.add(call.title)
            self.warnings.append(f"{call.title} {FAILS_ON_BATCH} ({error.reason}): it is run one sample at a time.")
        return results

    def _on_one(self, call: Call, batch: Batch, row: int) -> Values | HandlerError:
        try:
            with calling(call.title):
                result = call.function(**batch.arguments_of_one(call, row, stored=True))
            return per_sample(call, result, 1)[0]
        except HandlerError as error:
            return error

    def _run_alone(self, call: Call, why: str) -> None:
        self._alone.add(call.title)
        self.warnings.append(f"{call.title} {why}: it is run one sample at a time.")


def per_sample(call: Call, result: Any, n: int) -> list[Values]:
    """Split a handler's result into one dict per sample.

    Raises
    ------
    HandlerError
        If it does not hold one value per sample.
    """
    prefix = "" if call.name == call.registered else f"{call.name}_"
    columns = (
        {f"{prefix}{key}": value for key, value in result.items()} if isinstance(result, dict) else {call.name: result}
    )
    lists = {name: _values(call, value, n) for name, value in columns.items()}
    return [{name: values[row] for name, values in lists.items()} for row in range(n)]


def _values(call: Call, result: Any, n: int) -> Sequence[Any]:
    if isinstance(result, list) and result and all(isinstance(item, list) for item in result):
        if len(result) == n and all(hasattr(element, "expected_outcome") for item in result for element in item):
            return result
        raise HandlerError(call.title, f"must return a list of confusion elements per sample, {n}; got {len(result)}")
    if isinstance(result, list | tuple):
        result = [np.nan if value is None else value for value in result]
    with calling(call.title):
        array = np.asarray(result, np.float64)
    if array.shape == () and n == 1:
        array = array[None]
    if array.shape != (n,):
        raise HandlerError(call.title, f"must return one value per sample, ({n},); got shape {array.shape}")
    return [float(value) for value in array]
