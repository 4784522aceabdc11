"""The model under test: an ONNX file (or a Keras model) that turns encoded inputs into outputs and latents.

**Conventions**: every sample is run alone, as a batch of one: on one thread that costs no more than batches
(convolutions are bound by arithmetic), it bounds memory, and it makes outputs and latents independent of how samples
are batched, chunked or spread over processes. Only a model whose first axis is fixed to N > 1 is run on N samples at a
time, the last batch filled up with copies. Inputs are in the model's order, float32 as encoded, and cast to the type
that the model declares, as code-loader does. Sessions have one thread, on the CPU: parallel work is whole processes.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from latent_space.engine.latent_choice import Shapes, choose_latent, named_latent
from latent_space.engine.latents import LatentTensor, add_outputs

Array = npt.NDArray[Any]
_PROBED_AT_ONCE = 32
_TYPES = {
    f"tensor({name})": np.dtype(name)
    for name in ["int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"]
}
_TYPES |= {"tensor(float)": np.dtype("float32"), "tensor(double)": np.dtype("float64")}


@dataclass(frozen=True)
class Prediction:
    """What the model made of one sample: its outputs without the batch axis, and the latent tensor with it."""

    outputs: list[Array]
    features: Array | None


class Model(Protocol):
    """What the engine asks of a model."""

    input_names: list[str]
    batch_size: int
    sha256: str
    latent: LatentTensor | None

    @property
    def name(self) -> str:
        """Tell what the model is: its file where it has one."""
        ...

    def predict(self, samples: Sequence[Sequence[Array]]) -> list[Prediction]:
        """Run at most `batch_size` samples, each the list of its inputs without batch axis."""
        ...

    def open_latent(self, name: str | None, sample: Sequence[Array]) -> LatentTensor:
        """Choose (or look up by name) the latent tensor and read it from now on."""
        ...


@dataclass
class OnnxModel:
    """An ONNX model in onnxruntime.

    Parameters
    ----------
    source : Path or bytes
        The model file, or its content.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If onnx or onnxruntime cannot read it.
    """

    source: Path | bytes
    latent: LatentTensor | None = None
    sha256: str = ""
    input_names: list[str] = field(default_factory=list)
    batch_size: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.source, Path) and not self.source.is_file():
            raise FileNotFoundError(f"model must be an ONNX file; got {self.source}, which does not exist.")
        self.sha256 = self._digest()
        self._session = self._open([])
        inputs = self._session.get_inputs()
        self.input_names = [value.name for value in inputs]
        unsupported = next((value for value in inputs if value.type not in _TYPES), None)
        if unsupported is not None:
            raise ValueError(
                f"model must take numbers code-loader can give; got {unsupported.type} for input {unsupported.name!r}."
            )
        self._types = [_TYPES[value.type] for value in inputs]
        first = inputs[0].shape[0] if inputs and inputs[0].shape else None
        self.batch_size = first if isinstance(first, int) and first > 1 else 1
        self._n_outputs = len(self._session.get_outputs())

    def predict(self, samples: Sequence[Sequence[Array]]) -> list[Prediction]:
        """Run at most `batch_size` samples."""
        feeds = self._feeds(samples)
        results = self._session.run(None, feeds)
        for value, result in zip(self._session.get_outputs()[: self._n_outputs], results, strict=False):
            if not np.ndim(result) or len(result) != self.batch_size:
                raise ValueError(f"output {value.name!r} has no batch axis of {self.batch_size}: {np.shape(result)}")
        outputs, features = results[: self._n_outputs], self._features(results)
        return [
            Prediction([array[k] for array in outputs], None if features is None else features[k : k + 1])
            for k in range(len(samples))
        ]

    def open_latent(self, name: str | None, sample: Sequence[Array]) -> LatentTensor:
        """Choose (or look up by name) the latent tensor and reopen the session with it as one more output."""
        feeds = self._feeds([sample])
        proto = self._proto()

        def probe(names: Sequence[str]) -> Shapes:
            return self._shapes(names, feeds)

        self.latent = choose_latent(proto, probe) if name is None else named_latent(proto, name, probe)
        self._session = self._open([self.latent.name])
        return self.latent

    def _features(self, results: list[Any]) -> Array | None:
        if self.latent is None:
            return None
        names = [value.name for value in self._session.get_outputs()]
        return np.asarray(results[names.index(self.latent.name)])

    def _feeds(self, samples: Sequence[Sequence[Array]]) -> dict[str, Array]:
        filled = [*samples, *[samples[-1]] * (self.batch_size - len(samples))]
        columns = zip(self.input_names, self._types, zip(*filled, strict=True), strict=True)
        return {name: np.stack(rows).astype(dtype, copy=False) for name, dtype, rows in columns}

    def _shapes(self, names: Sequence[str], feeds: dict[str, Array]) -> Shapes:
        """Shapes of the float and quantized tensors for a batch of one, by running the model once per few tensors."""
        shapes = {name: (1, *feeds[name].shape[1:]) for name in names if name in feeds}
        wanted = [name for name in names if name not in feeds]
        session = self._open(wanted, optimize=False)
        for start in range(0, len(wanted), _PROBED_AT_ONCE):
            part = wanted[start : start + _PROBED_AT_ONCE]
            for name, result in zip(part, session.run(part, feeds), strict=True):
                if isinstance(result, np.ndarray) and result.ndim and _can_hold_features(result.dtype):
                    lead = 1 if len(result) == self.batch_size else len(result)
                    shapes[name] = (lead, *result.shape[1:])
        return shapes

    def _digest(self) -> str:
        """Hash the file, and those in which it keeps its weights."""
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).hexdigest()
        with self.source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        entries = [entry for tensor in self._proto().graph.initializer for entry in tensor.external_data]
        for name in sorted({entry.value for entry in entries if entry.key == "location"}):
            path = self.source.resolve().parent / name
            if path.is_file():
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def _proto(self) -> Any:
        import onnx.inliner

        try:
            if isinstance(self.source, bytes):
                proto = onnx.load_from_string(self.source)
            else:
                proto = onnx.load(str(self.source), load_external_data=False)
        except Exception as error:
            raise ValueError(f"model must be a readable ONNX file; got {self.name}: {_first_line(error)}") from error
        return onnx.inliner.inline_local_functions(proto) if proto.functions else proto

    def _open(self, extra_outputs: Sequence[str], *, optimize: bool = True) -> Any:
        """Open a single-threaded session, with some inner tensors as outputs after the model's own."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if not optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        source: Any = self.source if isinstance(self.source, bytes) else str(self.source)
        if extra_outputs:
            if isinstance(self.source, Path):
                key = "session.model_external_initializers_file_folder_path"
                options.add_session_config_entry(key, str(self.source.resolve().parent))
            source = add_outputs(self._proto(), extra_outputs).SerializeToString()
        try:
            return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ValueError(
                f"model must be an ONNX model onnxruntime can run; got {self.name}: {_first_line(error)}"
            ) from error

    @property
    def name(self) -> str:
        """The file, for messages."""
        return str(self.source) if isinstance(self.source, Path) else "the model given as bytes"


class KerasModel:
    """A Keras model; the latent space is the input of its last layer.

    Raises
    ------
    ImportError
        If Keras is not installed.
    """

    def __init__(self, model: Any) -> None:
        try:
            import keras
        except ImportError as error:
            raise ImportError(
                "The integration's model is a Keras model: install Keras with `pip install tensorflow`."
            ) from error
        self._build = keras.Model
        # Keras 3 may run on torch or JAX, whose tensors numpy does not read as they are; Keras 2 has no `ops`.
        self._to_array: Callable[[Any], Array] = keras.ops.convert_to_numpy if hasattr(keras, "ops") else np.asarray
        self._model = model
        self.input_names = [str(value.name) for value in model.inputs]
        self.batch_size = model.inputs[0].shape[0] or 1
        self.latent: LatentTensor | None = None
        digest = hashlib.sha256(model.to_json().encode())
        for weight in model.get_weights():
            digest.update(np.ascontiguousarray(weight).tobytes())
        self.sha256 = digest.hexdigest()

    @property
    def name(self) -> str:
        """Keras's name of the model."""
        return str(self._model.name)

    def predict(self, samples: Sequence[Sequence[Array]]) -> list[Prediction]:
        """Run at most `batch_size` samples."""
        filled = [*samples, *[samples[-1]] * (self.batch_size - len(samples))]
        stacked = [np.stack(rows) for rows in zip(*filled, strict=True)]
        results = self._model(stacked if len(stacked) > 1 else stacked[0], training=False)
        arrays = [self._to_array(value) for value in (results if isinstance(results, list | tuple) else [results])]
        features = None if self.latent is None else arrays.pop()
        return [
            Prediction([array[k] for array in arrays], None if features is None else features[k : k + 1])
            for k in range(len(samples))
        ]

    def open_latent(self, name: str | None, sample: Sequence[Array]) -> LatentTensor:
        """Read the input of the last layer, or the output of the layer called `name`, beside the outputs."""
        layers = {layer.name: layer for layer in self._model.layers}
        if name is not None and name not in layers:
            raise ValueError(f"latent must be one of the model's layers {', '.join(layers)}; got {name!r}.")
        tensor = self._model.layers[-1].input if name is None else layers[name].output
        self._model = self._build(self._model.inputs, [*self._model.outputs, tensor])
        self.latent = LatentTensor(str(tensor.name), (1, *tensor.shape[1:]), len(tensor.shape) - 1)
        return self.latent


def _can_hold_features(dtype: np.dtype[Any]) -> bool:
    """Whether a tensor of this type can be a feature, or one on its way to a feature in a quantized model."""
    return dtype.kind == "f" or dtype.name in ("int8", "uint8", "int32")


def open_model(loaded: Any) -> Model:
    """Wrap what an integration's model loader returned.

    Raises
    ------
    ValueError
        If it is an onnxruntime session that does not know its file, or no model at all.
    """
    if type(loaded).__name__ == "InferenceSession":
        path, content = getattr(loaded, "_model_path", None), getattr(loaded, "_model_bytes", None)
        if path:
            return OnnxModel(Path(os.fspath(path)).absolute())
        if content:
            return OnnxModel(bytes(content))
        raise ValueError("The integration's onnxruntime session does not tell its file: give it with --model.")
    return KerasModel(loaded)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
