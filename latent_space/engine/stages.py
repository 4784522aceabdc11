"""Run a chunk of an integration's samples, from encoders to pictures, in the platform's order.

Encoders and metadata, then the model, metrics and losses in batches, latent vectors, objects, and visualizers one
sample at a time. Only a batch is held in memory.

**Conventions**: a sample on which any handler fails is set aside with the handler and the reason, and the others go on.
The loss is the sum of all wired losses; without a ground truth that one of them needs it is absent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from latent_space.engine.calls import Batch, Evaluator, Values, is_skipped
from latent_space.engine.chains import Chain, call_on_chain, evaluate_chain, run_chain
from latent_space.engine.chunks import Chunk, Plan, Task
from latent_space.engine.encoding import Encoded, encode
from latent_space.engine.failures import HandlerError, IntegrationError, calling
from latent_space.engine.integration import SampleId
from latent_space.engine.objects import described_rows, element_rows, object_vectors
from latent_space.engine.pictures import encode_picture, file_name, picture, picture_of_input
from latent_space.engine.session import MODEL, Session
from latent_space.engine.spaces import to_vector
from latent_space.engine.wiring import Call

Array = npt.NDArray[Any]
Vector = npt.NDArray[np.float32]


@lru_cache(maxsize=1)
def open_session(plan: Plan) -> Session:
    """Open the integration of a plan; a process can hold one."""
    return Session(plan)


def run_chunk(plan: Plan, task: Task) -> Chunk:
    """Run a task: the same result in any process, in any order, beside any other."""
    return ChunkRun(open_session(plan), task).run()


@dataclass(eq=False)
class _Work:
    """A sample on its way through the stages."""

    sample: Encoded
    outputs: list[Array] = field(default_factory=list)
    features: Array | None = None
    chain: Chain | None = None
    values: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    vectors: dict[str, Vector] = field(default_factory=dict)
    latent: Vector = field(default_factory=lambda: np.zeros(0, np.float32))
    objects: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    thumbnail: str | None = None


class ChunkRun:
    """The run of one task.

    Parameters
    ----------
    session : Session
    task : Task
    """

    def __init__(self, session: Session, task: Task) -> None:
        self.session = session
        self.task = task
        self.split = task.split
        self.wiring = session.integration.wiring
        self.chunk = Chunk()
        self.evaluator = Evaluator()
        self.works: list[_Work] = []
        self._batch: Batch | None = None

    def run(self) -> Chunk:
        """Run all stages on one batch after the other."""
        ids, size = self.task.sample_ids, self.session.batch_size
        for start in range(0, len(ids), size):
            self._predict(ids[start : start + size])
            self._score()
            self._each_row(self._read_latents)
            if self.session.has_objects:
                self._each_row(self._describe_objects)
            self._each_row(self._draw)
            for work in self.works:
                self._collect(work)
        self.chunk.warnings = self.evaluator.warnings
        return self.chunk

    @property
    def batch(self) -> Batch:
        """The samples that are still there, as a batch."""
        if self._batch is None or len(self._batch) != len(self.works):
            samples, outputs = [work.sample for work in self.works], [work.outputs for work in self.works]
            self._batch = Batch(self.split, self.session.integration.responses[self.split], samples, outputs)
        return self._batch

    def _fail(self, sample_id: SampleId, error: HandlerError) -> None:
        label = self.session.label(self.split, sample_id)
        failed = {"sample_id": label, "split": self.split, "function": error.function, "reason": error.reason}
        self.chunk.failed.append(failed)

    def _each_row(self, stage: Callable[[_Work, int], None]) -> None:
        """Run a stage on every sample; those on which it fails are gone afterwards."""
        alive = []
        for row, work in enumerate(self.works):
            try:
                stage(work, row)
                alive.append(work)
            except HandlerError as error:
                self._fail(work.sample.sample_id, error)
        self.works = alive

    def _predict(self, ids: Sequence[SampleId]) -> None:
        encoded, failed = encode(self.session.integration, self.split, ids)
        for sample_id, error in failed.items():
            self._fail(sample_id, error)
        works = {sample.sample_id: _Work(sample) for sample in encoded}
        size = self.session.model.batch_size
        self._batch = None
        self.works = [
            work
            for start in range(0, len(ids), size)
            for work in self._predict_block([works.get(sample_id) for sample_id in ids[start : start + size]])
        ]

    def _predict_block(self, block: list[_Work | None]) -> list[_Work]:
        """Run as many samples as the model takes at once; one that failed keeps its place in a fixed batch."""
        present = [work for work in block if work is not None]
        if not present:
            return []
        try:
            if self.session.is_chain:
                for work in present:
                    self._run_chain(work)
            else:
                self._run_model(block, present[0])
            return present
        except HandlerError as error:
            if len(present) == 1:
                self._fail(present[0].sample.sample_id, error)
                return []
            return [done for work in present for done in self._predict_block([work])]

    def _run_model(self, block: list[_Work | None], filler: _Work) -> None:
        names = self.wiring.model_inputs
        rows = [[(work or filler).sample.inputs[name] for name in names] for work in block]
        with calling(MODEL):
            predictions = self.session.model.predict(rows)
        for work, prediction in zip(block, predictions, strict=True):
            if work is not None:
                work.outputs, work.features = prediction.outputs, prediction.features

    def _run_chain(self, work: _Work) -> None:
        work.chain = run_chain(self.session.integration, self.session.model, self.split, work.sample)
        work.outputs, work.sample.inputs = work.chain.output_list, work.chain.inputs

    def _score(self) -> None:
        for call in self.wiring.of("metric", "loss"):
            if self.works and not is_skipped(call, self.split):
                results = iter(self._results(call))

                def take(work: _Work, row: int, call: Call = call, results: Any = results) -> None:
                    result = next(results)
                    if isinstance(result, HandlerError):
                        raise result
                    _add_values(work, call, result)

                self._each_row(take)

    def _results(self, call: Call) -> list[Values | HandlerError]:
        if self.session.is_chain:
            return [evaluate_chain(call, work.sample, work.chain) for work in self.works if work.chain is not None]
        return self.evaluator.evaluate(call, self.batch)

    def _read_latents(self, work: _Work, row: int) -> None:
        """Make the sample's latent vector, and one of each further space that the integration registers."""
        setup, seed = self.session.integration.setup, self.session.plan.seed
        for name, array in work.sample.spaces.items():
            work.vectors[name] = to_vector(setup.custom_latent_spaces[name], array, seed, has_batch_axis=False)
        for call in self.wiring.of("latent space"):
            if not is_skipped(call, self.split):
                with calling(call.title):
                    array = np.asarray(call.function(**self.batch.arguments_of_one(call, row, stored=True)))
                if array.ndim < 2 or len(array) != 1:
                    raise HandlerError(call.title, f"must return (batch, d) for a batch of 1; got {array.shape}")
                work.vectors[call.registered] = to_vector(call.handler, array[0], seed, has_batch_axis=True)
        work.latent = self._latent(work)
        if not np.isfinite(work.latent).all():
            raise HandlerError(MODEL, "gave a latent vector with NaN or infinity")

    def _latent(self, work: _Work) -> Vector:
        model, space = self.session.model, self.session.space
        if space is not None:
            return work.vectors.pop(space)
        if work.chain is not None and work.chain.features is not None:
            return work.chain.features
        if model.latent is None or work.features is None:
            raise HandlerError(MODEL, "gave no latent vector")
        return model.latent.pool(work.features)

    def _describe_objects(self, work: _Work, row: int) -> None:
        integration = self.session.integration
        work.objects = described_rows(integration, work.sample, work.outputs)
        work.objects += element_rows(integration, self.batch, row)

    def _draw(self, work: _Work, row: int) -> None:
        """Run the visualizers; the first that gives a picture gives the thumbnail, else an input does."""
        name = file_name(self.session.label(self.split, work.sample.sample_id))
        best: tuple[bytes, str] | None = None
        for call in self.wiring.of("visualizer") if self.session.plan.visualizers else ():
            if is_skipped(call, self.split):
                continue
            payload = self._visualize(call, work, row)
            with calling(call.title):
                image = picture(payload)
                if image is None:
                    continue
                if best is not None and not self.task.pictures:
                    continue
                content, suffix = encode_picture(image)
                best = (content, suffix) if best is None else best
            if self.task.pictures:
                work.files[f"visualizers/{quote(call.name, safe=' ')}/{name}{suffix}"] = content
        with calling("the thumbnail"):
            drawn = (picture_of_input(array) for array in work.sample.inputs.values() if best is None)
            seen = next((image for image in drawn if image is not None), None)
            best = encode_picture(seen) if seen is not None else best
            if best is not None:
                content, suffix = best
                work.thumbnail = f"thumbnails/{name}{suffix}"
                work.files[work.thumbnail] = content

    def _visualize(self, call: Call, work: _Work, row: int) -> Any:
        if work.chain is not None:
            return call_on_chain(call, work.sample, work.chain)
        with calling(call.title):
            return call.function(**self.batch.arguments_of_one(call, row, stored=False))

    def _collect(self, work: _Work) -> None:
        label = self.session.label(self.split, work.sample.sample_id)
        confusion = {name: value for name, value in work.values.items() if isinstance(value, list)}
        for name, elements in confusion.items():
            self.chunk.confusion += [_confusion_row(label, self.split, name, element) for element in elements]
        losses = {"loss": float(sum(work.losses))} if self._has_all_losses(work) else {"loss": None}
        numbers = {f"metric_{name}": value for name, value in work.values.items() if name not in confusion}
        metadata = {f"meta_{name}": value for name, value in work.sample.metadata.items()}
        head = {"sample_id": label, "split": self.split, "thumbnail": work.thumbnail}
        self.chunk.samples.append({**head, **losses, **metadata, **numbers})
        for name, vector in work.vectors.items():
            self.chunk.spaces.setdefault(name, {})[len(self.chunk.latents)] = vector
        self.chunk.latents.append(work.latent)
        self._collect_objects(label, work)
        self.chunk.files |= work.files

    def _collect_objects(self, label: str, work: _Work) -> None:
        for number, row in enumerate(work.objects):
            ids = {"sample_id": label, "split": self.split, "instance_id": f"{label}:{number}"}
            self.chunk.objects.append(ids | {key: value for key, value in row.items() if key not in ids})
        tensor = self.session.model.latent
        if work.objects and tensor is not None and tensor.is_map and work.features is not None:
            self.chunk.object_latents.extend(object_vectors(work.objects, tensor, work.features))

    def _has_all_losses(self, work: _Work) -> bool:
        wired = self.wiring.of("loss")
        return bool(wired) and len(work.losses) == len(wired)


def _add_values(work: _Work, call: Call, result: Values) -> None:
    if call.kind == "loss":
        work.losses.append(float(next(iter(result.values()))))
        return
    for name, value in result.items():
        if name in work.values:
            raise IntegrationError(
                f"{work.origin[name]} and {call.title} both give the column 'metric_{name}': rename one."
            )
        work.values[name] = value
        work.origin[name] = call.title


def _confusion_row(label: str, split: str, metric: str, element: Any) -> dict[str, Any]:
    return {
        "sample_id": label,
        "split": split,
        "metric": metric,
        "label": str(element.label),
        "expected_outcome": element.expected_outcome.value,
        "predicted_probability": float(element.predicted_probability),
    }
