"""Nodes that sense, in the tables that all programs share."""

from collections.abc import Callable, Iterable, Iterator

from edgeflow.core.vitals import SensingEvent, SensingView, VitalsUpdate
from edgeflow.devices.history import History, Sighting
from edgeflow.store.tables import Row

__all__ = ["keep_sensing"]

EVERY_SECONDS = 1.0
NEWS = 1 << 20


def keep_sensing(history: History, views: Callable[[], Iterable[SensingView]]) -> None:
    """Keep vitals and events of nodes, register nodes, and tell when one is silent.

    Args:
        history: where.
        views: of whom, asked again each time; one that is new is heard from its oldest news on.
    """
    rows = _SensingRows(views)
    history.watch(rows.sightings)
    history.sample("csi_vitals", rows.vitals, EVERY_SECONDS)
    history.sample("events", rows.events, EVERY_SECONDS)


class _SensingRows:
    def __init__(self, views: Callable[[], Iterable[SensingView]]) -> None:
        self._views = views
        self._told: dict[str, dict[int, tuple[SensingView, int]]] = {"vitals": {}, "events": {}}

    def sightings(self) -> Iterator[Sighting]:
        for view in self._views():
            for node in view.nodes():
                live = node.state == "live"
                yield Sighting(
                    node.name, "csi", node.last_seen, live, "" if live else "it is silent"
                )

    def vitals(self) -> Iterator[Row]:
        return (_vitals(said) for said in self._news("vitals") if isinstance(said, VitalsUpdate))

    def events(self) -> Iterator[Row]:
        return (_event(said) for said in self._news("events") if isinstance(said, SensingEvent))

    def _news(self, what: str) -> Iterator[VitalsUpdate | SensingEvent]:
        told, self._told[what] = self._told[what], {}
        for view in self._views():
            _, last = told.get(id(view), (view, 0))
            for said in view.news(last, NEWS):
                last = said.number
                yield said
            self._told[what][id(view)] = (view, last)


def _vitals(said: VitalsUpdate) -> Row:
    numbers = {
        "motion": said.motion,
        "breathing_bpm": said.breathing_bpm,
        "heart_bpm": said.heart_bpm,
        "confidence": said.confidence,
    }
    return {
        "device_id": said.name,
        "timestamp": said.time,
        "presence": said.presence,
        "persons": said.persons,
        "fall": said.fall,
        **{name: value for name, value in numbers.items() if value is not None},
    }


def _event(said: SensingEvent) -> Row:
    return {
        "device_id": said.name,
        "timestamp": said.time,
        "kind": said.kind,
        "source": "csi",
        "value": said.value,
        "details": {"presence": said.presence, "code": said.code, "slot": said.slot},
    }
