"""The one workload of a ``pipelines.yaml``: its parts share a process."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

from edgeflow.deploy.demands import Demands, demands, mebibytes
from edgeflow.deploy.flows import Flow
from edgeflow.deploy.images import APP_FOLDER, DATA_FOLDER
from edgeflow.deploy.node_workloads import (
    HTTP_PORT,
    own_environment,
    probes_of,
    resources_of,
    selector_of,
)
from edgeflow.deploy.servers import INFRASTRUCTURE
from edgeflow.deploy.workloads import PROBE_PORT, Image, Kind, Port, SecretKey, Volume, Workload
from edgeflow.errors import ConfigError
from edgeflow.inference.engines.open import BOARD_SCHEMES
from edgeflow.pipelines.declaration import Declaration
from edgeflow.security.access import is_loopback

__all__ = ["demands_of_file", "extras_of", "warnings_of", "workload_of"]

_EXTRAS = {
    "ble": ("ble",),
    "camera": ("video",),
    "climate": (),
    "csi": ("mcu",),
    "flow": (),
    "http": (),
    "inference": (),
    "modbus": ("modbus",),
    "mqtt": (),
    "ros2": ("ros2",),
    "serial": ("serial",),
    "command": (),
    "file": (),
    "gpio": ("gpio",),
    "log": (),
    "store": (),
    "webhook": (),
}
"""Extras that types of connectors and actions need beside ``pipelines``."""
_ENGINES = {".onnx": "onnx", ".pt": "torch", ".pth": "torch", ".tflite": "litert"}
_STORES = {"clickhouse": "clickhouse", "chdb": "chdb"}
_MOST_MODEL_FILES = 10_000
_USUAL_STORAGE = 1024
_LINK = f"""\
for path in {APP_FOLDER}/* {APP_FOLDER}/.[!.]*; do
  link="{DATA_FOLDER}/${{path##*/}}"
  if [ -e "$path" ] && [ ! -e "$link" ]; then ln -sfn "$path" "$link"; fi
done
"""
"""Links what is in the image, and leaves alone what is there already."""
_LISTENERS = {"http": "TCP", "csi": "UDP"}
"""Types of connectors that are sent to, and how."""


def demands_of_file(declaration: Declaration) -> Demands:
    """Return what ``deploy:`` of a file asks for.

    Raises:
        ConfigError: it cannot be understood.
    """
    found = demands(declaration.document.deploy, str(declaration.file))
    if found.max_replicas is not None:
        raise ConfigError(
            f"{declaration.file}: deploy: max_replicas, but all parts share one process",
            hint="serve the models elsewhere, or raise max_parallel",
        )
    return found


def workload_of(flow: Flow, declaration: Declaration, name: str, image: Image) -> Workload:
    """Return the workload of a declaration.

    Raises:
        ConfigError: it asks for something impossible.
    """
    asked, place = demands_of_file(declaration), str(declaration.file)
    places = _places(declaration)
    volumes = tuple(_volumes(places, asked, place))
    lasting = any(volume.path == DATA_FOLDER for volume in volumes)
    environment = own_environment(flow.graph.name) | asked.environment
    del environment["NODE_NAME"]  # it names one node of a flow, and this is all of one
    if declaration.document.dashboard is not None:
        environment["GATEWAY_HTTP_PORT"] = str(HTTP_PORT)
    secrets = [*flow.variables, *asked.secrets]
    return Workload(
        name=name,
        title=flow.graph.name,
        kind=Kind.PIPELINES,
        image=image,
        command=_command(places, image.file, lasting=lasting),
        folder=DATA_FOLDER if lasting else APP_FOLDER,
        environment=environment | {key: SecretKey(key) for key in secrets},
        ports=tuple(_ports(declaration)),
        selector=selector_of(asked.device, place) if asked.device else INFRASTRUCTURE,
        resources=resources_of(asked, asked.device, place),
        probes=probes_of(asked),
        volumes=volumes,
        groups=tuple(asked.groups),
        outside=True if asked.egress is None else asked.egress,
        single=True,
    )


def _ports(declaration: Declaration) -> Iterator[Port]:
    taken = {PROBE_PORT}
    dashboard = declaration.document.dashboard
    if dashboard is not None:
        number = dashboard.port or HTTP_PORT
        taken.add(number)
        yield Port("http", number, service=True, public=True)
    for index, (kind, options) in enumerate(_listening(declaration)):
        if options.port and options.port not in taken:
            taken.add(options.port)
            name = f"{kind}-{index}"
            yield Port(name, options.port, _LISTENERS[kind], service=True, public=True)
    yield Port("probes", PROBE_PORT)


def _listening(declaration: Declaration) -> Iterator[tuple[str, Any]]:
    for connector in declaration.connectors:
        kind = _type_of(connector.kind, "connectors")
        if kind in _LISTENERS:
            yield kind, connector.options


def _type_of(cls: type[Any], section: str) -> str:
    """Return the built-in type that a class is, or an empty text."""
    from edgeflow.pipelines.loading.resolve import KINDS

    named = f"{cls.__module__}:{cls.__name__}"
    return next((name for name, home in KINDS[section][0].items() if home == named), "")


# --- what it writes ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the parts of a file write.

    Attributes:
        inside: folders of the project, relative to it; ``.`` is the project's own.
        outside: folders elsewhere.
    """

    inside: tuple[str, ...]
    outside: tuple[str, ...]


def _places(declaration: Declaration) -> _Places:
    root = declaration.file.absolute().parent
    inside, outside = set(), set()
    for folder in _written(declaration):
        if folder.is_relative_to(root):
            inside.add((folder.relative_to(root).parts or (".",))[0])
        else:
            outside.add(folder.as_posix())
    return _Places(tuple(sorted(inside)), tuple(sorted(outside)))


def _volumes(places: _Places, asked: Demands, place: str) -> Iterator[Volume]:
    """Yield a scratch folder, and lasting ones for what is written."""
    yield Volume("tmp", "/tmp", 1024)  # noqa: S108 - a volume of its own
    size = mebibytes(asked.storage, place)
    folders = [*([DATA_FOLDER] if places.inside or size else []), *places.outside]
    for index, folder in enumerate(folders):
        yield Volume(f"data-{index}", folder, size or _USUAL_STORAGE, persistent=True)


def _command(places: _Places, file: str, *, lasting: bool) -> tuple[str, ...]:
    """Return what starts the flow.

    Paths in the file start at its folder, which is read-only. Where something is written there,
    the flow runs in a lasting folder with links to everything the project has.
    """
    if not lasting:
        return ("edgeflow", "up", f"{APP_FOLDER}/{file}")
    made = [f"{DATA_FOLDER}/{name}" for name in places.inside if name != "."]
    first = f"mkdir -p {' '.join(shlex.quote(name) for name in made)}\n" if made else ""
    return ("sh", "-c", first + _LINK + f"exec edgeflow up {shlex.quote(f'{DATA_FOLDER}/{file}')}")


def _written(declaration: Declaration) -> Iterator[Path]:
    """Yield the folders that actions and agents write to."""
    for action in declaration.actions:
        options = action.options
        for name in ("path", "dead_letters"):
            file = getattr(options, name, None)
            if isinstance(file, Path):
                yield file.parent
        url = str(getattr(options, "url", None) or "")
        if url.startswith("sqlite:///") and ":memory:" not in url:
            yield Path(url.removeprefix("sqlite:///").partition("?")[0]).parent
    for agent in declaration.agents:
        folder = getattr(agent.options, "folder", None)
        if isinstance(folder, Path):
            yield folder


# --- what it needs -----------------------------------------------------------------------------


def extras_of(declaration: Declaration) -> set[str]:
    """Return the extras that the parts of a declaration need."""
    kinds = [_type_of(plan.kind, "connectors") for plan in declaration.connectors]
    kinds += [_type_of(plan.kind, "actions") for plan in declaration.actions]
    found = {"pipelines"} | {extra for kind in kinds for extra in _EXTRAS.get(kind, ())}
    if _uses_embedded(declaration):
        found.add("broker")
    schemes = {url.partition("://")[0] for url in _urls(declaration)}
    found |= {_STORES[scheme] for scheme in schemes if scheme in _STORES}
    return found | _extras_of_models(declaration)


def _extras_of_models(declaration: Declaration) -> set[str]:
    """Return the extras of the engines that run its models in this process."""
    home = declaration.document.gateway.models
    if home is None:
        return set()
    place = declaration.file.parent / home
    if place.is_file():
        return _extras_of_list(place)
    if not place.exists():  # they are fetched later
        return {"onnx"}
    suffixes = (path.suffix for path in islice(place.rglob("*"), _MOST_MODEL_FILES))
    return {_ENGINES[suffix] for suffix in suffixes if suffix in _ENGINES}


def _extras_of_list(file: Path) -> set[str]:
    """Return the extras of a ``models.yaml``, by what its engines are called."""
    import yaml

    try:
        listed = yaml.safe_load(file.read_text())["models"]
        engines = [str(one["engine"]) for one in listed]
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):
        return set()  # edgeflow up will tell what is wrong with it
    found = {_ENGINES.get(PurePath(engine).suffix, "") for engine in engines}
    schemes = {engine.partition("://")[0] for engine in engines}
    found |= {"mcu"} if schemes & set(BOARD_SCHEMES) else set()
    return (found | ({"grpc"} & schemes)) - {""}


def _uses_embedded(declaration: Declaration) -> bool:
    return any(url.startswith("mqtt://embedded") for url in _urls(declaration))


def _urls(declaration: Declaration) -> list[str]:
    options = [plan.options for plan in declaration.connectors]
    options += [plan.options for plan in declaration.actions]
    return [str(getattr(one, "url", None) or "") for one in options]


def warnings_of(declaration: Declaration) -> Iterator[str]:
    """Yield what will not work there as it does here."""
    for plan in declaration.connectors:
        kind = _type_of(plan.kind, "connectors")
        if kind in _LISTENERS and is_loopback(plan.options.host):
            yield (
                f"connector {plan.name!r} listens on {plan.options.host}, where nobody outside its "
                "container reaches it: host: ${EDGEFLOW_BIND:-127.0.0.1}"
            )
        if kind == "flow":
            yield f"connector {plan.name!r} follows a flow of the same host, and finds none there"
    if _uses_embedded(declaration):
        yield "mqtt://embedded listens inside its container only: name a broker for devices"
    dashboard = declaration.document.dashboard
    if dashboard is not None and dashboard.host is not None and is_loopback(dashboard.host):
        yield f"dashboard.host is {dashboard.host}, where nobody outside its container reaches it"
