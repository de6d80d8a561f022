"""What models do and what happened, as the dashboard reads it."""

import json

from web_doors import client_of, gateway_app, until
from websockets.sync.client import connect

from edgeflow.core.status import Activity, ModelStatus
from edgeflow.nodes.gateway.interfaces.web import WebInterface
from edgeflow.observe.activity import ActivityBook


class TwoModels:
    def models(self):
        return [ModelStatus(name="a", state="ready", version="2"), ModelStatus(name="b")]


def test_models_and_activity_are_served_and_fed():
    book = ActivityBook(now=lambda: 12.5)
    web = WebInterface(port=0, models=TwoModels(), activity=book)
    book.add(Activity(kind="alert", text="air is bad", pipeline="env", detail={"co2": 900}))
    with gateway_app(web).running(), client_of(web) as client:
        names = [model["name"] for model in client.get("/api/models").json()]
        assert names == ["a", "b"]
        (alert,) = client.get("/api/activity").json()
        assert (alert["number"], alert["time"], alert["text"]) == (1, 12.5, "air is bad")
        with connect(f"ws://127.0.0.1:{web.port}/ws/stats", proxy=None) as socket:
            first = json.loads(socket.recv(timeout=20))
            assert [model["name"] for model in first["models"]] == ["a", "b"]
            assert [entry["number"] for entry in first["activity"]] == [1]
            book.add(Activity(kind="action", text="published", ok=True))
            later: list[int] = []

            def fed():
                message = json.loads(socket.recv(timeout=20))
                later.extend(entry["number"] for entry in message["activity"])
                return later

            until(fed)
        assert later == [2]
        assert [entry["number"] for entry in client.get("/api/activity?after=1").json()] == [2]


def test_a_flow_without_models_has_none():
    web = WebInterface(port=0, activity=ActivityBook())
    with gateway_app(web).running(), client_of(web) as client:
        assert client.get("/api/models").json() == []
        assert client.get("/api/activity").json() == []
        assert client.get("/api/activity?limit=0").status_code == 422


def test_the_book_keeps_the_newest_and_numbers_go_on():
    book = ActivityBook(kept=3)
    for index in range(5):
        book.add(Activity(kind="alert", text=str(index)))
    assert [entry.number for entry in book.activities()] == [3, 4, 5]
    assert [entry.text for entry in book.activities(after=3, limit=1)] == ["4"]
