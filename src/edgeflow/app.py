"""``EdgeApp``: declare nodes, link them, run. It builds a ``Graph`` and nothing else."""

import contextlib
import inspect
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from edgeflow.core.checks import check
from edgeflow.core.graph import Graph, LinkSpec, NodeSpec, OnError, Role
from edgeflow.core.qos import QoS, parse_qos
from edgeflow.errors import ConfigError, EdgeFlowError, describe, did_you_mean
from edgeflow.nodes.base import Node
from edgeflow.protocols.payloads import parse_codec

if TYPE_CHECKING:
    from edgeflow.comms.brokers.base import Broker
    from edgeflow.runtime.local import LocalRuntime

__all__ = ["EdgeApp", "Linker", "capture"]

NodeClass = TypeVar("NodeClass", bound=type[Node])

_captured: ContextVar[list["EdgeApp"] | None] = ContextVar("captured_apps", default=None)


class EdgeApp:
    """A flow under construction.

    Args:
        name: names the flow; its topics are kept under it on shared servers.
        broker: carries frames between processes that share no host; nothing is connected before
            it is needed, and a flow in one process needs none.

    Attributes:
        runs_started: how often an app of this process was run.
    """

    runs_started: ClassVar[int] = 0

    def __init__(self, name: str, broker: "Broker | None" = None) -> None:
        self.name = name
        self.broker = broker
        self._nodes: list[NodeSpec] = []
        self._links: list[LinkSpec] = []

    def node(
        self,
        name: str,
        type: Role | str | None = None,  # noqa: A002 - the keyword of the public API
        *,
        replicas: int = 1,
        device: str | None = None,
        queue_size: int | None = None,
        on_error: OnError | str = OnError.RESTART,
        **options: Any,
    ) -> Callable[[NodeClass], NodeClass]:
        """Declare the decorated class as a node.

        Args:
            name: unique in the app.
            type: role; taken from the class when left out.
            replicas: instances that share the input.
            device: label of the hardware it wants.
            queue_size: bound, in frames, of the links into it.
            on_error: ``restart`` (with back-off and a crash budget), ``skip`` or ``stop``.
            **options: attributes of the instance (``fps``, ``node_port``, anything).

        Raises:
            ConfigError: the class is no node, or its role is not ``type``.
        """
        place = _caller()

        def declare(cls: NodeClass) -> NodeClass:
            self.add(
                name,
                cls,
                type=type,
                replicas=replicas,
                device=device,
                queue_size=queue_size,
                on_error=on_error,
                options=options,
                place=place,
            )
            return cls

        return declare

    def add(
        self,
        name: str,
        cls: type[Node],
        *,
        type: Role | str | None = None,  # noqa: A002 - as in node
        replicas: int = 1,
        device: str | None = None,
        queue_size: int | None = None,
        on_error: OnError | str = OnError.RESTART,
        options: Mapping[str, Any] | None = None,
        place: str = "",
    ) -> None:
        """Declare ``cls`` as a node; the form of ``node`` for classes declared elsewhere."""
        if not (inspect.isclass(cls) and issubclass(cls, Node)):
            raise ConfigError(
                f"node {name!r}: {cls!r} is not a node class",
                hint="subclass ProducerNode, ConsumerNode, FusionNode, SinkNode or GatewayNode",
            )
        self._nodes.append(
            NodeSpec(
                name=name,
                role=_role(name, cls, type),
                factory=cls,
                options=dict(options or {}),
                replicas=replicas,
                device=device,
                queue_size=queue_size,
                on_error=_on_error(name, on_error),
                place=place or _caller(),
                topics_at_runtime=_chooses_topics(cls, options or {}),
            )
        )

    def replace(self, name: str, cls: type[Node], options: Mapping[str, Any]) -> None:
        """Put another class in the place of a declared node; its links stay.

        Raises:
            ConfigError: there is no such node.
        """
        for index, node in enumerate(self._nodes):
            if node.name == name:
                self._nodes[index] = replace(
                    node, factory=cls, options=dict(options), role=_role(name, cls, None)
                )
                return
        raise ConfigError(
            f"no node {name!r}", hint=did_you_mean(name, [node.name for node in self._nodes])
        )

    def link(self, source: "str | type[Node]", output: str | None = None) -> "Linker":
        """Start a chain of links at a node: ``app.link("camera").to("filter").to("gateway")``.

        Args:
            source: name or class of a node.
            output: take only what it returns as ``Output(output, ...)``; everything if None.
        """
        return Linker(self, self._name_of(source), output)

    def _name_of(self, node: "str | type[Node]") -> str:
        if isinstance(node, str):
            return node
        for spec in self._nodes:
            if spec.factory is node:
                return spec.name
        raise ConfigError(f"{node!r} is not declared in app {self.name!r}", hint="use @app.node")

    def add_link(self, link: LinkSpec) -> None:
        """Declare a link (``link(...).to(...)`` is the readable form)."""
        self._links.append(link)

    def graph(self) -> Graph:
        """Return what has been declared."""
        return Graph(self.name, tuple(self._nodes), tuple(self._links))

    def check(self) -> None:
        """Raise ``GraphError`` with every problem of the declared graph."""
        check(self.graph())

    def run(self, argv: list[str] | None = None) -> int:
        """Run until everything has ended, or Ctrl+C.

        Args:
            argv: command line: ``--node NAME`` runs one node here, ``--processes`` gives every
                node a process of its own; default ``sys.argv[1:]``. Unknown words are left to
                the app.

        Returns:
            0, 1 when a node failed, or 130 when it was interrupted.

        Raises:
            SystemExit: ``argv`` was left out and the code is not 0; errors are shown before.
            GraphError: ``argv`` was given and the graph has problems.
            ConfigError: ``argv`` was given and a setting or option is wrong.
        """
        apps = _captured.get()
        if apps is not None:
            apps.append(self)
            return 0
        EdgeApp.runs_started += 1
        from edgeflow.runtime.launch import launch

        if argv is not None:
            return launch(self.graph(), self.broker, argv)
        try:
            code = launch(self.graph(), self.broker, sys.argv[1:])
        except EdgeFlowError as error:
            print(describe(error), file=sys.stderr)  # noqa: T201 - the end of a script
            code = error.exit_code
        if code:
            raise SystemExit(code)
        return 0

    @contextlib.contextmanager
    def running(self) -> Iterator["LocalRuntime"]:
        """Run the flow as threads for the length of a ``with`` block; for tests and notebooks."""
        from edgeflow.runtime.launch import threads

        EdgeApp.runs_started += 1
        self.check()
        runtime = threads(self.graph(), self.broker)
        runtime.start()
        try:
            yield runtime
        finally:
            runtime.stop()


class Linker:
    """A node in a chain of links."""

    def __init__(self, app: EdgeApp, source: str, output: str | None = None) -> None:
        self._app = app
        self._source = source
        self._output = output

    def to(
        self,
        target: "str | type[Node]",
        channel: str | None = None,
        *,
        qos: QoS | str = QoS.REALTIME,
        codec: str = "raw",
        queue_size: int | None = None,
        via: str | None = None,
    ) -> "Linker":
        """Link to ``target`` and go on from there.

        Args:
            target: name or class of a node; it may be declared later.
            channel: name under which the target sees the stream (a web channel).
            qos: what happens when the target is slower.
            codec: how arrays travel on a wire: ``raw``, ``lz4`` or ``jpeg:QUALITY``.
            queue_size: frames the link may hold.
            via: transport to use whatever the runtime would choose.

        Raises:
            ConfigError: unknown ``qos``.
            PayloadError: unknown ``codec``.
        """
        parse_codec(codec)
        name = self._app._name_of(target)
        self._app.add_link(
            LinkSpec(
                source=self._source,
                target=name,
                qos=parse_qos(qos),
                codec=codec,
                channel=channel,
                queue_size=queue_size,
                via=via,
                place=_caller(),
                output=self._output,
            )
        )
        return Linker(self._app, name)


def capture(path: Path) -> EdgeApp:
    """Run a user's file as a script, with ``app.run()`` held back, and return its app.

    Raises:
        ConfigError: the file cannot be read, or it declares no app.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file", hint="give the file that declares your EdgeApp")
    apps: list[EdgeApp] = []
    token = _captured.set(apps)
    argv, sys.argv = sys.argv, [str(path)]
    sys.path.insert(0, str(path.resolve().parent))
    names: dict[str, Any] = {}
    try:
        names = runpy.run_path(str(path), run_name="__main__")
    except SystemExit:
        pass  # sys.exit(app.run()) is a common last line
    finally:
        sys.argv = argv
        sys.path.pop(0)
        _captured.reset(token)
    declared = apps or [value for value in names.values() if isinstance(value, EdgeApp)]
    if not declared:
        raise ConfigError(
            f"{path}: no EdgeApp in it", hint='create one: app = EdgeApp("name"); ...; app.run()'
        )
    return declared[0]


def _role(name: str, cls: type[Node], wanted: Role | str | None) -> Role:
    own: Role | None = getattr(cls, "role", None)
    if own is None:
        raise ConfigError(
            f"node {name!r}: {cls.__name__} has no role",
            hint="subclass ProducerNode, ConsumerNode, FusionNode, SinkNode or GatewayNode",
        )
    if wanted is None or str(wanted) == own.value:
        return own
    known = [role.value for role in Role]
    if str(wanted) not in known:
        raise ConfigError(
            f"node {name!r}: unknown type {str(wanted)!r}", hint=did_you_mean(str(wanted), known)
        )
    raise ConfigError(
        f"node {name!r}: type={str(wanted)!r}, but {cls.__name__} is a {own.value}",
        hint=f"write type={own.value!r} or subclass the other base",
    )


def _on_error(name: str, value: OnError | str) -> OnError:
    try:
        return OnError(str(value))
    except ValueError:
        known = [policy.value for policy in OnError]
        raise ConfigError(
            f"node {name!r}: unknown on_error {str(value)!r}", hint=did_you_mean(str(value), known)
        ) from None


def _chooses_topics(cls: type[Node], options: Mapping[str, Any]) -> bool:
    """Return whether the class may set ``input_topics`` itself: its ``configure`` names them."""
    if "input_topics" in options:
        return True
    return any(
        "input_topics" in function.__code__.co_names
        for base in cls.__mro__
        if not base.__module__.startswith("edgeflow.nodes.base")
        for function in (base.__dict__.get("configure"), base.__dict__.get("__init__"))
        if inspect.isfunction(function)
    )


def _caller() -> str:
    """Return ``file:line`` of the first frame outside this module."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""
