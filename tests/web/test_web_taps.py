"""Asking for frames of topics that are not linked to the gateway."""

import contextlib
import threading
import time
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from web_doors import Pictures, Silence, client_of, gateway_app, until

from edgeflow import Frame
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


def test_values_for_which_json_has_no_word_are_shown(web: WebInterface):
    values = {
        "count": np.int64(3), "share": np.float32(0.5), "box": np.zeros((1, 4), np.uint8),
        "large": np.zeros(5000), ("a", 1): {2}, "none": float("nan"), "raw": b"\x00\xff",
    }  # fmt: skip
    shown = {
        "count": 3, "share": 0.5, "box": [[0, 0, 0, 0]], "large": repr(np.zeros(5000)),
        "('a', 1)": [2], "none": None, "raw": "AP8=",
    }  # fmt: skip
    with client_of(web) as client:
        web.on_frame(Frame(data=values, topic="values", meta=values))
        found = client.get("/api/tap/values").json()
        assert (found["meta"], found["preview"]) == (shown, shown)
        assert client.get("/api/status").json()["values"] == shown
        name = {"file": "caf\udce9.png", "caf\udce9": values}
        web.on_frame(Frame(data=name, topic="values", meta=name))
        found = client.get("/api/tap/values").json()
        assert found["meta"] == found["preview"] == {"file": "caf?.png", "caf?": shown}


@pytest.mark.parametrize(
    ("data", "kind", "preview"),
    [
        ("text" * 1000, "str", "text" * 500),
        (b"\x01\xff", "bytes", "01 ff"),
        (np.arange(100, dtype="f4"), "array", str([float(n) for n in range(64)])),
        (np.array(5), "array", "[5]"),
        (["x" * 5000], "list", '["' + "x" * 1998),
        (7, "int", "7"),
    ],
)
def test_payloads_are_previewed_in_short(web: WebInterface, data, kind: str, preview: str):
    with client_of(web) as client:
        web.on_frame(Frame(data=data, topic="values"))
        found = client.get("/api/tap/values").json()
        assert (found["kind"], found["preview"]) == (kind, preview)


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


def test_the_server_ends_at_once_while_they_wait(
    web: WebInterface, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("edgeflow.web.api.TAP_SECONDS", 60.0)
    with many_wait(web) as statuses:
        begun = time.monotonic()
        web.close()
        assert time.monotonic() - begun < 10
    assert set(statuses) <= {503, 504}
