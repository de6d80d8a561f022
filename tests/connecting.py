"""What the tests of connectors share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from edgeflow.pipelines.connectors.base import BaseConnector, RouteOptions
from edgeflow.pipelines.message import EdgeMessage

__all__ = ["collect", "listening", "made", "until"]


def made(
    kind: type[BaseConnector],
    routes: Sequence[dict[str, Any]] = (),
    called: str = "peer",
    **options: Any,
) -> BaseConnector:
    """Return a connector as the orchestrator makes it."""
    chosen: tuple[RouteOptions, ...] = tuple(kind.Route(**route) for route in routes)
    return kind(called, kind.Options(**options), chosen)


class Listener:
    """Takes messages of a running connector."""

    def __init__(self, connector: BaseConnector) -> None:
        self.connector = connector
        self.messages: list[EdgeMessage] = []
        self._taken = 0

    async def run(self) -> None:
        async with aclosing(self.connector.iter_messages()) as messages:  # type: ignore[type-var]
            async for message in messages:
                self.messages.append(message)

    async def take(self, count: int = 1, timeout: float = 30.0) -> list[EdgeMessage]:
        """Return the next ``count`` messages."""
        await until(lambda: len(self.messages) >= self._taken + count, timeout)
        taken = self.messages[self._taken : self._taken + count]
        self._taken += count
        return taken


async def until(true: Callable[[], Any], timeout: float = 30.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(timeout):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(connector: BaseConnector) -> AsyncIterator[Listener]:
    """Run a connector."""
    await connector.start()
    listener = Listener(connector)
    task = asyncio.create_task(listener.run())
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await connector.stop()


def collect(connector: BaseConnector, count: int | None = None) -> list[EdgeMessage]:
    """Run a connector until it gave ``count`` messages, or until its end."""

    async def run() -> list[EdgeMessage]:
        await connector.start()
        found: list[EdgeMessage] = []
        try:
            async with (
                asyncio.timeout(30),
                aclosing(connector.iter_messages()) as messages,  # type: ignore[type-var]
            ):
                async for message in messages:
                    found.append(message)
                    if len(found) == count:
                        break
        finally:
            await connector.stop()
        return found

    return asyncio.run(run())
