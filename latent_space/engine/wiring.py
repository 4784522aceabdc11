"""The graph of an integration: which handler is fed with what, as its integration test wires it.

code-loader re-runs the integration test with placeholders and records every call as a node with its sources. Only what
is wired there runs on the platform, so only that runs here.

**Conventions**: a source is an input, a ground truth (both by the name of their encoder) or a prediction (by the number
of the model's output). A handler that reads a ground truth is skipped for unlabelled samples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from latent_space.engine.failures import IntegrationError

CallKind = Literal["metric", "loss", "visualizer", "latent space", "instance metric"]
SourceKind = Literal["input", "ground truth", "prediction"]


@dataclass(frozen=True)
class Source:
    """Where an argument's tensor comes from."""

    kind: SourceKind
    key: str | int


@dataclass(frozen=True)
class Call:
    """One wired handler.

    Attributes
    ----------
    kind : str
    name : str
        Unique among the calls of its kind: a handler that is wired twice is ``name`` and ``name_1``.
    registered : str
        The name of the handler.
    handler : Any
        What code-loader registered; `function` is the author's, without code-loader's checks.
    arguments : mapping
        Argument -> source.
    response_argument : str, optional
        The argument that takes a `SamplePreprocessResponse`.
    implicit : tuple of str
        Arguments that a finished chain provides (autoregressive integrations).
    """

    kind: CallKind
    name: str
    registered: str
    handler: Any
    arguments: Mapping[str, Source]
    response_argument: str | None = None
    implicit: tuple[str, ...] = ()

    @property
    def function(self) -> Callable[..., Any]:
        """The author's function."""
        function: Callable[..., Any] = self.handler.function
        return function

    @property
    def reads_gt(self) -> bool:
        """Whether it needs a ground truth, hence a labelled sample."""
        return any(source.kind == "ground truth" for source in self.arguments.values())

    @property
    def title(self) -> str:
        """Kind and name, for messages."""
        return f"{self.kind} {self.name!r}"


@dataclass(frozen=True)
class Wiring:
    """All that the integration test wires.

    Attributes
    ----------
    model_inputs : tuple of str
        Names of the input encoders, in the order of the model's inputs.
    calls : tuple of Call
        In the order of the test.
    """

    model_inputs: tuple[str, ...]
    calls: tuple[Call, ...]

    def of(self, *kinds: CallKind) -> list[Call]:
        """List the calls of the given kinds, in the order of the test."""
        return [call for call in self.calls if call.kind in kinds]


def read_wiring(connections: list[Any], setup: Any) -> Wiring:
    """Read the graph that code-loader recorded.

    Parameters
    ----------
    connections : list of code_loader NodeConnection
    setup : code_loader DatasetIntegrationSetup

    Raises
    ------
    IntegrationError
        If the model is fed nothing, or nothing depends on it.
    """
    tables = _handlers(setup)
    slots: dict[int, str] = {}
    calls: dict[tuple[str, str], Call] = {}
    for connection in connections:
        node = connection.node
        number = _slot(node.type.value, "Input")
        if number is not None:
            slots[number] = node.name
        elif node.type.value in tables:
            call = _call(connection, tables[node.type.value])
            calls[call.kind, call.name] = call
    if not slots or sorted(slots) != list(range(len(slots))):
        raise IntegrationError("The integration test wires no input to a model: call the model in it.")
    if not calls:
        raise IntegrationError("The integration test wires no metric, loss or visualizer: call them in it.")
    return Wiring(tuple(slots[number] for number in sorted(slots)), tuple(calls.values()))


def _handlers(setup: Any) -> dict[str, dict[str, tuple[CallKind, Any]]]:
    """Node type -> registered name -> kind and handler."""
    metrics: dict[str, tuple[CallKind, Any]] = {
        handler.metric_handler_data.name: ("instance metric", handler) for handler in setup.instance_metrics
    }
    for handler in [*setup.metrics, *setup.autoregressive_metrics]:
        metrics[handler.metric_handler_data.name] = ("metric", handler)
    losses = [*setup.custom_loss_handlers, *setup.autoregressive_losses]
    visualizers = [*setup.visualizers, *setup.autoregressive_visualizers]
    return {
        "Metric": metrics,
        "CustomLoss": {handler.custom_loss_handler_data.name: ("loss", handler) for handler in losses},
        "Visualizer": {handler.visualizer_handler_data.name: ("visualizer", handler) for handler in visualizers},
        "CustomLatentSpace": {name: ("latent space", handler) for name, handler in setup.custom_latent_spaces.items()},
    }


def _call(connection: Any, handlers: dict[str, tuple[CallKind, Any]]) -> Call:
    from code_loader.contract.datasetclasses import AUTOREGRESSIVE_IMPLICIT_ARG_NAMES
    from code_loader.utils import sample_preprocess_response_arg_name

    node = connection.node
    if node.name not in handlers:
        raise IntegrationError(f"The integration test wires {node.type.value} {node.name!r}, which is not registered.")
    kind, handler = handlers[node.name]
    is_chain = type(handler).__name__.startswith("Autoregressive")
    return Call(
        kind,
        node.user_unique_name or node.name,
        node.name,
        handler,
        {name: _source(name, source, node) for name, source in (connection.node_inputs or {}).items()},
        None if is_chain else sample_preprocess_response_arg_name(handler.function),
        AUTOREGRESSIVE_IMPLICIT_ARG_NAMES if is_chain else (),
    )


def _source(argument: str, node: Any, reader: Any) -> Source:
    kind = node.type.value
    number = _slot(kind, "Prediction")
    if number is not None:
        return Source("prediction", number)
    if kind == "GroundTruth":
        return Source("ground truth", node.name)
    if kind == "Input" or _slot(kind, "Input") is not None:
        return Source("input", node.name)
    raise IntegrationError(f"{reader.type.value} {reader.name!r} reads {argument!r} from a {kind}, which is no tensor.")


def _slot(kind: str, prefix: str) -> int | None:
    number = kind.removeprefix(prefix)
    return int(number) if number != kind and number.isdigit() else None


def left_out(setup: Any, wiring: Wiring, defaults: dict[str, set[str]]) -> list[str]:
    """Say, one line each, what the integration has that is not run.

    Parameters
    ----------
    setup : code_loader DatasetIntegrationSetup
    wiring : Wiring
    defaults : dict
        `registered_names` before the integration was loaded: code-loader's own handlers.
    """
    wired = {
        "metric": {call.registered for call in wiring.of("metric", "instance metric")},
        "loss": {call.registered for call in wiring.of("loss")},
        "visualizer": {call.registered for call in wiring.of("visualizer")},
    }
    lines = [
        f"{kind} {name!r} is registered but not wired in the integration test, so it is not run."
        for kind, names in registered_names(setup).items()
        for name in sorted(names - defaults[kind] - wired[kind])
    ]
    lines += [
        f"simulation {simulation.name!r} is not run: its samples are made on demand on the platform."
        for simulation in setup.simulations
    ]
    lines += [
        f"instance latent space {name!r} is not run: objects take their vectors from the model's feature map."
        for name, handler in setup.custom_latent_spaces.items()
        if handler.instance_aware
    ]
    lines += [
        f"false-positive latent space {name!r} is not run: objects take their vectors from the model's feature map."
        for name in setup.false_positive_custom_latent_spaces
    ]
    lines += [
        f"visualizer {call.name!r} is run, its heatmap function is not: no heatmaps are made here."
        for call in wiring.of("visualizer")
        if getattr(call.handler, "heatmap_function", None) is not None
    ]
    return lines


def registered_names(setup: Any) -> dict[str, set[str]]:
    """Name the handlers that must be wired to run, by kind."""
    return {
        "metric": {handler.metric_handler_data.name for handler in [*setup.metrics, *setup.instance_metrics]},
        "loss": {handler.custom_loss_handler_data.name for handler in setup.custom_loss_handlers},
        "visualizer": {handler.visualizer_handler_data.name for handler in setup.visualizers},
    }
