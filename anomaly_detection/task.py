"""The anomaly task put together: settings, recording and what the detector says of itself, opened once per process.

**Conventions**: `detector.json` beside the model wins over the settings, because a model works with no other window and
no other channels; where it is missing (on the platform, whose binder has no model file, unless it lies in the data
folder) the settings decide. A model's outputs are, in this order, `score`, `reconstruction` or `forecast`, `latent` and
`residual`; see `stored`.
"""

import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anomaly_detection.base import Kind
from anomaly_detection.config import AnomalyConfig, load_config
from anomaly_detection.dataset import AnomalyData, Sample, load_data
from anomaly_detection.metadata import unique_keys
from anomaly_detection.series import NORMAL
from anomaly_detection.stored import FACTS, MODEL, read_facts
from anomaly_detection.thresholds import threshold_from_dict
from anomaly_detection.windows import causal_windows
from latent_space import onnx_session

if TYPE_CHECKING:
    import onnxruntime


@dataclass(frozen=True)
class ModelFacts:
    """What must be known of a detector to feed it and to read its answer.

    Attributes
    ----------
    kind : {"reconstruction", "forecast"}
    window_size : int
        Rows of its input.
    channels : tuple of str or None
        Columns of its input; None where nobody names them: those of the data.
    threshold : float or None
        Scores above it are flagged; None where unknown.
    n_latents : int
        Length of its latent vector.
    """

    kind: Kind
    window_size: int
    channels: tuple[str, ...] | None
    threshold: float | None
    n_latents: int


@dataclass(frozen=True)
class AnomalyTask:
    """Settings, data and model facts that agree with each other."""

    config: AnomalyConfig
    facts: ModelFacts
    data: AnomalyData

    @cached_property
    def samples(self) -> dict[str, Sample]:
        """Every sample of every split by its id."""
        return {sample.sample_id: sample for split in self.data.splits.values() for sample in split}

    @cached_property
    def channel_keys(self) -> tuple[str, ...]:
        """A plain name for every channel, for keys of metadata and metrics."""
        return unique_keys(self.data.channels)

    @cached_property
    def type_keys(self) -> tuple[str, ...]:
        """A plain name for every type of anomaly."""
        return unique_keys(self.data.types)

    @cached_property
    def labeled_splits(self) -> frozenset[str]:
        """Splits of which at least one series has labels."""
        splits = self.data.splits.items()
        return frozenset(name for name, samples in splits if any(one.series.labels is not None for one in samples))

    def labels(self, sample: Sample, split: str) -> NDArray[np.float32]:
        """Labels (window_size,) of the rows of a sample's window; see `truth` for what is unknown."""
        found = sample.window_labels(self.facts.window_size)
        return found if len(found) else self._unknown(self.facts.window_size, split)

    def truth(self, sample: Sample, split: str) -> NDArray[np.float32]:
        """Tell what the newest row is, one-hot (1 + n_types,) over normal and the types.

        NaN for a sample without labels beside labelled ones, since the samples of a split are stacked; empty where the
        whole split has none.
        """
        names = (NORMAL, *self.data.types)
        found = sample.anomaly_type
        if found is None:
            return self._unknown(len(names), split)
        return np.array([found == name for name in names], np.float32)

    def _unknown(self, size: int, split: str) -> NDArray[np.float32]:
        return np.full(size if split in self.labeled_splits else 0, np.nan, np.float32)

    @cached_property
    def session(self) -> "onnxruntime.InferenceSession | None":
        """The model, where its file is at hand: not in the platform's binder."""
        file = model_file(self.config)
        return open_session(file) if file.is_file() else None

    def row_scores(self, sample: Sample) -> NDArray[np.float64] | None:
        """Scores of the rows of a sample's context, (n_rows,), by the model itself; None where it is not at hand."""
        if self.session is None:
            return None
        size, rows = self.facts.window_size, sample.rows(self.context)
        seen = sample.series.values[max(0, rows.start - size + 1) : rows.stop]
        windows = causal_windows(seen, size)[-(rows.stop - rows.start) :].astype(np.float32)
        return np.asarray(self.session.run(["score"], {"window": windows})[0], np.float64).reshape(-1)

    @property
    def context(self) -> int:
        """Rows by which a sample is described and drawn: its window, and what came before where that is short."""
        return max(self.facts.window_size, self.config.context)

    @property
    def output_labels(self) -> dict[str, list[str]]:
        """Names of the values of every output of the model, in its order."""
        channels = list(self.data.channels)
        latents = [f"latent_{k}" for k in range(self.facts.n_latents)]
        return {"score": ["score"], self.facts.kind: channels, "latent": latents, "residual": channels}


@cache
def open_task() -> AnomalyTask:
    """Open the task that `settings.yaml` and the environment describe.

    Raises
    ------
    FileNotFoundError, ValueError
        If settings, data or model are missing or do not agree; the message says which.
    """
    config = load_config()
    facts = _read_model(config)
    return AnomalyTask(config, facts, load_data(config, window_size=facts.window_size, channels=facts.channels))


def model_file(config: AnomalyConfig) -> Path:
    """Path of the ONNX file: the configured one, or `detector.onnx` in the configured folder."""
    return config.model if config.model.suffix == ".onnx" else config.model / MODEL


def open_session(path: Path) -> "onnxruntime.InferenceSession":
    """Open a detector on the CPU, on one thread.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If onnxruntime cannot read it.
    """
    advice = "Train one with `armscope anomaly train`, or point ARMSCOPE_MODEL at yours."
    return onnx_session.open_session(path, advice=advice)


def _read_model(config: AnomalyConfig) -> ModelFacts:
    """Bring together what `detector.json`, the model and the settings say, in this order."""
    file = model_file(config)
    beside = next((f for f in (file.with_name(FACTS), config.data / FACTS) if f.is_file()), None)
    facts = _from_settings(config) if beside is None else _from_json(beside, config)
    if not file.is_file():
        return facts
    if beside is not None and hashlib.sha256(file.read_bytes()).hexdigest() != read_facts(beside)["model_sha256"]:
        raise ValueError(f"{beside} must describe {file}; their checksums differ. Train again.")
    return _checked(file, facts, is_described=beside is not None)


def _from_settings(config: AnomalyConfig) -> ModelFacts:
    return ModelFacts(config.kind, config.window_size, config.channels, config.threshold, config.n_latents)


def _from_json(file: Path, config: AnomalyConfig) -> ModelFacts:
    facts = read_facts(file)
    if facts["baseline"] is not None:
        raise ValueError(
            f"{file} must describe a detector without a baseline here, where every window is judged by itself; got one "
            f"of {facts['baseline'].get('size')} scores. Train one without baseline_size."
        )
    threshold = None if facts["threshold"] is None else threshold_from_dict(facts["threshold"]).value_
    return ModelFacts(facts["kind"], facts["window_size"], tuple(facts["channels"]), threshold, config.n_latents)


def _checked(file: Path, facts: ModelFacts, *, is_described: bool) -> ModelFacts:
    """Complete the facts by what the ONNX file itself says, and refuse what it contradicts."""
    session = open_session(file)
    shapes = {one.name: one.shape for one in (*session.get_inputs(), *session.get_outputs())}
    names = [output.name for output in session.get_outputs()]
    kinds = [kind for kind in ("reconstruction", "forecast") if kind in names]
    if len(kinds) != 1 or names != ["score", kinds[0], "latent", "residual"] or next(iter(shapes)) != "window":
        raise ValueError(
            f"{file} must take `window` and give score, reconstruction or forecast, latent and residual, as"
            f" `armscope anomaly train` exports it; got the outputs {', '.join(names)}."
        )
    rows, n_channels = _static(shapes["window"][1]), _static(shapes["window"][2])
    window_size = facts.window_size if is_described or rows is None else rows
    expected = {rows or window_size: window_size, n_channels: len(facts.channels or ()) or n_channels}
    if any(given != wanted for given, wanted in expected.items() if given is not None):
        raise ValueError(
            f"{file} must take windows of {window_size} rows and {len(facts.channels or ())} channels, as {FACTS} or"
            f" the settings say; got {shapes['window'][1:]}."
        )
    kind: Kind = "forecast" if kinds[0] == "forecast" else "reconstruction"
    n_latents = _static(shapes["latent"][-1]) or facts.n_latents
    return ModelFacts(kind, window_size, facts.channels, facts.threshold, n_latents)


def _static(axis: Any) -> int | None:
    return axis if isinstance(axis, int) and axis > 0 else None
