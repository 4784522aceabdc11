"""A detector on disk: `detector.onnx` with the scaling inside, `detector.json` with everything else. No pickle.

**Conventions**: `detector.onnx` has the input `window` (batch, window_size, n_channels), float32, raw units, and the
outputs `score` (batch,), `reconstruction` or `forecast` (batch, window_size, n_channels) in raw units, `latent`
(batch, n_latents) and `residual` (batch, n_channels), scaled; see `base.Outputs`; its metadata name the channels in
their order. `score` is that of the window alone. `detector.json` holds the channels, units, window, threshold,
baseline, settings, what it was trained on, metrics and versions; where there is a baseline, the threshold is one of
scores compared with their level. A detector that torch trained has its weights beside them, `best_model.pth`, to be
loaded with `weights_only=True`; scoring needs neither it nor torch.
"""

import hashlib
import json
import warnings
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from anomaly_detection.base import LARGEST_SCORE, Detector, Kind, Outputs
from anomaly_detection.baseline import Baseline
from anomaly_detection.rows import Stretch
from anomaly_detection.thresholds import threshold_from_dict
from anomaly_detection.windows import causal_windows, in_chunks
from latent_space.onnx_session import open_session
from latent_space.run_folder import replaced_files

if TYPE_CHECKING:
    import onnxruntime

OPSET = 18
FORMAT = 1
MODEL, FACTS, WEIGHTS = "detector.onnx", "detector.json", "best_model.pth"
_NEEDED: dict[str, type | tuple[type, ...]] = {
    "format": int,
    "detector": str,
    "kind": str,
    "channels": list,
    "units": dict,
    "window_size": int,
    "settings": dict,
    "threshold": (dict, type(None)),
    "baseline": (dict, type(None)),
    "training": dict,
    "metrics": dict,
    "versions": dict,
    "model_sha256": str,
}
_SCORE = ["score"]
_CHANNELS = "channels"
_MOST_BLUR = 1e-3
_PACKAGES = ("armscope", "numpy", "onnx", "onnxruntime", "scikit-learn", "torch")


def save_detector(
    detector: Detector,
    model_dir: Path | str,
    *,
    units: dict[str, str] | None = None,
    training: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
) -> Path:
    """Write a fitted detector, each file under a temporary name first.

    Parameters
    ----------
    detector : Detector
        Fitted.
    model_dir : path
        Made if missing; files of an earlier detector are replaced.
    units : dict, optional
        Unit of each channel, where known.
    training, metrics : dict, optional
        What it was trained on (fingerprint, rows, seconds) and how it fared; JSON values.

    Returns
    -------
    Path
        Of `detector.json`.
    """
    _warn_of_resolution(detector)
    model_dir = Path(model_dir)
    model, weights = _with_channels(detector.to_onnx(), detector.channels_), detector.weights()
    facts = {
        "format": FORMAT,
        "detector": detector.name,
        "kind": detector.kind,
        "channels": list(detector.channels_),
        "units": units or {},
        "window_size": detector.window_size,
        "settings": detector.settings,
        "threshold": None if detector.threshold_ is None else detector.threshold_.to_dict(),
        "baseline": None if detector.baseline_ is None else detector.baseline_.to_dict(),
        "training": training or {},
        "metrics": metrics or {},
        "versions": _versions(),
        "model_sha256": hashlib.sha256(model).hexdigest(),
    }
    text = json.dumps(facts, indent=2, allow_nan=False) + "\n"
    model_dir.mkdir(parents=True, exist_ok=True)
    files = {MODEL: model, WEIGHTS: weights, FACTS: text.encode()}
    with replaced_files() as temporary:
        for name, content in files.items():
            if content is not None:
                temporary(model_dir / name).write_bytes(content)
    if weights is None:
        (model_dir / WEIGHTS).unlink(missing_ok=True)
    return model_dir / FACTS


def load_detector(model_dir: Path | str) -> "OnnxDetector":
    """Load what `save_detector` wrote; it scores with onnxruntime alone.

    Raises
    ------
    FileNotFoundError
        If the folder or one of the two files is missing.
    ValueError
        If `detector.json` is damaged, of another format, or does not belong to the model beside it.
    """
    model_dir = Path(model_dir)
    for file in (model_dir / FACTS, model_dir / MODEL):
        if not file.is_file():
            raise FileNotFoundError(
                f"No {file.name} in {model_dir}; give a folder that `armscope anomaly train` wrote."
            )
    facts = read_facts(model_dir / FACTS)
    content = (model_dir / MODEL).read_bytes()
    if hashlib.sha256(content).hexdigest() != facts["model_sha256"]:
        raise ValueError(f"{model_dir / FACTS} must describe {MODEL} beside it; their checksums differ. Train again.")
    detector = OnnxDetector(
        window_size=facts["window_size"], kind_=facts["kind"], name_=facts["detector"], facts_=facts, model_=content
    )
    learned = detector.session_.get_modelmeta().custom_metadata_map.get(_CHANNELS)
    if learned is not None and json.loads(learned) != facts["channels"]:
        raise ValueError(
            f"{model_dir / FACTS} must have the channels {', '.join(json.loads(learned))}, as {MODEL} says; "
            f"got {', '.join(facts['channels'])}. Train again."
        )
    detector.channels_, detector.named_ = tuple(facts["channels"]), True
    detector.threshold_ = None if facts["threshold"] is None else threshold_from_dict(facts["threshold"])
    detector.baseline_ = _baseline_from(facts["baseline"], model_dir / FACTS)
    if detector.threshold_ is not None and facts["threshold"]["value"] is None:
        raise ValueError(f"{model_dir / FACTS} must have a threshold with a value; got null. Train again.")
    return detector


def read_facts(file: Path) -> dict[str, Any]:
    """Read and check a `detector.json`."""
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} must be JSON; got: {error}. Train again.") from error
    if not isinstance(facts, dict):
        raise ValueError(f"{file} must hold an object; got {type(facts).__name__}.")
    facts.setdefault("baseline", None)  # files written before there was one
    for key, kind in _NEEDED.items():
        if key not in facts or not isinstance(facts[key], kind) or isinstance(facts[key], bool):
            raise ValueError(f"{file} must have {key!r} of the right kind; got {facts.get(key)!r}. Train again.")
    if facts["format"] != FORMAT:
        raise ValueError(f"{file} must be of format {FORMAT}; got {facts['format']}. Train again with this version.")
    if facts["kind"] not in ("reconstruction", "forecast"):
        raise ValueError(f"{file} must have kind reconstruction or forecast; got {facts['kind']!r}.")
    if not facts["channels"] or not all(isinstance(name, str) for name in facts["channels"]):
        raise ValueError(f"{file} must name at least one channel; got {facts['channels']!r}.")
    if len(set(facts["channels"])) < len(facts["channels"]):
        raise ValueError(f"{file} must name each channel once; got {facts['channels']!r}.")
    return facts


@dataclass(kw_only=True, eq=False)
class OnnxDetector(Detector):
    """A stored detector. It has the whole contract of `Detector`, except that it cannot learn."""

    kind_: Kind
    name_: str
    facts_: dict[str, Any] = field(repr=False)
    model_: bytes = field(repr=False)
    session_: "onnxruntime.InferenceSession" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.session_ = open_session(self.model_, name=MODEL)
        self.kind, self.name = self.kind_, self.name_  # type: ignore[misc]
        shape = self.session_.get_inputs()[0].shape
        expected = [self.window_size, len(self.facts_["channels"])]
        if list(shape[1:]) != expected:
            raise ValueError(
                f"{MODEL} must take windows of {expected} (rows, channels), as {FACTS} says; got {list(shape[1:])}."
            )
        self._names = ["score", "residual", "latent", self.kind_]
        absent = sorted(set(self._names) - {output.name for output in self.session_.get_outputs()})
        if absent:
            raise ValueError(f"{MODEL} must have the output {', '.join(absent)}, as {FACTS} says; it has not.")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings it was trained with."""
        return dict(self.facts_["settings"])

    def fit(self, X: Any, y: Any = None, *, validation: Any = None) -> Self:
        """Refuse: a stored detector only scores."""
        raise TypeError(
            f"fit must be called on a detector that learns; a stored one only scores. Train a new {self.name}."
        )

    def score_window(self, window: np.ndarray) -> float:
        """Score the newest row of one window (window_size, n_channels) with nothing checked: the way for live data.

        A row too far off for single precision scores `LARGEST_SCORE`, as in `decision_function`. A detector with a
        baseline looks at more rows than a window has: TypeError.
        """
        if self.baseline_ is not None:
            raise TypeError(
                f"score_window must be called on a detector without a baseline; this one compares {self.reach} rows. "
                "Use StreamScorer."
            )
        scores = self.session_.run(_SCORE, {"window": np.asarray(window, dtype=np.float32)[None]})[0]
        score = float(scores[0])
        return score if abs(score) <= LARGEST_SCORE else LARGEST_SCORE  # NaN too

    def _fit(self, train: list[Stretch], validation: list[Stretch]) -> None:
        raise NotImplementedError

    def _run(self, windows: np.ndarray) -> Outputs:
        values = self.session_.run(self._names, {"window": np.asarray(windows, dtype=np.float32)})
        return Outputs(*values)

    def _decision_function(self, values: np.ndarray) -> np.ndarray:
        chunks = in_chunks(causal_windows(values, self.window_size))
        return np.concatenate([self.session_.run(_SCORE, {"window": chunk})[0] for chunk in chunks])

    def to_onnx(self) -> bytes:
        """Return the model as it was stored."""
        return self.model_


def _baseline_from(description: dict[str, Any] | None, file: Path) -> Baseline | None:
    if description is None:
        return None
    if set(description) != {"size", "weight", "level"}:
        raise ValueError(f"{file} must have a baseline of size, weight and level; got {sorted(description)}.")
    try:
        return Baseline(**description)
    except ValueError as error:
        raise ValueError(f"{file} must have a baseline that can be used: {error} Train again.") from error


def _with_channels(model: bytes, channels: tuple[str, ...]) -> bytes:
    """Write into the model which channels its columns are."""
    import onnx

    content = onnx.load_model_from_string(model)
    onnx.helper.set_model_props(content, {_CHANNELS: json.dumps(channels)})
    return bytes(content.SerializeToString())


def _warn_of_resolution(detector: Detector) -> None:
    """Tell where single precision, in which windows enter the model, blurs a channel that varies little far from 0."""
    scaling = getattr(detector, "scaling_", None)
    if scaling is None:
        return
    blur = np.finfo(np.float32).eps * np.abs(scaling.center) / scaling.scale
    for channel, amount in zip(detector.channels_, blur, strict=True):
        if amount > _MOST_BLUR:
            warnings.warn(
                f"Channel {channel!r} varies little far from 0: single precision blurs it by {amount:.1%} of its "
                "scale. Subtract a constant from it before training and scoring.",
                stacklevel=3,
            )


def _versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
