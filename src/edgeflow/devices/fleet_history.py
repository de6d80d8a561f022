"""Boards, in the tables that all programs share."""

import time
from collections.abc import Iterator

from edgeflow.core.ports import DeviceView
from edgeflow.devices.history import History, Sighting
from edgeflow.observe.activity import activities

__all__ = ["keep_fleet"]

AWAY = frozenset({"connecting", "lost"})


def keep_fleet(fleet: DeviceView) -> History | None:
    """Register boards, tell when one is away, and keep what was done with them.

    Returns:
        What the caller closes; None unless ``EDGEFLOW_STORE`` asks for it.

    Raises:
        StoreError: the tables cannot be opened.
    """
    history = History.wanted("boards")
    if history is None:
        return None

    def boards() -> Iterator[Sighting]:
        for each in fleet.devices():
            away = each.state in AWAY
            seen = each.last_seen or time.time()
            yield Sighting(each.name, "board", seen, not away, each.last_error if away else "")

    history.watch(boards)
    history.follow(activities)
    history.health(list)
    return history
