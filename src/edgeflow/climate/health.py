"""What the parts of the climate system say about themselves, as rows that dashboards show."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from edgeflow.errors import StoreError
from edgeflow.store.spooled import SpooledWriter

__all__ = ["HEALTH_SECONDS", "ServiceState", "keep_health"]

_log = structlog.get_logger(__name__)

HEALTH_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class ServiceState:
    """How a service is: ``problem`` is empty when it works; ``milliseconds`` its last work took."""

    service: str
    problem: str = ""
    milliseconds: float = float("nan")


async def keep_health(
    writer: SpooledWriter,
    look: Callable[[], Sequence[ServiceState]],
    now: Callable[[], float],
    seconds: float = HEALTH_SECONDS,
) -> None:
    """Store what ``look`` says, each so many seconds, until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        rows = [
            {
                "device_id": "backend",
                "timestamp": now(),
                "service": state.service,
                "state": "failed" if state.problem else "ok",
                "detail": state.problem,
                "value": state.milliseconds,
            }
            for state in look()
        ]
        try:
            await asyncio.to_thread(writer.append, "health", rows)
        except StoreError as error:
            _log.warning("health_not_kept", error=str(error))
