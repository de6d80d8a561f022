"""Turns the sections of a YAML file into plans; skips what is wrong, after saying so."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from edgeflow.core.qos import QoS
from edgeflow.errors import EdgeFlowError
from edgeflow.pipelines.agents.base import AgentOptions
from edgeflow.pipelines.agents.rate_limit import Inner, RateLimit
from edgeflow.pipelines.blame import place_in
from edgeflow.pipelines.connectors.base import BaseConnector, RouteOptions
from edgeflow.pipelines.declaration import (
    ActionPlan,
    AgentPlan,
    ConnectorPlan,
    ModelStep,
    PipelinePlan,
    Stage,
)
from edgeflow.pipelines.loading.connections import borrow_connection
from edgeflow.pipelines.loading.problems import Problems
from edgeflow.pipelines.loading.resolve import KINDS, Resolver
from edgeflow.pipelines.loading.stage_options import check_options
from edgeflow.pipelines.loading.tree import KeyPath
from edgeflow.pipelines.loading.validation import hint_for, validate
from edgeflow.pipelines.schema.pipeline import PipelineOptions
from edgeflow.pipelines.schema.stages import ModelUse, StageUse
from edgeflow.pipelines.stages.serializers import ENCODINGS

__all__ = ["DEFAULT_DISPATCHER", "Parts", "listed", "names_of", "sections"]

DEFAULT_DISPATCHER = "log"
"""Exists even where ``actions:`` does not declare it."""

_PIPELINE = TypeAdapter(PipelineOptions)


def listed(raw: dict[str, Any], section: str) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """Yield the entries of a list section that are mappings, with their paths."""
    found = raw.get(section)
    for index, entry in enumerate(found if isinstance(found, list) else []):
        if isinstance(entry, dict):
            yield (section, index), entry


def sections(raw: dict[str, Any], section: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a mapping section that are mappings (or empty)."""
    found = raw.get(section)
    entries = found if isinstance(found, dict) else {}
    return {name: e or {} for name, e in entries.items() if e is None or isinstance(e, dict)}


def names_of(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Yield the names in a value that is one name or a list of them, with their paths."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, str):
                yield (*path, index), item


class Parts:
    """Makes plans.

    Args:
        raw: the file as plain data.
        resolver: finds functions and classes.
        problems: gets what is wrong.
    """

    def __init__(self, raw: dict[str, Any], resolver: Resolver, problems: Problems) -> None:
        self._raw = raw
        self._resolver = resolver
        self._problems = problems
        self._seen: dict[tuple[str, str], KeyPath] = {}
        self._connector_kinds: dict[str, type[BaseConnector]] = {}

    def connectors(self) -> list[ConnectorPlan]:
        """Return the connectors that are valid."""
        plans = [self._connector(path, e) for path, e in listed(self._raw, "connectors")]
        return [plan for plan in plans if plan is not None]

    def agents(self) -> list[AgentPlan]:
        """Return the agents that are valid."""
        actions = [*sections(self._raw, "actions")]
        plans = []
        for name, entry, kind in self._typed("agents"):
            whole = self._with_inner(name, entry, kind)
            if whole is None:
                continue
            options = self._options(kind.Options, whole, ("agents", name))
            if options is not None:
                named = tuple(dict.fromkeys(_dispatchers(options.model_dump())))
                named = tuple(dict.fromkeys((*named, *getattr(options, "also", ()))))
                if name_of_type(entry, name) not in KINDS["agents"][0]:
                    named = tuple(dict.fromkeys((*named, *actions)))
                place = self._problems.where(("agents", name))
                plans.append(AgentPlan(name, kind, options, named, place))
        return plans

    def _with_inner(
        self, name: str, entry: dict[str, Any], kind: type[Any]
    ) -> dict[str, Any] | None:
        """Return the entry of a rate limit with the agent that it names; others as they are."""
        inner = entry.get("agent")
        path: KeyPath = ("agents", name, "agent")
        if not issubclass(kind, RateLimit) or not isinstance(inner, str | dict):
            return entry
        at, own_name = path, name
        if isinstance(inner, str):
            others = {k: e for k, e in sections(self._raw, "agents").items() if k != name}
            if inner not in others:
                hint = hint_for(inner, [*others])
                self._problems.add("EF-CONFIG-015", path, f"there is no agent {inner!r}", hint)
                return None
            at, own_name, inner = ("agents", inner), inner, others[inner]
        inner_kind = self._kind("agents", name_of_type(inner, own_name), at)
        if inner_kind is not None and issubclass(inner_kind, RateLimit):
            self._problems.add("EF-CONFIG-013", path, "a rate limit cannot limit another one")
        elif inner_kind is not None:
            options = self._options(inner_kind.Options, inner, at)
            if isinstance(options, AgentOptions):
                return {**entry, "agent": Inner(kind=inner_kind, options=options)}
        return None

    def actions(self) -> list[ActionPlan]:
        """Return the actions that are valid, and ``log`` in any case."""
        plans = []
        entries = {path[1]: (path, e) for path, e in listed(self._raw, "connectors")}
        connectors = {e["id"]: e for _, e in entries.values() if isinstance(e.get("id"), str)}
        for name, entry, kind in self._typed("actions"):
            host = entry.get("host")
            if isinstance(host, str) and host in connectors:
                known = self._connector_kinds.get(host)
                entry = borrow_connection(entry, kind, connectors[host], known)  # noqa: PLW2901 - completed
            options = self._options(kind.Options, entry, ("actions", name))
            if options is not None:
                where = self._problems.where(("actions", name))
                plans.append(ActionPlan(name, kind, options, where))
        if DEFAULT_DISPATCHER not in sections(self._raw, "actions"):
            kind = self._resolver.kind("actions", DEFAULT_DISPATCHER)
            plans.append(ActionPlan(DEFAULT_DISPATCHER, kind, kind.Options()))
        return plans

    def pipelines(self) -> list[PipelinePlan]:
        """Return the pipelines that are valid."""
        plans = []
        for path, entry in listed(self._raw, "pipelines"):
            if not self._first(("pipelines", str(entry.get("id"))), (*path, "id")):
                continue
            try:
                options = _PIPELINE.validate_python(entry)
            except ValidationError:  # said when the whole document was checked
                self._check_stages(entry, path)
            else:
                plans.append(self._pipeline(path, options))
        return plans

    # --- connectors ------------------------------------------------------------------------

    def _connector(self, path: KeyPath, entry: dict[str, Any]) -> ConnectorPlan | None:
        name, type_name = entry.get("id"), entry.get("type")
        if not isinstance(name, str) or not isinstance(type_name, str):
            return None
        kind = self._kind("connectors", type_name, (*path, "type"))
        if not self._first(("connectors", name), (*path, "id")) or kind is None:
            return None
        self._connector_kinds[name] = kind
        routes = self._routes(path, entry, kind)
        own = {key: value for key, value in entry.items() if key not in ("id", "type", "topics")}
        options = validate(
            kind.Options, own, path, self._problems, also_known=("id", "type", "topics")
        )
        if options is None or routes is None:
            return None
        self._check_serializers(path, options, routes)
        ordinary = tuple(name for _, name in names_of(options.pipeline, ()))
        wishes: dict[str, QoS] = {}
        for route in (options, *routes):
            for _, pipeline in names_of(route.pipeline, ()):
                wishes[pipeline] = _stronger(wishes.get(pipeline), _delivery(kind, options, route))
        if not wishes:
            self._problems.add(
                "EF-CONFIG-014", path, "the connector leads to no pipeline",
                "add 'topics:' with a pipeline each" if kind.uses_topics else "add 'pipeline: ID'",
                key=True,
            )  # fmt: skip
        return ConnectorPlan(
            name, kind, options, routes, wishes, ordinary, self._problems.where(path)
        )

    def _routes(
        self, path: KeyPath, entry: dict[str, Any], kind: type[BaseConnector]
    ) -> tuple[RouteOptions, ...] | None:
        topics = entry.get("topics")
        here = (*path, "topics")
        if topics is None:
            return ()
        if not kind.uses_topics:
            self._problems.add(
                "EF-CONFIG-012", here, f"type {entry['type']!r} has no topics",
                "name the pipeline with 'pipeline: ID'", key=True,
            )  # fmt: skip
            return None
        if not isinstance(topics, list) or not topics:
            self._problems.add("EF-CONFIG-013", here, "should be a list of routes")
            return None
        routes = [
            validate(kind.Route, topic, (*here, index), self._problems)
            for index, topic in enumerate(topics)
        ]
        found = tuple(route for route in routes if route is not None)
        return found if len(found) == len(routes) else None

    def _check_serializers(self, path: KeyPath, options: Any, routes: Any) -> None:
        places = [((*path, "serializer"), options)]
        places += [((*path, "topics", i, "serializer"), route) for i, route in enumerate(routes)]
        for place, owner in places:
            own = type(owner).model_fields["serializer"].default
            if owner.serializer not in (None, own) and owner.serializer.lower() not in ENCODINGS:
                text = f"there is no serializer {owner.serializer!r}"
                hint = hint_for(owner.serializer, sorted(ENCODINGS))
                self._problems.add("EF-CONFIG-015", place, text, hint)

    # --- pipelines -------------------------------------------------------------------------

    def _pipeline(self, path: KeyPath, options: PipelineOptions) -> PipelinePlan:
        before = self._stage(options.preprocess, (*path, "preprocess"))
        after = self._stage(options.postprocess, (*path, "postprocess"))
        if options.models:
            steps = tuple(
                self._step(use, (*path, "models", index), before, after)
                for index, use in enumerate(options.models)
            )
        else:
            steps = (ModelStep(options.model or "", before, after),)
            if not options.model:
                self._warn_of_no_model(path, before, after)
        cheaper = None
        if options.downgrade is not None:
            cheaper = self._step(options.downgrade, (*path, "downgrade"), before, after)
        return PipelinePlan(
            options,
            steps,
            self._stage(options.aggregate, (*path, "aggregate")),
            cheaper,
            place=self._problems.where(path),
        )

    def _warn_of_no_model(self, path: KeyPath, before: Stage | None, after: Stage | None) -> None:
        named = {"preprocess": before, "postprocess": after}
        keys = [key for key, stage in named.items() if stage is not None]
        last = after or before
        if last is not None and getattr(last.function, "needs_model", True):
            self._problems.warn(
                (*path, keys[0]),
                f"the pipeline has no model for its {' and '.join(keys)}",
                "add 'model: NAME'; a stage that needs none says needs_model = False",
            )

    def _step(
        self, use: ModelUse, path: KeyPath, before: Stage | None, after: Stage | None
    ) -> ModelStep:
        return ModelStep(
            use.model,
            self._stage(use.preprocess, (*path, "preprocess")) or before,
            self._stage(use.postprocess, (*path, "postprocess")) or after,
        )

    def _check_stages(self, entry: dict[str, Any], path: KeyPath) -> None:
        """Find what is wrong with the stages of a pipeline that has other mistakes too."""
        for key in ("preprocess", "postprocess", "aggregate"):
            value = entry.get(key)
            raw = {"use": value} if isinstance(value, str) else value
            if isinstance(raw, dict) and isinstance(raw.get("use"), str):
                self._stage(StageUse.model_validate(raw), (*path, key))

    def _stage(self, use: StageUse | None, path: KeyPath) -> Stage | None:
        if use is None:
            return None
        raw = self._value(path)
        try:
            function = self._resolver.stage(use.use)
        except EdgeFlowError as error:
            at = (*path, "use") if isinstance(raw, dict) else path
            self._problems.add(error.code, at, error.message, error.hint)
            return None
        options, findings = check_options(function, use.options)
        for name, message, hint in findings:
            at = path if name is None else (*path, name)
            text = message if name is None else f"{use.use}: {message}"
            self._problems.add("EF-CONFIG-019", at, text, hint, key=name is not None)
        if isinstance(function, type) and not findings:
            try:
                function, options = function(**options), {}
            except Exception as error:  # noqa: BLE001 - its own checks of its options
                said = error.message if isinstance(error, EdgeFlowError) else str(error)
                where = place_in(self._resolver.plugins.folder, error)
                said += f" ({where})" if where else ""
                self._problems.add("EF-CONFIG-019", path, f"{use.use}: {said}")
        return Stage(use.use, function, options)

    # --- shared ----------------------------------------------------------------------------

    def _typed(self, section: str) -> Iterator[tuple[str, dict[str, Any], type[Any]]]:
        for name, entry in sections(self._raw, section).items():
            path: KeyPath = (section, name, "type") if "type" in entry else (section, name)
            kind = self._kind(section, name_of_type(entry, name), path)
            if kind is not None:
                own = {key: value for key, value in entry.items() if key != "type"}
                yield name, own | ({"type": entry["type"]} if "type" in entry else {}), kind

    def _kind(self, section: str, name: str, path: KeyPath) -> type[Any] | None:
        try:
            return self._resolver.kind(section, name)
        except EdgeFlowError as error:
            key = path[-1] != "type"
            self._problems.add(error.code, path, error.message, error.hint, key=key)
            return None

    def _options(
        self, model: type[BaseModel], entry: dict[str, Any], path: KeyPath
    ) -> BaseModel | None:
        own = {key: value for key, value in entry.items() if key != "type"}
        return validate(model, own, path, self._problems, also_known=("type",))

    def _first(self, name: tuple[str, str], path: KeyPath) -> bool:
        """Return whether this is the first of that name; the second one is an error."""
        first = self._seen.setdefault(name, path)
        if first is path:
            return True
        at = self._problems.where(first, key=False)
        self._problems.add(
            "EF-CONFIG-011", path, f"{name[1]!r} is declared twice", f"the first is at {at}"
        )
        return False

    def _value(self, path: KeyPath) -> Any:
        value: Any = self._raw
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value


def name_of_type(entry: dict[str, Any], name: str) -> str:
    """Return the type of an agent or action: its name unless it says otherwise."""
    return str(entry.get("type") or name)


def _dispatchers(options: Any) -> Iterator[str]:
    """Yield every value of a key ``dispatcher``, however deep."""
    if isinstance(options, dict):
        for key, value in options.items():
            if key == "dispatcher" and isinstance(value, str):
                yield value
            else:
                yield from _dispatchers(value)
    elif isinstance(options, list | tuple):
        for item in options:
            yield from _dispatchers(item)


def _delivery(kind: type[BaseConnector], options: Any, route: Any) -> QoS:
    """Return how a connector's messages want to travel: at QoS 1 and above none may be lost."""
    wanted = getattr(route, "qos", None)
    if wanted is None:
        wanted = getattr(options, "qos", None)
    if isinstance(wanted, int) and wanted >= 1:
        return QoS.DURABLE
    return kind.delivery


def _stronger(first: QoS | None, second: QoS) -> QoS:
    order = (None, QoS.REALTIME, QoS.BALANCED, QoS.DURABLE)
    return max(first, second, key=order.index) or second
