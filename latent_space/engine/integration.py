"""Load a code-loader integration as the platform would: its entry file, graph, handlers, data and model.

All of code-loader's state is global, so a process loads **one** integration, and the engine loads it in a fresh process
that has imported nothing but `latent_space`: a foreign folder may hold packages named like any of ours, and what it
imports under such a name is its own wherever it has one. The folder goes to the front of `sys.path` and becomes the
working directory, telemetry is off before code-loader is imported, and paths
are absolute (code-loader recurses without end on ".").

**Conventions**: splits are code-loader's states (training, validation, test, unlabeled, additional), in that order.
Sample ids keep the type the integration gives them. Element instances are rows of their own sample, not samples.
"""

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

import numpy as np

from latent_space.engine.entry import Entry
from latent_space.engine.failures import IntegrationError, describe
from latent_space.engine.feeds import record_feeds
from latent_space.engine.model import Model, OnnxModel, open_model
from latent_space.engine.wiring import Wiring, left_out, read_wiring, registered_names

SampleId = str | int
_TEST = "the integration test"
_INSTALLED_TOGETHER = ("latent_space", "armscope", "armbench_segmentation", "anomaly_detection")


@dataclass
class Integration:
    """A loaded integration. Make it with `load_integration`.

    Attributes
    ----------
    entry : Entry
    setup : code_loader DatasetIntegrationSetup
        All registered handlers.
    wiring : Wiring
    responses : dict
        Split -> PreprocessResponse.
    namespace : mapping
        Globals of the entry module.
    loader : code_loader LeapLoader
    warnings : list of str
        One line for each thing the integration has and the engine leaves out.
    fed_names : sequence of str
        Names of the model's inputs, in the order of the integration test; empty where it names none.
    """

    entry: Entry
    setup: Any
    wiring: Wiring
    responses: dict[str, Any]
    namespace: Mapping[str, Any]
    loader: Any
    warnings: list[str] = field(default_factory=list)
    fed_names: Sequence[str] = ()
    _groups: dict[str, dict[SampleId, int]] = field(default_factory=dict)

    def sample_ids(self, split: str) -> list[SampleId]:
        """Ids of a split's samples in the integration's order, those of element instances left out."""
        response = self.responses[split]
        instances = response.instance_to_sample_ids_mappings or {}
        ids = [sample_id for sample_id in response.flat_sample_ids if sample_id not in instances]
        return [sample_id.item() if isinstance(sample_id, np.generic) else sample_id for sample_id in ids]

    def instance_count(self, split: str, sample_id: SampleId) -> int:
        """Count the element instances that code-loader found in a sample."""
        mapping = self.responses[split].sample_ids_to_instance_mappings or {}
        return len(mapping.get(sample_id, ()))

    def group_numbers(self, split: str) -> dict[SampleId, int]:
        """Map each sample of a grouped split to the number of its group."""
        if split not in self._groups:
            groups = self.responses[split].groups
            self._groups[split] = {sample_id: number for number, group in enumerate(groups) for sample_id in group}
        return self._groups[split]

    def state(self, split: str) -> Any:
        """code-loader's name of a split."""
        from code_loader.contract.enums import DataStateEnum

        return DataStateEnum[split]

    @property
    def describe_instances(self) -> Callable[..., list[dict[str, Any]]] | None:
        """The integration's own door to instance rows, where it has one."""
        function = self.namespace.get("describe_instances")
        return function if callable(function) else None

    def open_model(self, path: Path | None) -> Model:
        """Open the model: the given ONNX file, or what the integration's `tensorleap_load_model` returns.

        Raises
        ------
        IntegrationError
            If there is no loader, it fails, or the model takes other inputs than are wired, or in another order.
        """
        model = OnnxModel(path) if path is not None else open_model(self._load_model())
        if len(model.input_names) != len(self.wiring.model_inputs):
            raise IntegrationError(
                f"The model takes {len(model.input_names)} inputs ({', '.join(model.input_names)}), but the"
                f" integration test feeds it {len(self.wiring.model_inputs)} ({', '.join(self.wiring.model_inputs)})."
            )
        if sorted(self.fed_names) == sorted(model.input_names) and list(self.fed_names) != model.input_names:
            raise IntegrationError(
                "The integration test must feed the model's inputs in the model's order,"
                f" {', '.join(model.input_names)}; got {', '.join(self.fed_names)}."
            )
        return model

    def _load_model(self) -> Any:
        loader = _model_loader([self.namespace, *_modules_below(self.entry.root)])
        if loader is None:
            raise IntegrationError(
                f"{self.entry.file} has no model: decorate its loader with tensorleap_load_model, or give --model."
            )
        try:
            return loader().model
        except (Exception, SystemExit) as error:
            raise IntegrationError(f"The model loader failed: {describe(error)}") from error


def load_integration(entry: Entry) -> Integration:
    """Load an integration into this process, once and for all.

    Raises
    ------
    IntegrationError
        If its code fails, or nothing is wired; the message names what.
    """
    os.environ["TL_DISABLE_ANALYTICS"] = "1"
    _prepare_imports(entry)
    from code_loader.inner_leap_binder import global_leap_binder as binder
    from code_loader.inner_leap_binder import leapbinder_decorators

    fed_names = record_feeds(leapbinder_decorators)
    defaults = registered_names(binder.setup_container)
    loader = _loader(entry)
    notes: list[str] = []
    try:
        with _noted_warnings(entry.root, notes):
            loader.exec_script()
    except (Exception, SystemExit) as error:
        failure, namespaces = _loading_failure(error), [loader.namespace or {}, *_modules_below(entry.root)]
        if failure.startswith(_TEST) and _model_loader(namespaces) is None:
            failure += "; it has no model: decorate its loader with tensorleap_load_model"
        raise IntegrationError(f"{entry.file}: {failure}") from error
    if binder.integration_test_func is None:
        raise IntegrationError(
            f"{entry.file} registers no tensorleap_integration_test, so nothing is wired: add one that calls the"
            " encoders, the model, the metrics and the losses."
        )
    try:
        binder.validate_autoregressive_setup()
        binder.check_preprocess(loader._preprocess_result())
    except (Exception, SystemExit) as error:
        raise IntegrationError(f"{entry.file}: {describe(error)}") from error
    wiring = read_wiring(binder.mapping_connections, binder.setup_container)
    namespace = getattr(loader, "namespace", None) or binder.integration_test_func.__globals__
    responses = {state.name: response for state, response in loader._preprocess_result().items()}
    notes += left_out(binder.setup_container, wiring, defaults)
    return Integration(entry, binder.setup_container, wiring, responses, namespace, loader, notes, fed_names)


@contextmanager
def _noted_warnings(root: Path, notes: list[str]) -> Iterator[None]:
    """Note what the integration's own code warns of: nobody sees what a worker prints."""
    show = warnings.showwarning

    def note(message: Warning | str, category: type[Warning], filename: str, *more: Any, **named: Any) -> None:
        file = Path(filename)
        if category is UserWarning and file.is_relative_to(root) and "site-packages" not in file.parts:
            if str(message) not in notes:
                notes.append(str(message))
        else:
            show(message, category, filename, *more, **named)

    warnings.showwarning = note
    try:
        yield
    finally:
        warnings.showwarning = show


def _prepare_imports(entry: Entry) -> None:
    """Put the integration's folders first, and ours out of its way unless it is our own.

    Our modules keep working: they have imported each other already.
    """
    house = Path(__file__).resolve().parents[2]
    folders = dict.fromkeys([str(entry.root), str((entry.root / entry.file).parent)])
    sys.path[:] = [*folders, *[item for item in sys.path if item not in folders]]
    os.chdir(entry.root)
    if house not in [Path(folder).resolve() for folder in folders]:
        if house.name not in ("site-packages", "dist-packages"):
            sys.path[:] = [item for item in sys.path if Path(item).resolve() != house]
        sys.meta_path.insert(0, _TheirsFirst(house))
        for name in [name for name in sys.modules if name.partition(".")[0] in _INSTALLED_TOGETHER]:
            del sys.modules[name]


class _TheirsFirst(MetaPathFinder):
    """Finds packages named like ours anywhere else first, even ones without `__init__.py`, and only then ours."""

    def __init__(self, house: Path) -> None:
        self.house = house

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find a top-level package of one of our names; all others are left to Python."""
        if fullname not in _INSTALLED_TOGETHER:
            return None
        others = [item for item in sys.path if Path(item).resolve() != self.house]
        found = PathFinder.find_spec(fullname, others)
        return PathFinder.find_spec(fullname, [str(self.house)]) if found is None else found


def _loader(entry: Entry) -> Any:
    """Make a LeapLoader that keeps the entry module, which code-loader's own forgets."""
    from importlib.util import module_from_spec, spec_from_file_location

    from code_loader.leaploader import LeapLoader

    class KeepingLoader(LeapLoader):  # type: ignore[misc]
        namespace: dict[str, Any] | None = None

        def evaluate_module(self) -> None:
            spec = spec_from_file_location(self.code_path, Path(self.code_path, self.code_entry_name))
            if spec is None or spec.loader is None:
                raise IntegrationError(f"entryFile must be a Python file; got {self.code_entry_name!r}.")
            module = module_from_spec(spec)
            # Dataclasses with string annotations look their module up there.
            sys.modules[spec.name] = module
            self.namespace = vars(module)
            spec.loader.exec_module(module)

    return KeepingLoader(str(entry.root), entry.file)


def _loading_failure(error: BaseException) -> str:
    """Say which part of the integration failed while it was loaded."""
    cause = error.__cause__ or error
    names: set[str] = set()
    step = cause.__traceback__
    while step is not None:
        names.add(step.tb_frame.f_code.co_name)
        step = step.tb_next
    part = next(
        (
            part
            for name, part in (
                ("get_preprocess_result", "preprocess"),
                ("mapping_inner", _TEST),
                ("evaluate_module", "importing it"),
            )
            if name in names
        ),
        _TEST,
    )
    return f"{part} failed: {describe(cause)}"


def _model_loader(namespaces: list[Mapping[str, Any]]) -> Callable[[], Any] | None:
    """code-loader does not keep the loader; it is known by the decorator's name in its own."""
    for namespace in namespaces:
        for value in list(namespace.values()):
            if callable(value) and str(getattr(value, "__qualname__", "")).startswith("tensorleap_load_model."):
                loader: Callable[[], Any] = value
                return loader
    return None


def _modules_below(root: Path) -> list[Mapping[str, Any]]:
    files = [(getattr(module, "__file__", None), module) for module in list(sys.modules.values())]
    return [vars(module) for file, module in files if file and Path(file).is_relative_to(root)]
