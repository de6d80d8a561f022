"""What pipelines do, in the tables that all programs share: actions, alerts, cameras, nodes."""

import time
from collections.abc import Callable, Iterable, Iterator

from edgeflow.core.vitals import SensingView
from edgeflow.devices.history import History, Sighting
from edgeflow.observe.activity import ActivityBook, activities
from edgeflow.pipelines.connectors.base import BaseConnector
from edgeflow.pipelines.connectors.csi import CsiConnector
from edgeflow.sensing.rows import keep_sensing

__all__ = ["keep_pipelines"]


def keep_pipelines(
    program: str,
    connectors: Callable[[], Iterable[BaseConnector]],
    problems: Callable[[], list[str]],
    book: ActivityBook = activities,
) -> History | None:
    """Keep what happens, if ``EDGEFLOW_STORE`` asks for it.

    Args:
        program: its name in the tables.
        connectors: those that run, asked again each time.
        problems: what keeps it from working.
        book: of actions and alerts.

    Returns:
        What the caller closes; None if nothing is kept.

    Raises:
        StoreError: the tables cannot be opened.
    """
    history = History.wanted(program)
    if history is None:
        return None

    def devices() -> Iterator[Sighting]:
        for each in connectors():
            if each.device_kind:
                online = each.state == "connected"
                why = "" if online else each.last_error or each.state
                yield Sighting(each.name, each.device_kind, time.time(), online, why)

    def sensing() -> Iterator[SensingView]:
        for each in connectors():
            if isinstance(each, CsiConnector) and (found := each.sensing) is not None:
                yield found

    history.watch(devices)
    keep_sensing(history, sensing)
    history.follow(book)
    history.health(problems)
    return history
