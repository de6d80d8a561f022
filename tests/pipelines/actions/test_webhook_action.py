import asyncio
import hashlib
import hmac
import json
import stat
import time
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from acting import act, acting, action, dispatch
from edgeflow.errors import ActionError, ConfigError
from edgeflow.pipelines.actions.dead_letters import DeadLetter, DeadLetters
from edgeflow.pipelines.actions.webhook import WebhookDispatcher
from http_doors import http_door
from servers import free_port


class Endpoint:
    """Takes requests, and answers with what was laid ready."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[Response] = []
        self.hanging = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/hook", self.take, methods=["POST", "PUT"]),
                Route("/hang", self.hang, methods=["POST"]),
            ]
        )

    async def take(self, request: Request) -> Response:
        self.requests.append((dict(request.headers), await request.body()))
        return self.answers.pop(0) if self.answers else Response(status_code=204)

    async def hang(self, request: Request) -> Response:
        await self.hanging.wait()
        return Response()


@asynccontextmanager
async def endpoint() -> AsyncIterator[tuple[Endpoint, str]]:
    door = Endpoint()
    async with http_door(door.app) as url:
        try:
            yield door, url
        finally:
            door.hanging.set()


def test_an_action_is_a_signed_request() -> None:
    async def run() -> None:
        async with endpoint() as (door, url):
            options = {"url": f"{url}/hook", "secret": "key", "headers": {"X-Site": "1"}}
            async with acting(WebhookDispatcher, **options) as hook:
                result = await dispatch(hook, action({"co2_ppm": 900}))
        assert result.ok
        assert result.attempts == 1
        ((headers, body),) = door.requests
        assert json.loads(body) == {"agent": "guard", "pipeline": "vision", "co2_ppm": 900}
        assert (headers["x-agent"], headers["x-pipeline"]) == ("guard", "vision")
        assert headers["x-site"] == "1"
        assert headers["content-type"] == "application/json"
        stamp, _, mac = headers["x-signature"].partition(",v1=")
        assert abs(time.time() - int(stamp.removeprefix("t="))) < 60
        signed = stamp.removeprefix("t=").encode() + b"." + body
        assert hmac.new(b"key", signed, hashlib.sha256).hexdigest() == mac

    asyncio.run(run())


def test_pictures_are_sent_as_they_are_and_a_target_overrides() -> None:
    async def run() -> None:
        elsewhere = {"url": "http://127.0.0.1:1/x", "method": "PUT"}
        async with endpoint() as (door, url), acting(WebhookDispatcher, **elsewhere) as hook:
            result = await dispatch(hook, action(b"\xff\xd8\xff", target=f"{url}/hook"))
        assert result.ok
        assert door.requests[0][1] == b"\xff\xd8\xff"
        assert door.requests[0][0]["content-type"] == "image/jpeg"

    asyncio.run(run())


def test_a_busy_endpoint_is_tried_again_as_it_wishes() -> None:
    async def run() -> None:
        async with endpoint() as (door, url):
            door.answers = [Response(status_code=503), Response("", 429, {"retry-after": "1"})]
            async with acting(WebhookDispatcher, url=f"{url}/hook") as hook:
                started = time.monotonic()
                result = await dispatch(hook, action())
        assert result.ok
        assert result.attempts == 3
        assert time.monotonic() - started >= 1
        assert len({headers["x-delivery"] for headers, _ in door.requests}) == 1

    asyncio.run(run())


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_an_endpoint_that_refuses_is_not_tried_again(status: int) -> None:
    async def run() -> None:
        async with endpoint() as (door, url):
            door.answers = [Response("", status, {"location": f"{url}/hook"})]
            async with acting(WebhookDispatcher, url=f"{url}/hook") as hook:
                result = await dispatch(hook, action())
        assert not result.ok
        assert str(status) in result.detail
        assert len(door.requests) == 1

    asyncio.run(run())


def test_what_is_given_up_lies_in_a_file_and_can_be_sent_again(tmp_path: Path) -> None:
    file = tmp_path / "in" / "dead.jsonl"

    async def run() -> None:
        port = free_port()
        options = {
            "url": f"http://127.0.0.1:{port}/hook",
            "retries": 1,
            "dead_letters": file,
            "secret": "key",
        }
        async with acting(WebhookDispatcher, **options) as hook:
            for number in range(3):
                result = await dispatch(hook, action({"n": number}))
                assert not result.ok
                assert result.attempts == 2
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert b"key" not in file.read_bytes()
            assert await hook.replay() == (0, 3)
            door = Endpoint()
            async with http_door(door.app, port):
                assert await hook.replay() == (3, 0)
            assert [json.loads(body)["n"] for _, body in door.requests] == [0, 1, 2]
            assert await hook.replay() == (0, 0)

    asyncio.run(run())


def test_endpoints_that_hang_leave_room_for_another() -> None:
    async def run() -> None:
        async with (
            endpoint() as (_, hanging),
            endpoint() as (_, well),
            acting(WebhookDispatcher, parallel=64, pending=1000) as hook,
        ):
            sent = [
                asyncio.create_task(dispatch(hook, action(target=f"{hanging}/hang")))
                for _ in range(60)
            ]
            async with asyncio.timeout(20):
                while sum(task.done() for task in sent) < 12:
                    await asyncio.sleep(0.01)
                assert (await dispatch(hook, action(target=f"{well}/hook"))).ok
            assert sum(task.done() for task in sent) == 12
            for task in sent:
                task.cancel()
            await asyncio.gather(*sent, return_exceptions=True)

    asyncio.run(run())


def test_an_action_that_the_end_cuts_off_lies_in_the_file(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            endpoint() as (_, url),
            acting(WebhookDispatcher, url=f"{url}/hang", dead_letters=tmp_path / "dead") as hook,
        ):
            sending = asyncio.create_task(dispatch(hook, action({"n": 7})))
            await asyncio.sleep(0.05)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            (letter,) = hook.dead_letters()
            assert json.loads(b64decode(letter.body))["n"] == 7

    asyncio.run(run())


def test_dead_letters_are_bounded_and_bad_lines_left_out(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "dead.jsonl", 2000)
    fields: dict[str, Any] = {"url": "http://x", "agent": "", "pipeline": "", "content_type": ""}
    gone = 0
    for number in range(50):
        gone += letters.add(
            DeadLetter(id=str(number), time=1.0, body="", error="", attempts=1, **fields)
        )
        assert letters.path.stat().st_size <= 2000
    kept = [int(letter.id) for letter in letters.read()]
    assert kept == list(range(50 - len(kept), 50))
    assert gone == 50 - len(kept)
    huge = DeadLetter(id="x", time=1.0, body="x" * 3000, error="", attempts=1, **fields)
    assert letters.add(huge) == 1
    with letters.path.open("ab") as file:
        file.write(b'{"id": 5}\n\xff\xfe\n')
    assert len(letters.take()) == len(kept)
    assert len(letters.take()) == len(kept)
    letters.settle()
    assert letters.read() == []


def test_an_endpoint_that_hangs_holds_nobody_else_up() -> None:
    async def run() -> None:
        async with endpoint() as (_, slow), endpoint() as (door, url):
            options = {"timeout": 1.0, "retries": 0, "parallel": 6, "pending": 0}
            async with acting(WebhookDispatcher, url=f"{url}/hook", **options) as hook:
                hung = action(target=f"{slow}/hang")
                stuck = [asyncio.create_task(dispatch(hook, hung)) for _ in range(10)]
                await asyncio.sleep(0)
                for _ in range(20):
                    assert (await dispatch(hook, action())).ok
                results = await asyncio.gather(*stuck)
        assert not any(result.ok for result in results)
        assert sum("too many" in result.detail for result in results) == 4
        assert sum("no answer" in result.detail for result in results) == 6
        assert len(door.requests) == 20

    asyncio.run(run())


def test_all_attempts_together_end_in_time() -> None:
    async def run() -> None:
        async with endpoint() as (door, url):
            door.answers = [Response(status_code=500) for _ in range(100)]
            options = {"retries": 20, "give_up_after": 1.0}
            async with acting(WebhookDispatcher, url=f"{url}/hook", **options) as hook:
                result = await dispatch(hook, action())
        assert not result.ok
        assert "500" in result.detail

    asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize("date", ["Wed, 21 Oct 2065 07:28:00 GMT", "Wed, 21 Oct 9999 07:28:00"])
def test_a_date_far_ahead_is_given_up_at_once(date: str) -> None:
    async def run() -> None:
        async with endpoint() as (door, url):
            door.answers = [Response("", 503, {"retry-after": date})]
            async with acting(WebhookDispatcher, url=f"{url}/hook") as hook:
                assert not (await dispatch(hook, action())).ok
        assert len(door.requests) == 1

    asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize("date", ["Wed, 21 Oct 2015 07:28:00 GMT", "soon", "-5", "1e3", "²"])
def test_what_is_no_wish_is_passed_over(date: str) -> None:
    async def run() -> None:
        async with endpoint() as (door, url):
            door.answers = [Response("", 503, {"retry-after": date.encode().decode("latin-1")})]
            async with acting(WebhookDispatcher, url=f"{url}/hook") as hook:
                assert (await dispatch(hook, action())).attempts == 2

    asyncio.run(asyncio.wait_for(run(), 20))


def test_a_wish_to_wait_for_ever_is_not_obeyed() -> None:
    async def run() -> None:
        async with endpoint() as (door, url):
            door.answers = [Response("", 503, {"retry-after": "9" * 400})]
            async with acting(WebhookDispatcher, url=f"{url}/hook") as hook:
                assert not (await dispatch(hook, action())).ok
        assert len(door.requests) == 1

    asyncio.run(asyncio.wait_for(run(), 20))


def test_an_endless_answer_is_not_read_to_the_end() -> None:
    async def forever(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(200_000):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})

    async def run() -> None:
        async with http_door(forever) as url, acting(WebhookDispatcher, url=url) as hook:
            assert (await dispatch(hook, action())).ok

    asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize("url", ["ftp://x", "file:///etc/passwd", "http://", "http://x:99999", "x"])
def test_a_url_that_cannot_be_asked_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        act(WebhookDispatcher, url=url)
    with pytest.raises(ActionError):
        act(WebhookDispatcher, action(target=url))


def test_a_webhook_without_url_needs_a_target() -> None:
    with pytest.raises(ActionError, match="no url"):
        act(WebhookDispatcher, action())


def test_names_and_headers_cannot_inject_headers() -> None:
    with pytest.raises(ConfigError):
        act(WebhookDispatcher, headers={"x": "é"})

    async def run() -> None:
        async with endpoint() as (door, url), acting(WebhookDispatcher, url=f"{url}/hook") as hook:
            result = await hook.dispatch(action(), agent="a\r\nX-Evil: 1", pipeline="Tür")
        assert result.ok
        assert "x-evil" not in door.requests[0][0]

    asyncio.run(run())


def test_keys_in_the_path_stay_out_of_results() -> None:
    (result,) = act(
        WebhookDispatcher,
        action(),
        url=f"http://u:pw@127.0.0.1:{free_port()}/services/T1/SECRET?k=SECRET",
        retries=0,
    )
    assert "SECRET" not in result.target + result.detail
    assert "pw" not in result.target + result.detail
