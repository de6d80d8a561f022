"""The async half of a connector node: runs the connector and acknowledges its messages."""

import asyncio
import concurrent.futures
import contextlib
from collections import deque
from contextlib import aclosing
from typing import Any

from edgeflow.errors import PipelineError
from edgeflow.pipelines.connectors.base import BaseConnector
from edgeflow.pipelines.declaration import ConnectorPlan
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.nodes.loop import Inbox
from edgeflow.pipelines.receipts import Receipt, Receipts
from edgeflow.pipelines.session import Session

__all__ = ["Feed"]

START_SECONDS = 30.0
STOP_SECONDS = 0.8


class Feed:
    """Runs one connector on the session's event loop.

    Attributes:
        connector: what it runs.
        inbox: its messages, for the node's thread.
        receipts: what has not been finished yet; None where nobody waits for acknowledgements.
    """

    def __init__(self, plan: ConnectorPlan, session: Session) -> None:
        self.connector = plan.kind(plan.name, plan.options, plan.routes)
        self.inbox: Inbox[EdgeMessage] = Inbox(session.loop.loop)
        wanted = type(self.connector).acknowledge is not BaseConnector.acknowledge
        self.receipts = Receipts(self._over, lambda: session.live) if wanted else None
        self._session = session
        self._acknowledged = session.metrics.acknowledged.labels(plan.name)
        self._finished: deque[EdgeMessage] = deque()
        self._more = asyncio.Event()
        self._error: Exception | None = None
        self._tasks: list[concurrent.futures.Future[Any]] = []

    @property
    def ended(self) -> bool:
        """True when the connector will give nothing more and everything was taken."""
        return self.inbox.drained

    def start(self) -> None:
        """Start the connector.

        Raises:
            EdgeFlowError: it cannot.
            TimeoutError: it did not start in time.
        """
        loop = self._session.loop
        loop.run(self.connector.start(), START_SECONDS)
        self._tasks = [loop.spawn(self._read())]
        if self.receipts is not None:
            self._tasks.append(loop.spawn(self._acknowledge()))

    def issue(self, message: EdgeMessage, parts: int) -> Receipt | None:
        """Return the receipt for a message that goes ``parts`` ways, if the connector wants one."""
        return self.receipts.issue(message, parts) if self.receipts is not None else None

    def check(self) -> None:
        """Raise what the connector has raised."""
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Read no more, acknowledge what is finished within a moment, stop the connector."""
        loop = self._session.loop
        for task in self._tasks[:1]:
            task.cancel()
        self.inbox.close()
        if self.receipts is not None and self._tasks:
            if self.ended or not self._session.live:  # not after a crash
                self.receipts.wait(self._session.linger())
            with contextlib.suppress(TimeoutError, PipelineError):
                loop.run(self._flush(), STOP_SECONDS)
            self._tasks[-1].cancel()
        self._tasks = []
        with contextlib.suppress(PipelineError):
            loop.run(self.connector.stop(), STOP_SECONDS)

    async def _read(self) -> None:
        try:
            messages: Any = self.connector.iter_messages()
            if hasattr(messages, "aclose"):
                async with aclosing(messages) as closing:
                    await self._pass_on(closing)
            else:
                await self._pass_on(messages)
        except Exception as error:  # noqa: BLE001 - raised again in the node's thread
            self._error = error
        finally:
            self.inbox.close()

    async def _pass_on(self, messages: Any) -> None:
        async for message in messages:
            await self.inbox.put(message)

    def _over(self, message: EdgeMessage) -> None:
        self._finished.append(message)
        if self._session.loop.is_current:
            self._more.set()
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended: the sender sends it again
            self._session.loop.loop.call_soon_threadsafe(self._more.set)

    async def _acknowledge(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            await self._flush()

    async def _flush(self) -> None:
        while self._finished:
            message = self._finished.popleft()
            try:
                await self.connector.acknowledge(message)
                self._acknowledged.inc()
            except Exception as error:  # noqa: BLE001 - it will be delivered again
                self.connector.log.warning("message_not_acknowledged", error=str(error))
