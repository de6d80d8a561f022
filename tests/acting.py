"""What the tests of dispatchers share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from edgeflow.pipelines.actions.base import Dispatcher
from edgeflow.pipelines.message import Action, ActionResult

__all__ = ["act", "acting", "action", "dispatch"]


def action(payload: Any = None, *, target: str | None = None, **metadata: Any) -> Action:
    """Return an action of the agent ``guard``."""
    return Action(
        dispatcher="door",
        target=target,
        payload={} if payload is None else payload,
        metadata=metadata,
    )


@asynccontextmanager
async def acting(kind: type[Dispatcher], **options: Any) -> AsyncIterator[Any]:
    """Start a dispatcher as the orchestrator does."""
    dispatcher = kind("door", kind.Options(**options))
    await dispatcher.start()
    try:
        yield dispatcher
    finally:
        await dispatcher.stop()


async def dispatch(dispatcher: Dispatcher, what: Action) -> ActionResult:
    """Carry out one action of the agent ``guard`` in the pipeline ``vision``."""
    return await dispatcher.dispatch(what, agent="guard", pipeline="vision")


def act(kind: type[Dispatcher], *actions: Action, **options: Any) -> list[ActionResult]:
    """Carry out actions one after the other."""

    async def run() -> list[ActionResult]:
        async with acting(kind, **options) as dispatcher:
            return [await dispatch(dispatcher, what) for what in actions]

    return asyncio.run(run())
