"""The Open Inference Protocol over gRPC."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

import structlog

from edgeflow.config import settings
from edgeflow.errors import (
    CancelledError,
    ConfigError,
    EdgeFlowError,
    MissingExtraError,
    OverloadedError,
)
from edgeflow.inference.servers.grpc_calls import Call, Stream, code_of
from edgeflow.inference.servers.grpc_documents import Documents
from edgeflow.inference.servers.statistics import CountedService, Statistics
from edgeflow.inference.service import InferenceService
from edgeflow.protocols.oip_messages import SERVICE, Rpc, message, rpcs
from edgeflow.security.access import AccessRules, bearer
from edgeflow.security.tls import TlsFiles

__all__ = ["GrpcLimits", "GrpcServer"]

Context: TypeAlias = Any

_OPEN = frozenset({f"/{SERVICE}/ServerLive", f"/{SERVICE}/ServerReady"})
_GRACE_SECONDS = 1.0
_STOP_SECONDS = 1.0
_ENDLESS = 1e6
"""Seconds beyond which a deadline is none."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GrpcLimits:
    """Bounds of a gRPC server.

    Attributes:
        message: bytes of one request.
        calls: calls at once; more are refused.
        streams: of these, streams.
    """

    message: int
    calls: int = 64
    streams: int = 16


class GrpcServer:
    """Serves the models of ``service`` over gRPC, from ``start`` to ``stop``.

    Attributes:
        port: where it listens.
        rules: what clients must present as ``authorization: Bearer TOKEN``.

    Args:
        service: answers the requests; not closed by this.
        host: address to bind; wider than loopback, clients need the token of ``rules``.
        port: 0 for a free one.
        statistics: counts of all servers of the service.
        limits: bounds; by ``settings.MAX_FRAME_BYTES`` if None.
        rules: who may ask; made for ``host`` if None.
        tls: certificate and key; without, gRPC is plain.

    Raises:
        MissingExtraError: grpcio or protobuf is not installed.
        ConfigError: it cannot listen there.
    """

    def __init__(
        self,
        service: InferenceService,
        host: str = "127.0.0.1",
        port: int = 8010,
        *,
        statistics: Statistics | None = None,
        limits: GrpcLimits | None = None,
        rules: AccessRules | None = None,
        tls: TlsFiles | None = None,
    ) -> None:
        self._grpc = _grpc()
        self._service = CountedService(service, statistics or Statistics(), "grpc")
        self._documents = Documents(self._service)
        limits = limits or GrpcLimits(settings.MAX_FRAME_BYTES)
        self.host = host
        self.rules = rules or AccessRules(host, "oip_grpc")
        self._pool = ThreadPoolExecutor(limits.calls, "edgeflow-oip-grpc")
        self._streams = threading.Semaphore(limits.streams)
        self._server = self._grpc.server(
            self._pool,
            handlers=[self._handler()],
            interceptors=[_admission(self._grpc, self.rules)],
            maximum_concurrent_rpcs=limits.calls,
            options=[
                ("grpc.max_receive_message_length", limits.message),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
            ],
        )
        self.port = self._listen(host, port, tls)

    def start(self) -> Self:
        """Begin to serve."""
        self._server.start()
        log.info("server_started", protocol="oip-grpc", host=self.host, port=self.port)
        return self

    def stop(self) -> None:
        """Answer what is under way (1 s at most), hang up and let go of the threads. Idempotent."""
        ended = self._server.stop(_GRACE_SECONDS)
        if not ended.wait(_GRACE_SECONDS + _STOP_SECONDS):
            log.warning("server_lingers", protocol="oip-grpc", port=self.port)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _listen(self, host: str, port: int, tls: TlsFiles | None) -> int:
        shown = f"[{host}]" if ":" in host else host
        address = f"{shown}:{port}"
        try:
            if tls is None:
                bound = int(self._server.add_insecure_port(address))
            else:
                pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
                shows = self._grpc.ssl_server_credentials([pair])
                bound = int(self._server.add_secure_port(address, shows))
        except RuntimeError:
            bound = 0
        if not bound:
            self._pool.shutdown(wait=False)
            raise ConfigError(
                f"the OIP gRPC server cannot listen on {shown}:{port}",
                hint="another program may: choose another with --grpc-port",
            )
        return bound

    def _handler(self) -> Any:
        handlers = {}
        for rpc in rpcs():
            if rpc.name == "ModelInfer":
                handlers[rpc.name] = self._grpc.unary_unary_rpc_method_handler(self._infer)
            elif rpc.streams:
                handlers[rpc.name] = self._grpc.stream_stream_rpc_method_handler(self._stream)
            else:
                handlers[rpc.name] = self._document_handler(rpc)
        return self._grpc.method_handlers_generic_handler(SERVICE, handlers)

    def _document_handler(self, rpc: Rpc) -> Any:
        answer = self._documents.answers[rpc.name]
        response = message(rpc.response)

        def handle(request: Any, context: Context) -> Any:
            try:
                return response(**answer(request))
            except EdgeFlowError as error:
                self._abort(context, error)

        return self._grpc.unary_unary_rpc_method_handler(
            handle, message(rpc.request).FromString, response.SerializeToString
        )

    def _infer(self, data: bytes, context: Context) -> bytes:
        call = Call(self._service, context.peer())
        call.submit(data, _remaining(context))
        gone = CancelledError("the client left")
        if not context.add_callback(lambda: call.give_up(gone)):
            call.give_up(gone)
        call.wait()
        try:
            return call.response()
        except EdgeFlowError as error:
            self._abort(context, error)
            raise

    def _stream(self, requests: Iterator[bytes], context: Context) -> Iterator[bytes]:
        if not self._streams.acquire(blocking=False):
            self._abort(context, OverloadedError("too many streams are open"))
        stream = Stream(self._service, context.peer(), requests)
        try:
            if context.add_callback(stream.end):
                yield from stream.responses()
        finally:
            stream.end()
            self._streams.release()

    def _abort(self, context: Context, error: EdgeFlowError) -> None:
        context.abort(getattr(self._grpc.StatusCode, code_of(error)), str(error))


def _remaining(context: Context) -> float | None:
    seconds = context.time_remaining()
    return None if seconds is None or seconds > _ENDLESS else float(seconds)


def _grpc() -> Any:
    try:
        import grpc
    except ModuleNotFoundError:
        raise MissingExtraError("grpc", "grpc") from None
    return grpc


def _admission(grpc: Any, rules: AccessRules) -> Any:
    """Return an interceptor that applies the rules."""

    def refuse(_request: Any, context: Context) -> None:
        context.abort(
            grpc.StatusCode.UNAUTHENTICATED, "send the metadata authorization: Bearer TOKEN"
        )

    refusal = grpc.unary_unary_rpc_method_handler(refuse)
    stream_refusal = grpc.stream_stream_rpc_method_handler(refuse)

    class Admission(grpc.ServerInterceptor):  # type: ignore[misc]  # the package has no types
        def intercept_service(self, proceed: Callable[[Any], Any], details: Any) -> Any:
            given = (bearer(v) for k, v in details.invocation_metadata if k == "authorization")
            handler = proceed(details)
            if rules.token is None or handler is None or details.method in _OPEN:
                return handler
            if any(map(rules.admits, given)):
                return handler
            return stream_refusal if handler.request_streaming else refusal

    return Admission()
