"""What the parts of the climate system say about themselves, as rows that dashboards show."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from edgeflow.comms.mqtt import MqttClient
from edgeflow.errors import StoreError
from edgeflow.store.spooled import SpooledWriter

__all__ = ["HEALTH_SECONDS", "ServiceState", "keep_health", "problems_of", "states_of"]

_log = structlog.get_logger(__name__)

HEALTH_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class ServiceState:
    """How a service is: ``problem`` is empty when it works; ``milliseconds`` its last work took."""

    service: str
    problem: str = ""
    milliseconds: float = float("nan")


def problems_of(
    clients: Sequence[MqttClient], tasks: Sequence[asyncio.Task[None]], writer: SpooledWriter | None
) -> list[str]:
    """What keeps a system from working; empty when nothing does."""
    found = [
        f"broker: {client.last_error or client.state}"
        for client in clients
        if not client.is_connected
    ]
    found += [f"broker: {each} is not heard" for client in clients for each in client.unheard]
    found += [f"{task.get_name()} ended" for task in tasks if task.done()]
    if writer is not None and writer.stats.last_error:
        found.append(f"store: {writer.stats.last_error}")
    return found


def states_of(
    clients: Sequence[MqttClient], tasks: Sequence[asyncio.Task[None]], writer: SpooledWriter | None
) -> list[ServiceState]:
    """How each service of a process is."""
    brokers = [each.last_error or "away" for each in clients if not each.is_connected]
    found = [ServiceState("broker", "; ".join(brokers))]
    if writer is not None:
        stats = writer.stats
        found.append(ServiceState("store", stats.last_error, 1000.0 * stats.store_seconds))
    found += [
        ServiceState(task.get_name(), "it ended" if task.done() else "")
        for task in tasks
        if task.get_name() != "health"
    ]
    return found


async def keep_health(
    writer: SpooledWriter,
    look: Callable[[], Sequence[ServiceState]],
    now: Callable[[], float],
    seconds: float = HEALTH_SECONDS,
    tell: Callable[[str, str, float], None] = lambda *_: None,
) -> None:
    """Store what ``look`` says, each so many seconds, until cancelled.

    Args:
        writer: where to.
        look: how services are.
        now: seconds since the Unix epoch.
        seconds: between two looks.
        tell: told each service, its problem or nothing, and the time.
    """
    while True:
        await asyncio.sleep(seconds)
        states = look()
        for state in states:
            tell(state.service, state.problem, now())
        rows = [
            {
                "device_id": "backend",
                "timestamp": now(),
                "service": state.service,
                "state": "failed" if state.problem else "ok",
                "detail": state.problem,
                "value": state.milliseconds,
            }
            for state in states
        ]
        try:
            await asyncio.to_thread(writer.append, "health", rows)
        except StoreError as error:
            _log.warning("health_not_kept", error=str(error))
