"""WASM modules over HTTP: uploaded, listed, stopped, started, forgotten; refused when they must."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import httpx
import pytest
from web_doors import client_of, serving, until

from desks import NAME, datagrams, desk_of, feed
from edgeflow.sensing.host import SensingHost
from edgeflow.web.sensing_modules import MAX_MODULE_BYTES
from module_images import PUBLIC, TICKING, container_of, signed

PATH = "/api/csi/modules"


@contextmanager
def ready() -> Iterator[tuple[SensingHost, httpx.Client]]:
    with (
        desk_of(module_key=PUBLIC) as (host, desk),
        serving(sensing=desk) as server,
        client_of(server) as http,
    ):
        yield host, http


def test_a_module_is_loaded_runs_and_is_forgotten() -> None:
    with ready() as (host, http):
        assert http.get(PATH).json() == {"modules": [], "loaded": 0, "max": 4}
        answer = http.post(f"{PATH}?node={quote(NAME)}", content=signed(TICKING, "wdp-tick"))
        assert answer.status_code == 201
        number = answer.json()["id"]
        feed(host, datagrams("empty", 3, ago=3.5))
        (row,) = until(lambda: [r for r in http.get(PATH).json()["modules"] if r["events"]])
        assert (row["name"], row["node"], row["state"]) == ("wdp-tick", NAME, "running")
        (row,) = http.post(f"{PATH}/{number}/stop").json()["modules"]
        assert row["state"] == "stopped"
        assert http.post(f"{PATH}/{number}/stop").status_code == 409
        (row,) = http.post(f"{PATH}/{number}/start").json()["modules"]
        assert row["state"] == "running"
        assert http.delete(f"{PATH}/{number}").json()["loaded"] == 0
        assert http.delete(f"{PATH}/{number}").status_code == 404


@pytest.mark.parametrize(
    ("image", "status"),
    [
        (b"", 409),
        (b"\0asm\1\0\0\0", 409),
        (container_of(TICKING).encode(), 409),
        (bytes(MAX_MODULE_BYTES + 1), 413),
    ],
)
def test_what_is_not_signed_by_the_key_is_refused(image: bytes, status: int) -> None:
    with ready() as (_, http):
        answer = http.post(PATH, content=image)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert http.get(PATH).json()["loaded"] == 0


def test_without_a_key_there_is_room_for_none() -> None:
    with desk_of() as (_, desk), serving(sensing=desk) as server, client_of(server) as http:
        assert http.get(PATH).json()["max"] == 0
        assert http.post(PATH, content=signed(TICKING)).status_code == 409
        foreign = {"origin": "http://elsewhere"}
        assert http.post(PATH, content=b"", headers=foreign).status_code == 403


def test_where_nothing_senses_there_are_none() -> None:
    with serving() as server, client_of(server) as http:
        assert http.get(PATH).json()["max"] == 0
        assert http.post(PATH, content=b"x").status_code == 404
