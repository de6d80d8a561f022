"""Everything that the gRPC server tells except inferences."""

from collections.abc import Callable
from typing import Any, TypeAlias

from edgeflow.errors import ProtocolError
from edgeflow.inference.servers import oip_documents
from edgeflow.inference.servers.statistics import CountedService

__all__ = ["Answer", "Documents"]

Answer: TypeAlias = Callable[[Any], dict[str, Any]]
"""Returns the fields of the response to a request."""


class Documents:
    """Answers out of what a service tells about itself and its models.

    Attributes:
        answers: by the name of the call.
    """

    def __init__(self, service: CountedService) -> None:
        self._service = service
        self.answers: dict[str, Answer] = {
            "ServerLive": lambda _: {"live": True},
            "ServerReady": lambda _: {"ready": service.is_ready()},
            "ServerMetadata": lambda _: oip_documents.server(),
            "ModelReady": self._ready,
            "ModelMetadata": self._metadata,
            "ModelConfig": self._config,
            "ModelStatistics": self._statistics,
            "RepositoryIndex": self._index,
            "RepositoryModelLoad": self._load,
            "RepositoryModelUnload": self._unload,
        }

    def _ready(self, request: Any) -> dict[str, Any]:
        found = oip_documents.find(self._service.status(), request.name, request.version)
        answers = request.version in ("", found.version)
        return {"ready": answers and self._service.is_ready(request.name)}

    def _metadata(self, request: Any) -> dict[str, Any]:
        return oip_documents.metadata(self._service.info(request.name, request.version or None))

    def _config(self, request: Any) -> dict[str, Any]:
        info = self._service.info(request.name, request.version or None)
        status = next((each for each in self._service.status() if each.name == info.name), None)
        return {"config": oip_documents.config(info, status)}

    def _statistics(self, request: Any) -> dict[str, Any]:
        sums = self._service.statistics.sums()
        found = oip_documents.statistics(
            self._service.status(), sums, request.name, request.version
        )
        return {"model_stats": found}

    def _index(self, request: Any) -> dict[str, Any]:
        found = oip_documents.index(self._service.status(), ready_only=request.ready)
        return {"models": found}

    def _load(self, request: Any) -> dict[str, Any]:
        if request.parameters:
            raise ProtocolError(
                "request: a model's configuration cannot be sent along",
                hint="change it in the repository, and load without parameters",
            )
        self._service.load(request.model_name)
        return {}

    def _unload(self, request: Any) -> dict[str, Any]:
        self._service.unload(request.model_name)
        return {}
