import asyncio
import time
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connecting import listening, made, until
from edgeflow.errors import ConfigError
from edgeflow.pipelines.connectors.http import HttpConnector
from edgeflow.pipelines.connectors.pace import Pace

ROUTES = [
    {"filter": "/sensors/{sensor}/env", "pipeline": "env"},
    {"filter": "/sensors/{sensor}/{what}", "pipeline": ["all", "env"]},
    {"filter": "/cam", "pipeline": "vision", "sensor_id": "front"},
]


JSON = {"content-type": "application/json"}


def client(connector: Any, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{connector.port}",
        timeout=20,
        trust_env=False,
        verify=False,
        **options,
    )


def test_requests_are_messages_of_all_their_routes() -> None:
    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0)
        async with listening(connector) as listener, client(connector) as http:
            answer = await http.post("/sensors/s1/env", content=b'{"co2_ppm": 900}', headers=JSON)
            assert answer.status_code == 202
            jpeg = {"content-type": "image/jpeg", "x-timestamp": "1700000000.5"}
            await http.put("/cam", content=b"\xff\xd8", headers=jpeg)
            env, picture = await listener.take(2)
        assert (env.payload, env.encoding) == (b'{"co2_ppm": 900}', "json")
        assert env.sensor_id == "s1"
        assert env.pipeline_override == ("env", "all")
        assert abs(env.timestamp - time.time()) < 60
        assert (picture.payload, picture.encoding, picture.sensor_id) == (
            b"\xff\xd8",
            "jpeg",
            "front",
        )
        assert picture.timestamp == 1700000000.5
        assert picture.pipeline_override == ("vision",)

    asyncio.run(run())


def test_without_routes_there_is_one_path() -> None:
    async def run() -> None:
        connector = made(HttpConnector, port=0, sensor_id="plc", serializer="raw", path="/in")
        async with listening(connector) as listener, client(connector) as http:
            assert (await http.post("/in", content=b"{}")).status_code == 202
            assert (await http.post("/else", content=b"{}")).status_code == 404
            assert (await http.get("/in")).status_code == 405
            (message,) = await listener.take()
        assert (message.payload, message.encoding, message.sensor_id) == (b"{}", "raw", "plc")
        assert message.pipeline_override == ()

    asyncio.run(run())


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"[" * 100_000, b'{"a": 1}x', b"", b'"\\ud800"', b'"\xff"']
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0)
        async with listening(connector) as listener, client(connector) as http:
            assert (await http.post("/cam", content=body, headers=JSON)).status_code == 400
            assert (await http.post("/cam", json=1)).status_code == 202
            assert [message.payload for message in await listener.take()] == [b"1"]

    asyncio.run(run())


def test_json_waits_as_bytes_and_is_bounded() -> None:
    nested = b"[" + b"[]," * 1_000_000 + b"[]]"

    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0)
        async with listening(connector) as listener, client(connector) as http:
            assert (await http.post("/cam", content=nested, headers=JSON)).status_code == 202
            (message,) = await listener.take()
            assert message.payload == nested
            large = nested + b" " * (2 << 20)
            assert (await http.post("/cam", content=large, headers=JSON)).status_code == 413

    asyncio.run(run())


def test_connections_that_bring_no_request_do_not_keep_others_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgeflow.inference.servers.http_connection.HEAD_SECONDS", 0.2)

    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0, max_connections=4)
        async with listening(connector), client(connector) as http:
            held = [await asyncio.open_connection("127.0.0.1", connector.port) for _ in range(4)]
            for reader, writer in held:
                writer.write(b"POST /cam HT")
                assert await asyncio.wait_for(reader.read(), 10) == b""
                writer.close()
            assert (await http.post("/cam", json={})).status_code == 202

    asyncio.run(run())


@pytest.mark.parametrize("stamp", ["soon", "nan", "-1", "inf", "9e99"])
def test_a_time_that_is_none_is_refused(stamp: str) -> None:
    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0)
        async with listening(connector), client(connector) as http:
            answer = await http.post("/cam", json={}, headers={"x-timestamp": stamp})
            assert answer.status_code == 400
            assert "X-Timestamp" in answer.json()["detail"]

    asyncio.run(run())


def test_large_bodies_are_refused_announced_or_not() -> None:
    async def chunks() -> Any:
        for _ in range(100):
            yield b"x" * 100

    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0, max_bytes=1000)
        async with listening(connector) as listener, client(connector) as http:
            assert (await http.post("/cam", content=b"x" * 1001)).status_code == 413
            assert (await http.post("/cam", content=chunks())).status_code == 413
            assert (await http.post("/cam", content=b"x" * 1000)).status_code == 202
            assert len(listener.messages) <= 1

    asyncio.run(run())


def test_a_body_that_breaks_off_is_no_message() -> None:
    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0)
        async with listening(connector) as listener, client(connector) as http:
            _, writer = await asyncio.open_connection("127.0.0.1", connector.port)
            writer.write(b"POST /cam HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
            await writer.drain()
            writer.close()
            await http.post("/cam", content=b"whole")
            assert [message.payload for message in await listener.take()] == [b"whole"]
            await http.post("/cam", content=b"next")
            assert [message.payload for message in await listener.take()] == [b"next"]

    asyncio.run(run())


def test_a_token_is_demanded() -> None:
    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0, token="long-enough")
        async with listening(connector), client(connector) as http:
            assert (await http.post("/cam", json={})).status_code == 401
            bad = {"authorization": "Bearer wrong-token"}
            assert (await http.post("/cam", json={}, headers=bad)).status_code == 401
            good = {"authorization": "Bearer long-enough"}
            assert (await http.post("/cam", json={}, headers=good)).status_code == 202

    asyncio.run(run())


def test_pages_of_websites_cannot_send() -> None:
    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0)
        async with listening(connector), client(connector) as http:
            answer = await http.post("/cam", json={}, headers={"origin": "https://evil.example"})
            assert answer.status_code == 403

    asyncio.run(run())


def test_who_is_open_to_others_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEFLOW_INSECURE", raising=False)
    with pytest.raises(ConfigError, match="everybody"):
        asyncio.run(made(HttpConnector, ROUTES, host="0.0.0.0", port=0).start())


def test_a_pipeline_that_is_behind_answers_503() -> None:
    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0, pending=2)
        await connector.start()
        try:
            async with client(connector) as http:
                answers = [await http.post("/cam", json={}) for _ in range(4)]
        finally:
            await connector.stop()
        assert [answer.status_code for answer in answers] == [202, 202, 503, 503]
        assert answers[-1].headers["retry-after"] == "1"

    asyncio.run(run())


def test_bodies_that_wait_are_bounded_together() -> None:
    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0, max_held_bytes=2500)
        await connector.start()
        async with client(connector) as http:
            answers = [await http.post("/cam", content=b"x" * 1000) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [202, 202, 503, 503]
            messages = connector.iter_messages()
            await anext(messages)
            await anext(messages)
            answers = [await http.post("/cam", content=b"x" * 1000) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [202, 202, 503]
        await connector.stop()

    asyncio.run(run())


@given(st.lists(st.binary(max_size=200), max_size=5))
@settings(max_examples=8, deadline=None)
def test_noise_on_the_port_harms_nobody(pieces: list[bytes]) -> None:
    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0)
        async with listening(connector) as listener, client(connector) as http:
            reader, writer = await asyncio.open_connection("127.0.0.1", connector.port)
            for piece in pieces:
                writer.write(piece)
            writer.close()
            assert (await http.post("/cam", json=1)).status_code == 202
            await listener.take()
            assert reader

    asyncio.run(run())


def test_a_sensor_that_is_throttled_gets_429() -> None:
    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0)
        async with listening(connector), client(connector) as http:
            assert await connector.throttle("s1", 60)
            assert (await http.post("/sensors/s1/env", json={})).status_code == 202
            answer = await http.post("/sensors/s1/env", json={})
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert (await http.post("/sensors/s2/env", json={})).status_code == 202
            await connector.throttle("s1", 0)
            assert (await http.post("/sensors/s1/env", json={})).status_code == 202

    asyncio.run(run())


def test_the_answer_can_wait_for_the_end_of_the_processing() -> None:
    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0, answer="processed")
        async with listening(connector) as listener, client(connector) as http:
            asking = asyncio.create_task(http.post("/cam", json={}))
            (message,) = await listener.take()
            assert not asking.done()
            await connector.acknowledge(message)
            assert (await asking).status_code == 200
            await connector.acknowledge(message)

    asyncio.run(run())


def test_what_is_not_processed_in_time_answers_504() -> None:
    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0, answer="processed", answer_timeout_s=0.05)
        async with listening(connector) as listener, client(connector) as http:
            assert (await http.post("/cam", json={})).status_code == 504
            await connector.acknowledge((await listener.take())[0])

    asyncio.run(run())


def test_stopping_is_quick_with_open_requests_and_connections() -> None:
    async def run() -> None:
        connector = made(HttpConnector, ROUTES, port=0, answer="processed", answer_timeout_s=60)
        async with httpx.AsyncClient(timeout=20, trust_env=False, verify=False) as http:
            async with listening(connector) as listener:
                url = f"http://127.0.0.1:{connector.port}/cam"
                asking = asyncio.create_task(http.post(url, json={}))
                await until(lambda: listener.messages)
                _, writer = await asyncio.open_connection("127.0.0.1", connector.port)
                started = time.monotonic()
            assert time.monotonic() - started < 10
            assert (await asking).status_code == 503
            writer.close()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_port_that_is_taken_is_told_at_the_start() -> None:
    async def run() -> None:
        first = made(HttpConnector, ROUTES, port=0)
        async with listening(first):
            with pytest.raises(ConfigError, match="cannot listen"):
                await made(HttpConnector, ROUTES, port=first.port).start()

    asyncio.run(run())


def test_a_filter_is_a_path() -> None:
    with pytest.raises(ValidationError):
        HttpConnector.Route(filter="sensors/+/env", pipeline="x")


def test_the_pace_of_many_sensors_is_bounded() -> None:
    pace = Pace()
    for number in range(3000):
        pace.limit(f"s{number}", 5.0)
        pace.passed(f"s{number}", 100.0)
    assert pace.wait("s0", 100.0) <= 0
    assert pace.wait("s2999", 100.0) == 5.0
