"""The short way of a request: from the thread that asks to a socket, without the loop between."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from edgeflow.errors import CancelledError, EdgeFlowError, UnreachableError
from edgeflow.inference.client.connection import NoAnswerError
from edgeflow.inference.client.gateways import Gateway
from edgeflow.inference.client.routing import AsyncTensorClient
from edgeflow.inference.client.sync import TensorClient
from edgeflow.inference.requests import InferRequest, InferResponse

__all__ = ["DirectPath"]


class DirectPath:
    """Makes the first try of a request on a blocking connection. Any thread may call it.

    It serves gateways that the client has found to speak version 2; the client does all that a
    first try leaves to be done.

    Args:
        client: finds gateways, and keeps their breakers and figures.
        sizes: by name of the gateway, connections at most.
    """

    def __init__(self, client: AsyncTensorClient, sizes: Mapping[str, int]) -> None:
        self._client = client
        self._sizes = sizes
        self._lock = threading.Lock()
        self._all: dict[str, list[TensorClient]] = {}
        self._free: dict[str, deque[TensorClient]] = {}
        self._closed = False

    def attempt(
        self, request: InferRequest, timeout: float, check: Callable[[], None]
    ) -> InferResponse | EdgeFlowError | None:
        """Ask the first gateway of the model.

        Args:
            request: has a deadline.
            timeout: seconds.
            check: called now and then while waiting; what it raises ends the try.

        Returns:
            The answer; or the error, be it the gateway's or its silence; None if no gateway can be
            said to have been asked: none is free or known, or the connection was lost.

        Raises:
            CancelledError: closed meanwhile.
        """
        name = self._client.affinity.order(request.model)[0]
        connections = self._free.get(name)
        if connections is None:
            connections = self._connections(name)
        try:
            connection = connections.pop()
        except IndexError:
            return None
        try:
            return self._ask(connection, name, request, timeout, check)
        finally:
            connections.append(connection)

    def connections(self, gateway: str) -> int:
        """Return how many are open."""
        return sum(each.is_open for each in self._all.get(gateway, ()))

    def close(self) -> None:
        """Hang up; tries under way end with ``CancelledError``."""
        with self._lock:
            self._closed = True
            connections = [each for made in self._all.values() for each in made]
        for connection in connections:
            connection.close()

    def _ask(
        self,
        connection: TensorClient,
        name: str,
        request: InferRequest,
        timeout: float,
        check: Callable[[], None],
    ) -> InferResponse | EdgeFlowError | None:
        standing = self._client.standings.of(name, request.model)
        if not (self._is_of_use(connection, name) and standing.breaker.allow()):
            return None
        gateway = self._client.affinity.gateways[name]
        started = time.perf_counter_ns()
        limit = time.monotonic() + min(timeout, gateway.timeout_s)
        limit = min(limit, request.deadline or limit)
        try:
            response = connection.attempt(request, limit, lambda: self._check(check))
        except UnreachableError:
            standing.retries += 1
            standing.breaker.forget()  # the client will see whether the gateway is away
            return None
        except NoAnswerError:
            seconds = (time.perf_counter_ns() - started) / 1e9
            silence = NoAnswerError(f"{name} gave no answer within {seconds:.3g} s")
            standing.failed(silence)
            return silence
        except EdgeFlowError as error:
            if self._closed:
                standing.breaker.forget()
                raise
            standing.failed(error)
            return error
        except BaseException as error:
            standing.failed(error)
            raise
        standing.answered(time.perf_counter_ns() - started)
        return response

    def _is_of_use(self, connection: TensorClient, name: str) -> bool:
        pool = self._client.pools.get(name)
        return (
            pool is not None and pool.protocol == 2 and (connection.is_connected() or pool.is_open)
        )

    def _check(self, check: Callable[[], None]) -> None:
        if self._closed:
            raise CancelledError("the client is closed")
        check()

    def _connections(self, name: str) -> deque[TensorClient]:
        """Make the connections to a gateway, each opened when it is first needed."""
        with self._lock:
            found = self._free.get(name)
            if found is None:
                gateway = self._client.affinity.gateways[name]
                count = 0 if self._closed else self._sizes[name]
                made = self._all[name] = [_connection(gateway) for _ in range(count)]
                found = self._free[name] = deque(made)
            return found


def _connection(gateway: Gateway) -> TensorClient:
    return TensorClient(
        gateway.host, gateway.port, timeout=gateway.timeout_s, protocol=2, tls=gateway.tls
    )
