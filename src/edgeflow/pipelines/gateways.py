"""From ``gateway:``, ``gateways:`` and ``model_affinity:`` to the service that runs the models."""

from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from pathlib import Path

from edgeflow.core.status import ModelStatus
from edgeflow.errors import ConfigError
from edgeflow.inference.repository.listing import source_of
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.service import (
    Check,
    Done,
    InferenceService,
    ModelInfo,
    Ticket,
    no_check,
)
from edgeflow.pipelines.declaration import Declaration
from edgeflow.pipelines.schema.document import Document
from edgeflow.pipelines.schema.gateway import GatewayOptions

__all__ = [
    "DEFAULT",
    "SplitService",
    "absent_models",
    "missing_models",
    "open_service",
    "unknown_models",
]

DEFAULT = "default"
"""What ``model_affinity`` calls the gateway under ``gateway:``."""

_FETCH = (
    "put the file there or correct the path; edgeflow models pull NAME --models DIR fetches a "
    "model, edgeflow assets path NAME tells where a pulled asset lies"
)


def open_service(document: Document, folder: Path, place: str = "") -> InferenceService:
    """Return the service of a file; nothing is connected yet, and models load when asked for.

    Args:
        document: the file.
        folder: what the paths in it start from.
        place: where the file names its models (``file:line:column``).

    Raises:
        ConfigError: the models cannot be found.
    """
    home = document.gateway
    if home.models is None:
        return _remote(document, {DEFAULT: home, **document.gateways})
    absent = missing_models(document, folder, place)
    if absent is not None:
        raise absent
    local = _local(folder / home.models)
    if not document.gateways:
        return local
    rules = _remote_rules(document)
    try:
        remote = _remote(document, document.gateways)
    except BaseException:
        local.close()
        raise
    return SplitService(local, remote, lambda model: _fits(model, rules))


def missing_models(document: Document, folder: Path, place: str = "") -> ConfigError | None:
    """Return what is wrong when the models of this process are nowhere; as ``open_service``."""
    models = document.gateway.models
    if models is None or (folder / models).exists():
        return None
    return ConfigError(
        f"{place}{': ' if place else ''}gateway.models: there is nothing at {folder / models}",
        hint="name the folder of models; edgeflow models pull NAME --models DIR makes one",
    )


def absent_models(declaration: Declaration) -> list[ConfigError]:
    """Return which models of this process are not there, each with its place; nothing is loaded.

    Raises:
        ConfigError: the file that lists them has mistakes.
    """
    document, folder = declaration.document, declaration.file.parent
    nowhere = missing_models(document, folder, declaration.models_place)
    if nowhere is not None or document.gateway.models is None:
        return [nowhere] if nowhere is not None else []
    found = source_of(folder / document.gateway.models).scan()
    rules = _remote_rules(document)
    fileless = [
        ConfigError(each.problem, hint=_FETCH)
        for each in found.values()
        if each.problem and not each.versions
    ]
    return [*fileless, *unknown_models(declaration, found, lambda model: _fits(model, rules))]


def unknown_models(
    declaration: Declaration, known: Collection[str], is_elsewhere: Callable[[str], bool]
) -> list[ConfigError]:
    """Return what is wrong where pipelines name models that are neither known nor elsewhere."""
    return [
        ConfigError(
            f"{plan.place}: pipeline {plan.name!r} uses the model {step.model!r}, "
            "which is not there",
            hint=f"known: {', '.join(sorted(known)) or 'none'}",
            code="EF-CONFIG-015",
        )
        for plan in declaration.pipelines
        for step in (*plan.steps, *([plan.cheaper] if plan.cheaper else []))
        if step.model and step.model not in known and not is_elsewhere(step.model)
    ]


def _remote_rules(document: Document) -> list[str]:
    """Patterns of the models that other gateways run."""
    if not document.gateways:
        return []
    return [model for model, names in document.model_affinity.items() if DEFAULT not in names]


def _fits(model: str, rules: list[str]) -> bool:
    return any(fnmatchcase(model, rule) for rule in rules)


def _local(path: Path) -> InferenceService:
    from edgeflow.inference.local import LocalService

    return LocalService(path)


def _remote(document: Document, gateways: dict[str, GatewayOptions]) -> InferenceService:
    from edgeflow.inference.client.backoff import Retry
    from edgeflow.inference.client.breaker import BreakerRule
    from edgeflow.inference.client.gateways import Gateway
    from edgeflow.inference.client.remote import RemoteService
    from edgeflow.inference.client.standing import Standings

    first = next(iter(gateways.values()))
    rule = BreakerRule(failures=first.breaker.failures, rest_s=first.breaker.rest_s)
    affinity = {
        model: [name for name in names if name in gateways]
        for model, names in document.model_affinity.items()
    }
    return RemoteService(
        [
            Gateway(
                host=options.host,
                port=options.port,
                name=name,
                pool_size=options.pool_size,
                timeout_s=options.timeout_s,
            )
            for name, options in gateways.items()
        ],
        affinity={model: names for model, names in affinity.items() if names},
        fallbacks={m: i for options in gateways.values() for m, i in options.fallback.items()},
        retry=Retry(attempts=1 + first.retries),
        standings=Standings(rule),
    )


class SplitService(InferenceService):
    """Models of this process, and some on gateways.

    Args:
        local: runs what is not remote.
        remote: runs the rest.
        is_remote: tells which model is which.
    """

    def __init__(
        self,
        local: InferenceService,
        remote: InferenceService,
        is_remote: Callable[[str], bool],
    ) -> None:
        self._local = local
        self._remote = remote
        self._is_remote = is_remote

    def _of(self, model: str) -> InferenceService:
        return self._remote if self._is_remote(model) else self._local

    def submit(self, request: InferRequest, done: Done) -> Ticket:
        """Queue a request where its model is."""
        return self._of(request.model).submit(request, done)

    def infer(
        self, request: InferRequest, timeout: float = 30.0, check: Check = no_check
    ) -> InferResponse:
        """Run a request where its model is, and wait for it."""
        return self._of(request.model).infer(request, timeout, check)

    def info(self, model: str, version: str | None = None) -> ModelInfo:
        """Describe a model."""
        return self._of(model).info(model, version)

    def status(self) -> list[ModelStatus]:
        """Return the models of both."""
        return [*self._local.status(), *self._remote.status()]

    def load(self, model: str, version: str | None = None) -> None:
        """Load a model where it is."""
        self._of(model).load(model, version)

    def unload(self, model: str) -> None:
        """Unload a model where it is."""
        self._of(model).unload(model)

    def is_ready(self, model: str | None = None) -> bool:
        """True when the model, or without a name both, can answer."""
        if model is not None:
            return self._of(model).is_ready(model)
        return self._local.is_ready() and self._remote.is_ready()

    def close(self) -> None:
        """Close both."""
        self._local.close()
        self._remote.close()
