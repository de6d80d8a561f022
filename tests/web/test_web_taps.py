"""Asking for frames of topics that are not linked to the gateway."""

import contextlib
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from web_doors import Pictures, Silence, client_of, gateway_app, until

from edgeflow.nodes.gateway.interfaces.web import WebInterface

WAITING = 50
"""More than the server has threads."""


@pytest.fixture
def web():
    web = WebInterface(port=0)
    app = gateway_app(web)
    app.add("silence", Silence)
    app.add("apart", Pictures)
    with app.running():
        until(lambda: web.url)
        yield web


@contextlib.contextmanager
def many_wait(web: WebInterface) -> Iterator[list[int]]:
    """Ask for frames that do not come, from many clients at once; collects their statuses."""
    statuses: list[int] = []

    def ask(path: str) -> None:
        with client_of(web) as client, contextlib.suppress(httpx.HTTPError):
            statuses.append(client.get(path).status_code)

    paths = ["/snapshot/silence", "/api/tap/silence"] * (WAITING // 2)
    threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    yield statuses
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


def test_any_topic_can_be_seen_without_a_link(web: WebInterface):
    with client_of(web) as client:
        assert client.get("/snapshot/apart").content.startswith(b"\xff\xd8\xff")
        assert client.get("/api/tap/apart").json()["shape"] == [24, 32, 3]
        assert "apart" not in client.get("/api/fps").json()


def test_those_who_wait_for_a_silent_topic_hold_up_nobody(
    web: WebInterface, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("edgeflow.web.api.TAP_SECONDS", 0.5)
    with many_wait(web) as statuses, client_of(web) as client:
        for _ in range(3):
            assert client.get("/api/flow").status_code == 200
        assert len(statuses) < WAITING
    assert set(statuses) == {504}
    assert len(statuses) == WAITING


def test_the_server_ends_at_once_while_they_wait(web: WebInterface):
    with many_wait(web) as statuses:
        begun = time.monotonic()
        web.close()
        assert time.monotonic() - begun < 1.8
    assert set(statuses) <= {503, 504}
