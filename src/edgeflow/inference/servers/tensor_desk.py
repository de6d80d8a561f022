"""What all connections of the tensor server share: the service, bounds, counters, completions."""

import asyncio
import functools
import ipaddress
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from edgeflow.core.histogram import Histogram
from edgeflow.errors import CancelledError, EdgeFlowError, EngineError
from edgeflow.inference.descriptions import describe_info, describe_statuses
from edgeflow.inference.requests import InferRequest
from edgeflow.inference.servers.tensor_calls import Call, infer_request_v1
from edgeflow.inference.servers.tensor_connection import Connection
from edgeflow.inference.service import InferenceService
from edgeflow.protocols.tensor import v1, v2
from edgeflow.protocols.tensor.wire import Array, Limits, Status

__all__ = ["Desk", "TensorServerOptions"]

log = structlog.get_logger(__name__)

_MAX_REFUSED = 64
_MAX_LABELS = 256
_SWEEP_SECONDS = 0.25
_ALONE_SECONDS = 1.0
"""Silence of all others after which a client is taken for the only one."""
_PATIENCE_SECONDS = 1.0
"""How long a frame may hold memory, besides what its size needs, while there is none left."""


@dataclass(frozen=True, slots=True)
class TensorServerOptions:
    """Bounds of the tensor server.

    Attributes:
        max_clients: connections served at once; one more is told "overloaded" and closed.
        max_in_flight: requests of one connection under way; what comes on top waits unread.
        max_memory: bytes held by requests of all connections; beyond it they are "overloaded".
        write_buffer_bytes: answers that may wait for one slow reader.
        read_timeout_s: how long a frame that has begun may take, besides what its size needs.
        write_timeout_s: how long a client may leave answers unread, besides what they need.
        min_bytes_per_s: slowest client for that.
        allow: networks (CIDR) whose clients are served besides this machine's own.
        control: let version-2 clients load and unload models.
        limits: of the protocol.
    """

    max_clients: int = 256
    max_in_flight: int = 64
    max_memory: int = 256 << 20
    write_buffer_bytes: int = 1 << 20
    read_timeout_s: float = 30.0
    write_timeout_s: float = 30.0
    min_bytes_per_s: int = 1 << 20
    allow: Sequence[str] = ()
    control: bool = False
    limits: Limits = field(default_factory=Limits)


class Desk:
    """Belongs to the server's loop; ``post`` alone may be called from any thread."""

    def __init__(self, service: InferenceService, options: TensorServerOptions, about: str) -> None:
        self.options = options
        self.connections: set[Connection] = set()
        self.requests: dict[tuple[int, str, Status], int] = {}
        self.times = Histogram()
        self.succeeded = self.failed = self.cancelled = 0
        self.bytes_received = self.bytes_sent = 0
        self.memory = 0
        self.refused_clients = 0
        self._service = service
        self._about = about
        self._networks = [ipaddress.ip_network(each, strict=False) for each in options.allow]
        self._loop = asyncio.get_running_loop()
        self._done: deque[Call] = deque()
        self._woken = False
        self._flushing = False
        self.awake = _Awake(self)
        self._speaker: Connection | None = None
        self._speaking_since = 0.0
        self._side = ThreadPoolExecutor(2, thread_name_prefix="edgeflow-tensor-side")
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    # --- requests

    def submit(self, call: Call, request: InferRequest) -> None:
        """Hand a request to the service, unless its client has left by now."""
        if not call.connection.is_open:
            call.done(CancelledError("the client has left"))
            return
        try:
            call.ticket = self._service.submit(request, call.done)
            if getattr(call.ticket, "crowded", False):
                call.connection.crowded = call
        except Exception as error:
            log.exception("service_failed", model=request.model)
            call.done(EngineError(f"the service failed: {error}"))

    def hear(self, connection: Connection) -> None:
        """Note who sends."""
        if connection is not self._speaker:
            self._speaker = connection
            self._speaking_since = time.monotonic()

    def hears_only(self, connection: Connection) -> bool:
        """True if nobody else has sent anything for a while."""
        alone = connection is self._speaker
        return alone and time.monotonic() - self._speaking_since > _ALONE_SECONDS

    def inquire(self, call: Call, request: v2.Request) -> None:
        """Answer a question about models; those that may load one are asked beside the loop."""
        if request.kind is v2.Kind.PING:
            call.done(self._about)
            return
        if request.kind in (v2.Kind.LOAD, v2.Kind.UNLOAD) and not self.options.control:
            hint = "start it with control allowed, or use its HTTP door"
            call.done(EngineError("this server lets nobody load models from here", hint=hint))
            return
        self._aside(call, functools.partial(self._inquire, request))

    def settle_layout(self, call: Call, request: v1.Request) -> None:
        """Choose between two valid readings of a request by the inputs that the model declares."""

        def settle() -> InferRequest:
            spec = self._service.info(request.model).spec.inputs

            def fits(arrays: Sequence[Array]) -> bool:
                return len(arrays) == len(spec) and all(
                    array.dtype == want.dtype and want.accepts(array.shape)
                    for array, want in zip(arrays, spec, strict=True)
                )

            request.inputs = v1.choose(request, fits)
            return infer_request_v1(request, call.connection.share)

        self._aside(call, settle)

    def reserve(self, nbytes: int) -> bool:
        """Take memory for a frame of that size, if there is any."""
        if self.memory + nbytes > self.options.max_memory:
            now = time.monotonic()
            for connection in tuple(self.connections):
                connection.make_room(now, _PATIENCE_SECONDS)
        if self.memory + nbytes > self.options.max_memory:
            return False
        self.memory += nbytes
        return True

    def release(self, nbytes: int) -> None:
        """Give memory back."""
        self.memory -= nbytes

    # --- outcomes

    def post(self, call: Call) -> None:
        """Take a finished call, from any thread; many of them wake the loop once."""
        self._done.append(call)
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self.flush)
            except RuntimeError:  # the loop has ended: nobody waits for the answer
                self._done.clear()

    def hold(self) -> None:
        """Let finished calls wait for the ``flush`` that follows, instead of waking the loop."""
        self._woken = True

    def flush(self) -> None:
        """Answer every call that has finished, each connection in one go."""
        self._woken = False
        if self._flushing:
            return
        self._flushing = True
        try:
            while self._done:
                touched: dict[Connection, None] = {}
                while self._done:
                    call = self._done.popleft()
                    self._count(call)
                    if not call.told:
                        call.connection.answered(call)
                    touched[call.connection] = None
                for connection in touched:
                    _push(connection)
        finally:
            self._flushing = False

    # --- clients

    def welcome(self, connection: Connection) -> None:
        """Decide about a new client."""
        if not self._is_allowed(connection.host):
            self.refused_clients += 1
            connection.abort("its address is not on the allow-list")
            return
        if len(self.connections) >= self.options.max_clients:
            self.refused_clients += 1
            connection.refused = f"{self.options.max_clients} clients are connected already"
            if len(self.connections) >= self.options.max_clients + _MAX_REFUSED:
                connection.abort(connection.refused)
                return
        self.connections.add(connection)

    def farewell(self, connection: Connection) -> None:
        """Forget a client."""
        self.connections.discard(connection)
        if connection is self._speaker:
            self._speaker = None

    async def close(self, grace: float) -> None:
        """Let the requests under way end within ``grace`` seconds, then hang up."""
        for connection in tuple(self.connections):
            connection.finish()
        limit = time.monotonic() + grace
        while self.connections and time.monotonic() < limit:
            await asyncio.sleep(0.01)
        for connection in tuple(self.connections):
            connection.abort("the server ends")
        self._sweeper.cancel()
        self._side.shutdown(wait=False, cancel_futures=True)
        await asyncio.sleep(0)

    # --- inside

    def _aside(self, call: Call, work: Callable[[], InferRequest | str]) -> None:
        def run() -> None:
            try:
                result = work()
            except EdgeFlowError as error:
                call.done(error)
            except Exception as error:
                log.exception("service_failed", model=call.model)
                call.done(EngineError(f"the service failed: {error}"))
            else:
                if isinstance(result, str):
                    call.done(result)
                else:
                    self._loop.call_soon_threadsafe(self.submit, call, result)

        self._side.submit(run)

    def _inquire(self, request: v2.Request) -> str:
        version = request.version or None
        if request.kind is v2.Kind.LIST:
            return describe_statuses(self._service.status())
        if request.kind is v2.Kind.LOAD:
            self._service.load(request.model, version)
        elif request.kind is v2.Kind.UNLOAD:
            self._service.unload(request.model)
            return ""
        return describe_info(self._service.info(request.model, version))

    def _count(self, call: Call) -> None:
        self.release(call.nbytes)
        if not call.connection.is_open:
            self.cancelled += 1
            return
        if call.kind is not v2.Kind.INFER:
            return
        status = call.status
        if status is Status.OK:
            self.succeeded += 1
        else:
            self.failed += 1
        known = status not in (Status.MALFORMED, Status.UNKNOWN_MODEL)
        key = (call.protocol, call.model if known else "", status)
        if key not in self.requests and len(self.requests) >= _MAX_LABELS:
            key = (call.protocol, "", status)
        self.requests[key] = self.requests.get(key, 0) + 1
        self.times.add(time.perf_counter_ns() - call.started)

    def _is_allowed(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.split("%", 1)[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return mapped.is_loopback or any(mapped in network for network in self._networks)

    def _sweep(self) -> None:
        now = time.monotonic()
        for connection in tuple(self.connections):
            connection.check(now)
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)


def _push(connection: Connection) -> None:
    """Send what one connection has to send; its trouble is not that of the others."""
    try:
        connection.push()
    except Exception:
        log.exception("connection_failed", client=connection.address)
        connection.abort("its answers cannot be sent")


class _Awake:
    """While the loop works on a client's requests, none of their outcomes needs to wake it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __enter__(self) -> None:
        self._desk.hold()

    def __exit__(self, *_: object) -> None:
        self._desk.flush()
