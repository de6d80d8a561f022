"""The connections to one gateway, opened as they are needed and used again."""

import asyncio
import contextlib
import time
from typing import Any

import structlog

from edgeflow.errors import EdgeFlowError, ProtocolError, UnreachableError
from edgeflow.inference.client.connection import ClientConnection, NoAnswerError
from edgeflow.inference.client.gateways import Gateway
from edgeflow.inference.client.messages import encode, infer_response_v1, infer_response_v2
from edgeflow.inference.engines.base import EngineSpec
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.protocols.tensor import v2
from edgeflow.protocols.tensor.wire import Status, error_of

__all__ = ["TensorPool"]

log = structlog.get_logger(__name__)

_CONNECT_SECONDS = 2.0


class TensorPool:
    """Asks one gateway; every call is one try. All methods run in one loop.

    A gateway whose version is not fixed is sent a version-2 ping first. One that hangs up on it,
    or answers in version 1, is spoken to in version 1 until its connection is lost, and over one
    connection, because the known version-1 server serves one at a time.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.protocol: int | None = gateway.protocol
        self._connections: list[ClientConnection] = []
        self._opening = 0
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def connections(self) -> int:
        """How many are open."""
        return sum(connection.is_open for connection in self._connections)

    @property
    def is_open(self) -> bool:
        """True while the gateway holds a connection. Any thread may ask."""
        return any(connection.is_open for connection in self._connections)

    async def infer(
        self, request: InferRequest, timeout: float, declared: EngineSpec | None = None
    ) -> InferResponse:
        """Run one request on a connection of the pool.

        Args:
            request: sent with what is left of its own deadline.
            timeout: seconds, for all of it.
            declared: the model's tensors, for version 1.

        Raises:
            UnreachableError: no connection, or it was lost before the answer.
            NoAnswerError: nothing came in time.
            EngineError: what the server says went wrong.
            ProtocolError: either side could not read the other.
        """
        limit = time.monotonic() + timeout
        connection = await self._take(limit)
        number = connection.next_number()
        parts = encode(request, number, connection.protocol, declared)
        answer = await connection.ask(parts, number, limit - time.monotonic())
        if isinstance(answer, v2.Response):
            return infer_response_v2(answer, request)
        return infer_response_v1(answer, request, declared)

    async def inquire(
        self, kind: v2.Kind, model: str, version: str | None, timeout: float
    ) -> str | None:
        """Ask about models in version 2; None from a gateway that only speaks version 1.

        Raises:
            UnreachableError, NoAnswerError, EngineError, ProtocolError: as ``infer``.
        """
        limit = time.monotonic() + timeout
        connection = await self._take(limit)
        if connection.protocol == 1:
            return None
        number = connection.next_number()
        request = v2.Request(number, model, kind=kind, version=version or "")
        parts = v2.encode_request(request)
        answer = await connection.ask(parts, number, limit - time.monotonic())
        if answer.status != Status.OK:
            raise error_of(answer.status, answer.text)
        return str(answer.text)

    async def close(self) -> None:
        """Hang up. Requests under way fail."""
        self._closed = True
        for connection in self._connections:
            connection.close()
        self._announce()
        await asyncio.sleep(0)

    async def _take(self, limit: float) -> ClientConnection:
        while True:
            if self._closed:
                raise UnreachableError(f"the pool of {self.gateway.label} is closed")
            self._drop_lost()
            best = min(self._connections, key=lambda each: each.flight, default=None)
            room = self._size() - len(self._connections) - self._opening
            if best is not None and (best.flight == 0 or room <= 0):
                return best
            if room > 0:
                return await self._open(limit)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), limit - time.monotonic())
            if time.monotonic() >= limit:
                raise NoAnswerError(f"{self.gateway.label}: no connection in time")

    def _size(self) -> int:
        alone = self.protocol is None or (self.protocol == 1 and self.gateway.protocol is None)
        return 1 if alone else self.gateway.pool_size

    def _drop_lost(self) -> None:
        kept = [connection for connection in self._connections if connection.is_open]
        if len(kept) < len(self._connections):
            self._connections = kept
            self.protocol = self.gateway.protocol if not kept else self.protocol

    async def _open(self, limit: float) -> ClientConnection:
        self._opening += 1
        try:
            left = min(_CONNECT_SECONDS, limit - time.monotonic())
            async with asyncio.timeout(max(0.0, left)):
                connection = await self._negotiate()
        except TimeoutError:
            raise UnreachableError(f"{self.gateway.label} does not accept a connection") from None
        except OSError as error:
            raise UnreachableError(f"{self.gateway.label}: {error}") from error
        finally:
            self._opening -= 1
            self._announce()
        if self._closed:
            connection.close()
            raise UnreachableError(f"the pool of {self.gateway.label} is closed")
        self._connections.append(connection)
        return connection

    async def _negotiate(self) -> ClientConnection:
        connection = await self._connect()
        if self.protocol is None:
            if await self._speaks_2(connection):
                self.protocol = 2
            else:
                connection.close()
                connection = await self._connect()
                self.protocol = 1
                log.info("gateway_speaks_version_1", gateway=self.gateway.label)
        connection.protocol = self.protocol
        return connection

    async def _speaks_2(self, connection: ClientConnection) -> bool:
        number = connection.next_number()
        ping = v2.encode_request(v2.Request(number, kind=v2.Kind.PING))
        try:
            answer: Any = await connection.ask(ping, number, _CONNECT_SECONDS)
        except (ProtocolError, UnreachableError):
            return False
        except BaseException:
            connection.close()
            raise
        return bool(answer.status == Status.OK) or _raise(answer)

    async def _connect(self) -> ClientConnection:
        gateway = self.gateway
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: ClientConnection(gateway.label), gateway.host, gateway.port, ssl=gateway.tls
        )
        return connection

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _raise(answer: v2.Response) -> bool:
    error: EdgeFlowError = error_of(answer.status, answer.text)
    raise error
