"""Nodes that sense on the dashboard's API, and the live feed."""

import json
from collections.abc import Callable
from contextlib import ExitStack

from web_doors import client_of, serving, until
from websockets.sync.client import connect

from edgeflow.core.sensing import SensingSummary
from edgeflow.core.vitals import SensingEvent, SensingNode, VitalsUpdate
from edgeflow.errors import ConfigError


def update(number: int, **values: object) -> VitalsUpdate:
    usual = {"presence": True, "motion": 0.5, "breathing_bpm": 6.0, "heart_bpm": None}
    usual |= {"persons": 1, "fall": False, "confidence": 0.9}
    return VitalsUpdate(t=float(number), node=7, name="7", number=number, **(usual | values))


class Room:
    """The ``SensingView`` of one node, fed by the test."""

    def __init__(self) -> None:
        self.said: list[VitalsUpdate | SensingEvent] = [update(1), update(2)]
        self.told: list[Callable[[], None]] = []
        self.learning: list[str] = []
        self.busy = False

    def nodes(self) -> list[SensingNode]:
        vitals = [each for each in self.said if isinstance(each, VitalsUpdate)]
        return [SensingNode(name="7", node=7, rate=50.0, vitals=vitals[-1])]

    def history(self, name: str, after: int = 0, limit: int = 300) -> list[VitalsUpdate]:
        if name != "7":
            raise ConfigError(f"there is no node {name!r}", code="EF-DEVICE-404")
        found = [each for each in self.said if isinstance(each, VitalsUpdate)]
        return [each for each in found if each.number > after][-limit:]

    def news(self, after: int = 0, limit: int = 500) -> list[VitalsUpdate | SensingEvent]:
        return [each for each in self.said if each.number > after][-limit:]

    def summary(self) -> SensingSummary:
        return SensingSummary(nodes=1, live=1, present=1, rate=50.0, loss=0.0)

    def calibrate(self, name: str) -> None:
        self.history(name)
        if self.busy:
            raise ConfigError("node '7' senses itself")
        self.learning.append(name)

    def subscribe(self, told: Callable[[], None]) -> Callable[[], None]:
        self.told.append(told)
        return lambda: self.told.remove(told)

    def say(self, *said: VitalsUpdate | SensingEvent) -> None:
        self.said += said
        for told in self.told:
            told()


def test_nodes_vitals_and_history_are_told() -> None:
    with serving(sensing=Room()) as server, client_of(server) as http:
        (node,) = http.get("/api/csi/nodes").json()
        assert (node["name"], node["rate"], node["vitals"]["t"]) == ("7", 50.0, 2.0)
        assert http.get("/api/csi/vitals").json()["7"]["breathing_bpm"] == 6.0
        assert http.get("/api/csi/nodes/7/vitals").json()["heart_bpm"] is None
        history = http.get("/api/csi/nodes/7/history", params={"after": 1}).json()
        assert [each["number"] for each in history] == [2]
        assert http.get("/api/csi/news", params={"limit": 1}).json()[0]["number"] == 2
        assert http.get("/api/csi/nodes/8/history").status_code == 404
        assert http.get("/api/csi/nodes/7/history", params={"limit": 0}).status_code == 422


def test_a_node_is_told_to_learn_its_room() -> None:
    room = Room()
    with serving(sensing=room) as server, client_of(server) as http:
        assert http.post("/api/csi/nodes/7/calibrate").status_code == 202
        assert http.post("/api/csi/nodes/8/calibrate").status_code == 404
        room.busy = True
        assert http.post("/api/csi/nodes/7/calibrate").status_code == 409
        foreign = {"origin": "http://elsewhere"}
        assert http.post("/api/csi/nodes/7/calibrate", headers=foreign).status_code == 403
    assert room.learning == ["7"]


def test_a_system_without_such_nodes_has_none() -> None:
    with serving() as server, client_of(server) as http:
        assert http.get("/api/csi/nodes").json() == []
        assert http.get("/api/csi/nodes/7/vitals").status_code == 404
        with connect(f"ws://127.0.0.1:{server.port}/ws/csi") as feed:
            assert list(feed) == []


def test_the_feed_tells_what_is_new_at_once_and_only_once() -> None:
    room = Room()
    with serving(sensing=room) as server:
        with connect(f"ws://127.0.0.1:{server.port}/ws/csi") as feed:
            assert json.loads(feed.recv(20))["nodes"][0]["name"] == "7"
            fall = SensingEvent(kind="fall", t=3.0, node=7, name="7", number=4)
            room.say(update(3), fall)
            news = json.loads(feed.recv(20))["news"]
            assert [each["number"] for each in news] == [3, 4]
            assert news[1]["kind"] == "fall"
            room.say(update(5))
            assert [each["number"] for each in json.loads(feed.recv(20))["news"]] == [5]
        until(lambda: not room.told)


def test_a_client_that_stays_is_sent_away_when_the_server_ends() -> None:
    room = Room()
    with ExitStack() as stack:
        with serving(sensing=room) as server:
            feed = stack.enter_context(connect(f"ws://127.0.0.1:{server.port}/ws/csi"))
            feed.recv(20)
        assert list(feed) == []
        assert not room.told
