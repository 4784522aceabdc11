"""Open ONNX models on the processor, with one line for what is wrong with them.

**Conventions**: one thread unless asked for more, so that results do not depend on the machine.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime


def open_session(
    model: Path | bytes, *, name: str | None = None, advice: str = "", threads: int = 1
) -> "onnxruntime.InferenceSession":
    """Open a model.

    Parameters
    ----------
    model : Path or bytes
        The `.onnx` file or its content.
    name : str, optional
        What errors call it; by default its path.
    advice : str
        What to do where there is no such file.
    threads : int
        Threads inside one operator.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If onnxruntime cannot read it.
    """
    import onnxruntime

    if isinstance(model, Path) and not model.is_file():
        raise FileNotFoundError(f"No model at {model}. {advice}".rstrip())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    source = str(model) if isinstance(model, Path) else model
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except runtime_errors() as error:
        called = name or (model if isinstance(model, Path) else "The model")
        reason = " ".join(str(error).split())
        raise ValueError(f"{called} must be an ONNX model that onnxruntime reads: {reason}") from error


def runtime_errors() -> tuple[type[Exception], ...]:
    """Give what onnxruntime raises on a file or an input that it cannot use; its errors have no common base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
    return tuple(getattr(state, name) for name in (*names, "RuntimeException"))
