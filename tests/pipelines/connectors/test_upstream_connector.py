import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import msgspec
import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connecting import listening, made, until
from edgeflow import EdgeApp
from edgeflow.core.status import Activity
from edgeflow.nodes import GatewayNode, ProducerNode
from edgeflow.nodes.gateway.interfaces.web import WebInterface
from edgeflow.observe.activity import ActivityBook
from edgeflow.pipelines.connectors.upstream import UpstreamConnector
from edgeflow.web.api import activity_routes
from http_doors import http_door
from servers import free_port


class Weather(ProducerNode):
    fps = 50

    def produce(self):
        return {"celsius": 21.5}


class Camera(ProducerNode):
    fps = 50

    def produce(self):
        return np.zeros((24, 32, 3), np.uint8)


@contextmanager
def dashboard() -> Iterator[str]:
    """A flow with a dashboard; gives its URL."""
    web = WebInterface(port=0)

    class Gateway(GatewayNode):
        def configure(self):
            self.add_interface(web)

    app = EdgeApp("door")
    app.add("camera", Camera)
    app.add("weather", Weather)
    app.add("gateway", Gateway)
    app.link("camera").to("gateway")
    app.link("weather").to("gateway")
    with app.running():
        while not web.port:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{web.port}"


@asynccontextmanager
async def node(book: ActivityBook, port: int = 0) -> AsyncIterator[str]:
    """The routes of another node's dashboard that tell what happened there."""
    app = FastAPI()
    app.include_router(activity_routes(None, book))
    async with http_door(app, port) as url:
        yield url


def alert(number: float, **fields: Any) -> Activity:
    detail = {"value": number, "kind": "not this one"}
    return Activity(kind="alert", text="air is bad", sensor="s1", detail=detail, **fields)


def test_alerts_of_another_node_are_messages() -> None:
    async def run() -> None:
        book = ActivityBook()
        book.add(alert(1))
        async with node(book) as url:
            connector = made(UpstreamConnector, called="edge2", url=url, interval=0.05)
            async with listening(connector) as listener:
                await until(lambda: connector.state == "connected")
                book.add(Activity(kind="action", text="published"))
                book.add(alert(900, time=1.7e9))
                (message,) = await listener.take()
                assert message.payload["value"] == 900
                assert message.payload["kind"] == "alert"
                assert message.payload["text"] == "air is bad"
                assert (message.sensor_id, message.timestamp) == ("edge2/s1", 1.7e9)
                assert message.encoding == ""

    asyncio.run(run())


def test_no_alert_is_lost_nor_told_twice_when_the_node_is_away_or_new() -> None:
    async def run() -> None:
        port = free_port()
        book = ActivityBook()
        book.add(alert(1))
        connector = made(
            UpstreamConnector, url=f"http://127.0.0.1:{port}", interval=0.05, replay=True
        )
        async with listening(connector) as listener:
            async with node(book, port):
                await listener.take(1)
            await until(lambda: connector.state == "waiting")
            book.add(alert(2))
            async with node(book, port):
                await listener.take(1)
            await until(lambda: connector.state == "waiting")
            fresh = ActivityBook()
            fresh.add(alert(3))
            async with node(fresh, port):
                await listener.take(1)
            assert [message.payload["value"] for message in listener.messages] == [1, 2, 3]

    asyncio.run(run())


def test_more_entries_than_a_node_keeps_are_counted() -> None:
    async def run() -> None:
        book = ActivityBook(kept=5)
        async with node(book) as url:
            connector = made(UpstreamConnector, url=url, interval=0.05, replay=True)
            for number in range(20):
                book.add(alert(number))
            async with listening(connector) as listener:
                messages = await listener.take(5)
        assert [message.payload["value"] for message in messages] == list(range(15, 20))
        assert connector.dropped == 15

    asyncio.run(run())


def test_topics_of_another_nodes_dashboard_are_messages() -> None:
    async def run(url: str) -> None:
        routes = [{"filter": "weather", "pipeline": "env", "sensor_id": "roof"}]
        connector = made(UpstreamConnector, routes, url=url, interval=0.05)
        async with listening(connector) as listener:
            first, second = await listener.take(2)
        assert first.payload == {"celsius": 21.5}
        assert (first.sensor_id, first.pipeline_override) == ("roof", ("env",))
        assert second.timestamp > first.timestamp

    with dashboard() as url:
        asyncio.run(run(url))


def test_pictures_do_not_come_this_way_and_that_is_told() -> None:
    async def run(url: str) -> None:
        routes = [{"filter": "camera", "pipeline": "vision"}]
        connector = made(UpstreamConnector, routes, url=url, interval=0.05)
        async with listening(connector) as listener:
            await until(lambda: connector.dropped >= 2)
            assert listener.messages == []

    with dashboard() as url:
        asyncio.run(run(url))


@pytest.mark.parametrize("answer", [b"", b"{}", b"[1]", b"\xff", b"[" * 5000, b" " * 9_000_000])
def test_an_answer_that_is_none_is_reported(answer: bytes) -> None:
    async def nonsense(request: Request) -> Response:
        return Response(answer)

    async def run() -> None:
        app = Starlette(routes=[Route("/api/activity", nonsense)])
        async with http_door(app) as url:
            connector = made(UpstreamConnector, url=url)
            async with listening(connector) as listener:
                await until(lambda: connector.state == "waiting")
                assert connector.last_error
                assert listener.messages == []

    asyncio.run(run())


def test_a_node_that_demands_a_token_is_shown_it() -> None:
    async def guarded(request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer key":
            return Response(status_code=401)
        return Response(msgspec.json.encode([msgspec.structs.replace(alert(5), number=1)]))

    async def run() -> None:
        app = Starlette(routes=[Route("/api/activity", guarded)])
        async with http_door(app) as url:
            connector = made(UpstreamConnector, url=url)
            async with listening(connector):
                await until(lambda: connector.state == "waiting")
                assert "401" in str(connector.last_error)
            connector = made(UpstreamConnector, url=url, token="key", replay=True)
            async with listening(connector) as listener:
                await listener.take()

    asyncio.run(run())


@pytest.mark.parametrize("url", ["edge2:8000", "ftp://x", "http://", "http://x?token=y"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        UpstreamConnector.Options(url=url)


def test_credentials_in_the_url_stay_out_of_errors_and_messages() -> None:
    async def run() -> None:
        book = ActivityBook()
        book.add(alert(1))
        async with node(book) as url:
            hidden = url.replace("http://", "http://user:hunter2@")
            connector = made(UpstreamConnector, url=hidden, interval=0.05, replay=True)
            async with listening(connector) as listener:
                (message,) = await listener.take()
        assert message.metadata["upstream"] == url
        away = hidden.rpartition(":")[0] + f":{free_port()}"
        connector = made(UpstreamConnector, url=away, interval=0.05)
        async with listening(connector):
            await until(lambda: connector.state == "waiting")
        assert "hunter2" not in str(connector.last_error)

    asyncio.run(run())
