"""One integration opened in one process: its samples, its model, and where its latent vectors come from."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.engine.chunks import Plan
from latent_space.engine.encoding import clashing_ids, encode, is_text
from latent_space.engine.entry import Entry
from latent_space.engine.failures import HandlerError, IntegrationError, calling, describe
from latent_space.engine.integration import Integration, SampleId, load_integration
from latent_space.engine.model import Model
from latent_space.engine.objects import has_objects
from latent_space.engine.spaces import usable_space
from latent_space.engine.wiring import Call

Array = npt.NDArray[Any]
MODEL = "the model"
_TRIED_SAMPLES = 16


class Session:
    """An opened integration with its model.

    Parameters
    ----------
    plan : Plan

    Raises
    ------
    IntegrationError
        If the integration cannot be loaded, has no model, or its first samples cannot be encoded.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.integration: Integration = load_integration(Entry(Path(plan.root), plan.file))
        self.ids = {split: self.integration.sample_ids(split) for split in self.integration.responses}
        self._qualified = clashing_ids(self.ids)
        for split, ids in self.ids.items():
            if len(set(ids)) < len(ids):
                twice = next(sample_id for sample_id, count in Counter(ids).items() if count > 1)
                raise IntegrationError(f"preprocess gives the sample id {twice!r} of {split} more than once.")
            odd = next((sample_id for sample_id in ids if not is_text(str(sample_id))), None)
            if odd is not None:
                raise IntegrationError(f"preprocess gives the sample id {odd!r} of {split}, which is no valid Unicode.")
        self.model: Model = self.integration.open_model(Path(plan.model) if plan.model else None)
        self.is_chain = self.integration.setup.autoregressive_step is not None
        self.has_objects = has_objects(self.integration)
        self.space = self._choose_space()
        if self.space is None or self.has_objects:
            self._open_latent()
        self.batch_size = -(-plan.batch_size // self.model.batch_size) * self.model.batch_size

    def label(self, split: str, sample_id: SampleId) -> str:
        """Give a sample an id that is unique in the run: its own, behind the split's name where splits share ids."""
        return f"{split}/{sample_id}" if self._qualified else str(sample_id)

    def describe(self) -> dict[str, Any]:
        """Tell what a run must know before it starts."""
        wiring = self.integration.wiring
        latent = {"kind": "latent space", "name": self.space} if self.space else {}
        if self.space is None and self.model.latent is not None:
            latent = {"kind": "tensor", **asdict(self.model.latent), "pooling": "mean"}
        digest = self._digest()
        if digest != self._digest():
            self.integration.warnings.append("Encoders or metadata give other values each time they are called.")
            digest = self._digest_of_ids()
        return {
            "splits": self.ids,
            "model": self.model.name,
            "model_sha256": self.model.sha256,
            "latent": latent,
            "feature_map": asdict(self.model.latent) if self.model.latent and self.has_objects else None,
            "batch_size": self.batch_size,
            "inputs": list(wiring.model_inputs),
            "metrics": {call.name: _direction(call) for call in wiring.of("metric", "instance metric")},
            "losses": [call.name for call in wiring.of("loss")],
            "visualizers": [call.name for call in wiring.of("visualizer")],
            "latent_spaces": sorted(self.integration.setup.custom_latent_spaces),
            "warnings": self.integration.warnings,
            "first_samples": digest,
        }

    def _choose_space(self) -> str | None:
        spaces = self.integration.setup.custom_latent_spaces
        if self.plan.latent in spaces:
            return self.plan.latent
        if self.plan.latent is not None:
            return None
        space = usable_space(self.integration)
        if spaces and space is None and not all(handler.instance_aware for handler in spaces.values()):
            self.integration.warnings.append(
                f"latent spaces {', '.join(sorted(spaces))} cannot serve all samples (they read a ground truth, or are"
                " not wired): a tensor of the model is used."
            )
        return space

    def _open_latent(self) -> None:
        title, inputs = self._first_encoded()
        try:
            latent = self.model.open_latent(self.plan.latent if self.space is None else None, inputs)
        except ValueError:
            raise
        except Exception as error:
            raise IntegrationError(f"{MODEL} failed on {title}: {describe(error)}") from error
        if latent.is_output:
            self.integration.warnings.append(
                f"{MODEL} has no feature tensor that the engine can read before its outputs: the output {latent.name!r}"
                " is taken as latent space. Name another tensor with --latent."
            )

    def _first_encoded(self) -> tuple[str, list[Array]]:
        """Find a sample that can be encoded: among a few from all over each split."""
        problems: list[tuple[str, HandlerError]] = []
        for split, ids in self.ids.items():
            for sample_id in spread_over(ids, _TRIED_SAMPLES):
                title = f"sample {self.label(split, sample_id)!r} of {split}"
                try:
                    return title, self._first_inputs(split, sample_id)
                except HandlerError as error:
                    problems.append((title, error))
        if not problems:
            raise IntegrationError("The integration has no samples.")
        title, problem = problems[0]
        others = f"; so did {len(problems) - 1} others from all over the splits" if len(problems) > 1 else ""
        raise IntegrationError(f"{problem.function} failed on {title}: {problem.reason}{others}") from problem

    def _first_inputs(self, split: str, sample_id: SampleId) -> list[Array]:
        if self.is_chain:
            with calling("the autoregressive step"):
                inputs, _ = self.integration.loader.run_autoregressive_step(
                    sample_id, None, None, None, self.integration.state(split)
                )
        else:
            encoded, failed = encode(self.integration, split, [sample_id])
            if failed:
                raise failed[sample_id]
            inputs = encoded[0].inputs
        return [np.asarray(inputs[name]) for name in self.integration.wiring.model_inputs]

    def _digest_of_ids(self) -> str:
        return hashlib.sha256(repr(self.ids).encode()).hexdigest()

    def _digest(self) -> str:
        """Hash the ids of all samples and the encoded first sample of each split: the data as far as it is cheap."""
        digest = hashlib.sha256(self._digest_of_ids().encode())
        for split, ids in self.ids.items():
            for sample in encode(self.integration, split, ids[:1])[0]:
                for name, array in sorted((sample.inputs | sample.gt).items()):
                    digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
                digest.update(repr(sorted(sample.metadata.items())).encode())
        return digest.hexdigest()


def spread_over(ids: Sequence[SampleId], n: int) -> list[SampleId]:
    """Take at most n ids, the first and the last among them, at equal steps.

    Examples
    --------
    >>> spread_over(range(100), 4), spread_over("ab", 4)
    ([0, 33, 66, 99], ['a', 'b'])
    """
    if len(ids) <= n:
        return list(ids)
    return [ids[round(k * (len(ids) - 1) / (n - 1))] for k in range(n)]


def _direction(call: Call) -> Any:
    """Which way a metric is better: ``Upward``, ``Downward``, a dict of them by key, or None where it is not said.

    Nor is it said of a metric that is excluded from insights: the platform wants a direction of every one.
    """
    facts = call.handler.metric_handler_data
    judging = facts.compute_insights
    if isinstance(facts.direction, dict):
        judges = judging if isinstance(judging, dict) else dict.fromkeys(facts.direction, judging is not False)
        return {
            key: getattr(value, "value", None) if judges.get(key, True) else None
            for key, value in facts.direction.items()
        }
    return None if judging is False else getattr(facts.direction, "value", None)
