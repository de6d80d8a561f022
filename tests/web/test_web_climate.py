"""A climate system over HTTP: a real one, with rooms that are only software."""

import json
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from web_doors import client_of, serving, until
from websockets.sync.client import connect

from climate_system import Living, living, two_versions

SECONDS = 60.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    """Three rooms that have been lived in for a moment."""
    folder = tmp_path_factory.mktemp("home")
    two_versions(folder / "climate" / "models")
    with living(folder, rooms=3, learns=True) as made, asking(made) as http:
        until(lambda: http.get("/api/climate").json()["decisions"] >= 3, SECONDS)
        until(lambda: all(len(each["readings"]) == 3 for each in devices(http)), SECONDS)
        yield made


@pytest.fixture
def http(home: Living) -> Iterator[httpx.Client]:
    with asking(home) as client:
        yield client


def asking(home: Living, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=home.url, timeout=30, trust_env=False, **options)


def devices(http: httpx.Client, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get("/api/climate/devices", params=query).json()["devices"]
    return found


def registered(home: Living) -> set[str]:
    """The devices that the store knows."""
    assert home.system.store is not None
    return {row["device_id"] for row in home.system.store.latest("device_registry")}


def test_the_system_in_a_few_numbers(home: Living, http: httpx.Client) -> None:
    until(lambda: http.get("/api/climate").json()["rate"] > 0, SECONDS)
    now = http.get("/api/climate").json()
    assert (now["devices"], now["online"], now["problems"]) == (3, 3, [])
    with connect(f"{home.url.replace('http', 'ws')}/ws/stats") as socket:
        told = json.loads(socket.recv(timeout=20))["climate"]
    assert told.keys() == now.keys()
    assert told["devices"] == 3


def test_devices_have_their_newest_values(home: Living, http: httpx.Client) -> None:
    found = devices(http)
    assert [each["device_id"] for each in found] == ["room-1", "room-2", "room-3"]
    for each in found:
        assert each["online"]
        assert each["kind"] == "mqtt"
        assert {"temperature", "humidity", "audio"} <= each["sensors"].keys()
        assert 10 < each["readings"]["temperature"]["value"] < 35
        assert each["window"]["by"] == "model"
        assert 0 <= each["window"]["position"] <= 100
    assert home.system.store is not None
    kept = home.system.store.rows("sensor_temperature", device="room-1", limit=500)
    told = next(each for each in devices(http) if each["device_id"] == "room-1")
    newest = told["readings"]["temperature"]
    assert (
        newest["value"] in {row["value"] for row in kept} or newest["time"] > kept[-1]["timestamp"]
    )


def test_devices_come_page_by_page(http: httpx.Client) -> None:
    answer = http.get("/api/climate/devices", params={"limit": 2}).json()
    assert [each["device_id"] for each in answer["devices"]] == ["room-1", "room-2"]
    assert answer["total"] == 3
    assert [each["device_id"] for each in devices(http, after="room-2")] == ["room-3"]
    assert [each["device_id"] for each in devices(http, search="ROOM-2")] == ["room-2"]
    assert devices(http, group="nowhere") == []


def test_the_overview_tells_what_is_in_the_tables(home: Living, http: httpx.Client) -> None:
    page = http.get("/api/climate/overview", params={"seconds": 3600}).json()
    lines = page["features"]["temperature"]["lines"]
    assert [line["label"] for line in lines] == ["room-1", "room-2", "room-3"]
    assert all(any(value is not None for value in line["values"]) for line in lines)
    heard = {line["label"]: sum(line["values"]) for line in page["throughput"]["lines"]}
    assert heard["temperature"] > 0
    assert heard["audio"] > 0
    assert page["decided"] >= 3
    assert home.system.store is not None
    rows = {row["correlation_id"]: row for row in home.system.store.rows("window_actions")}
    shown = page["decisions"][-1]
    assert shown["position"] in {row["position"] for row in rows.values()}
    assert shown["model_version"] == "v2"
    assert shown["inference_time_ms"] > 0


def test_one_device_over_time(http: httpx.Client) -> None:
    page = http.get("/api/climate/devices/room-2", params={"seconds": 3600}).json()
    assert page["device"]["device_id"] == "room-2"
    assert {"temperature", "humidity", "sound_volume", "window_position"} <= page["sensors"].keys()
    mean, least, most = page["sensors"]["temperature"]["lines"]
    known = [at for at, value in enumerate(mean["values"]) if value is not None]
    assert known
    for at in known:
        assert least["values"][at] <= mean["values"][at] + 1e-9 <= most["values"][at] + 1e-6
    assert {row["device_id"] for row in page["decisions"]} == {"room-2"}
    assert sum(page["openness"].values()) >= 1
    assert "device_registered" in {each["kind"] for each in page["events"]}


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_device_that_is_not_known_is_told_so(http: httpx.Client, method: str) -> None:
    answer = http.request(method, "/api/climate/devices/room-9", content=b'{"name": "x"}')
    assert answer.status_code == 404
    assert "room-" in answer.json()["hint"]
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("seconds", ["59", "7776001", "nan", "inf", "-5", "x"])
def test_a_stretch_of_time_is_bounded(http: httpx.Client, seconds: str) -> None:
    for page in ("overview", "devices/room-1", "learning", "health"):
        answer = http.get(f"/api/climate/{page}", params={"seconds": seconds})
        assert answer.status_code == 422, page


def test_a_device_is_removed_with_its_data_if_that_is_asked(
    home: Living, http: httpx.Client
) -> None:
    store, backend = home.system.store, home.system.backend
    assert store is not None
    assert backend is not None
    row = {"device_id": "dev/tty7", "timestamp": time.time(), "value": 1.0}
    for query, left in (("", 1), ("?forget_data=true", 0)):
        backend.registry.seen("dev/tty7", time.time(), kind="board")
        until(lambda: "dev/tty7" in registered(home), SECONDS)  # what waits comes after, and stays
        store.insert("sensor_temperature", [row])
        before = len(store.rows("sensor_temperature", device="dev/tty7"))
        answer = http.delete(f"/api/climate/devices/dev/tty7{query}")
        assert answer.status_code == 200, answer.text
        assert (answer.json()["deleted_rows"] >= before) is bool(query)
        assert bool(store.rows("sensor_temperature", device="dev/tty7")) is bool(left)
        assert "dev/tty7" not in {each["device_id"] for each in devices(http)}
        assert "dev/tty7" not in registered(home)


def test_a_device_that_was_only_tried_is_shown_as_left(home: Living, http: httpx.Client) -> None:
    backend, name = home.system.backend, "zz-bench"
    assert backend is not None
    backend.registry.seen(name, time.time() - 7200)
    backend.registry.said(name, "offline", time.time() - 7199)
    answer = http.get("/api/climate/devices").json()
    assert [each["device_id"] for each in answer["devices"] if each["left"]] == [name]
    assert (answer["left"], answer["total"]) == (1, 4)
    http.delete(f"/api/climate/devices/{name}")


def test_what_people_set_is_kept(home: Living, http: httpx.Client) -> None:
    edit = {"name": "Attic", "location": "Under the roof", "groups": ["up"], "tags": ["south"]}
    answer = http.patch("/api/climate/devices/room-3", json={**edit, "silence_seconds": 90})
    assert answer.status_code == 200
    assert {key: answer.json()[key] for key in edit} == edit
    http.patch("/api/climate/devices/room-3", json={"tags": []})
    (shown,) = devices(http, group="up")
    assert (shown["name"], shown["tags"], shown["silence_seconds"]) == ("Attic", [], 90)
    assert http.get("/api/climate/devices").json()["groups"] == ["up"]
    assert [each["device_id"] for each in devices(http, search="roof")] == ["room-3"]
    store = home.system.store
    assert store is not None

    def kept() -> bool:
        rows = {row["device_id"]: row for row in store.latest("device_registry")}
        return rows["room-3"]["name"] == "Attic" and rows["room-3"]["config"]["groups"] == ["up"]

    until(kept, SECONDS)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"nme": "x"}',
        b'{"name": ""}',
        b'{"name": 5}',
        b'{"tags": ["' + b"x" * 65 + b'"]}',
        b'{"groups": ' + json.dumps(["g"] * 33).encode() + b"}",
        b'{"silence_seconds": 0}',
        b'{"silence_seconds": 1e999}',
        b"[" * 5000,
    ],
)
def test_an_edit_that_makes_no_sense_is_refused(http: httpx.Client, body: bytes) -> None:
    before = http.get("/api/climate/devices/room-1").json()["device"]
    assert http.patch("/api/climate/devices/room-1", content=body).status_code == 422
    after = http.get("/api/climate/devices/room-1").json()["device"]
    assert (before["name"], before["tags"]) == (after["name"], after["tags"])


def test_a_body_is_bounded(http: httpx.Client) -> None:
    for method, path in (("PATCH", ""), ("PATCH", "/configuration"), ("PUT", "/window")):
        answer = http.request(method, f"/api/climate/devices/room-1{path}", content=b" " * 8193)
        assert answer.status_code == 413, path


def test_settings_are_told_and_acknowledged(http: httpx.Client) -> None:
    path = "/api/climate/devices/room-1/configuration"
    answer = http.patch(path, json={"report_seconds": 45})
    assert answer.status_code == 202
    told = answer.json()
    assert (told["state"], told["desired"]) == ("pending", {"report_seconds": 45})
    until(lambda: http.get(path).json()["state"] == "applied", SECONDS)
    now = http.get("/api/climate/devices/room-1").json()
    assert now["configuration"]["reported"]["report_seconds"] == 45
    assert now["device"]["configuration"] == "applied"
    http.patch(path, json={"no_such_setting": 3})
    until(lambda: http.get(path).json()["state"] == "refused", SECONDS)
    assert "no_such_setting" in http.get(path).json()["reason"]
    http.patch(path, json={"no_such_setting": None})
    until(lambda: http.get(path).json()["state"] == "applied", SECONDS)
    assert http.get(path).json()["desired"] == {"report_seconds": 45}


@pytest.mark.parametrize(
    "body", [b"[]", b'{"a": [1]}', b'{"a": {"b": 1}}', b'{"a b": 1}', b'{"version": 3}', b"nul"]
)
def test_settings_that_no_device_could_take_are_refused(http: httpx.Client, body: bytes) -> None:
    path = "/api/climate/devices/room-2/configuration"
    assert http.patch(path, content=body).status_code == 422
    assert http.get(path).json()["state"] == "none"


def test_a_person_sets_the_window_and_the_model_learns(home: Living, http: httpx.Client) -> None:
    service = home.system.service
    assert service is not None
    before = len(service.labels) + service.labels.waiting
    path = "/api/climate/devices/room-2"
    answer = http.put(f"{path}/window", json={"position": 85, "person": "ann"})
    assert answer.status_code == 202
    until(lambda: http.get(path).json()["overrides"], SECONDS)
    page = http.get(path).json()
    (said,) = page["overrides"]
    assert (said["position"], said["person"]) == (85.0, "ann")
    until(lambda: len(service.labels) + service.labels.waiting > before, SECONDS)
    # The window goes there: the node tells where it is.
    until(lambda: moved(http.get(path).json(), 80.0), SECONDS)
    learnt = http.get("/api/climate/learning").json()
    assert learnt["overridden"] >= 1
    assert learnt["error"] is not None


def moved(page: dict[str, Any], least: float) -> bool:
    chart = page["sensors"]["window_position"]
    most = next(line["values"] for line in chart["lines"] if line["label"] == "most")
    return any(value is not None and value >= least for value in most)


@pytest.mark.parametrize("position", [-1, 100.5, "open", None])
def test_a_window_has_no_other_positions(http: httpx.Client, position: object) -> None:
    answer = http.put("/api/climate/devices/room-1/window", json={"position": position})
    assert answer.status_code == 422


def test_the_model_is_told_promoted_and_rolled_back(home: Living, http: httpx.Client) -> None:
    page = http.get("/api/climate/learning").json()
    assert page["can_change"]
    models = {model["version"]: model for model in page["models"]}
    assert models["v2"]["current"]
    assert models["v2"]["decisions"] >= 3
    assert (models["v1"]["current"], models["v2"]["parent"]) == (False, "v1")
    assert http.post("/api/climate/models/v1/promote").json() == {"current": "v1"}
    service = home.system.service
    assert service is not None
    until(lambda: service.model.metadata.version == "v1", SECONDS)
    assert http.post("/api/climate/models/v2/promote").status_code == 200
    assert http.post("/api/climate/models/rollback").json() == {"current": "v1"}
    assert http.post("/api/climate/models/rollback").status_code == 422
    assert http.post("/api/climate/models/v9/promote").status_code == 404
    away = urllib.parse.quote("../../x", safe="")
    assert http.post(f"/api/climate/models/{away}/promote").status_code in (404, 422)
    page = http.get("/api/climate/learning").json()
    assert [model["version"] for model in page["models"] if model["current"]] == ["v1"]


def test_health_tells_services_messages_and_errors(home: Living, http: httpx.Client) -> None:
    page = http.get("/api/climate/health", params={"seconds": 3600}).json()
    states = {row["service"]: row["state"] for row in page["services"]}
    assert states["broker"] == states["store"] == states["backend"] == "ok"
    assert page["rows"]["sensor_temperature"] > 0
    assert page["counters"]["stored"] > 0
    assert page["queries"][0]["p95_ms"] > 0
    assert page["store_error"] == ""
    assert "device_registered" in {each["kind"] for each in page["troubles"]}


def test_a_board_is_called_by_its_port(home: Living, http: httpx.Client) -> None:
    backend = home.system.backend
    assert backend is not None
    backend.registry.seen("/dev/ttyACM0", 1.0, kind="board")
    path = f"/api/climate/devices/{urllib.parse.quote('/dev/ttyACM0', safe='')}"
    assert http.patch(path, json={"tags": ["usb"]}).json()["tags"] == ["usb"]
    page = http.get(path).json()
    assert (page["device"]["kind"], page["device"]["tags"]) == ("board", ["usb"])
    assert http.get(f"{path}/configuration").json()["state"] == "none"
    answer = http.put(f"{path}/window", json={"position": 5})
    assert (answer.status_code, answer.json()["detail"]) == (422, "/dev/ttyACM0 has no window")


def test_pages_of_other_sites_change_nothing(http: httpx.Client) -> None:
    for method, path in (
        ("PATCH", "devices/room-1"),
        ("PATCH", "devices/room-1/configuration"),
        ("PUT", "devices/room-1/window"),
        ("POST", "models/v1/promote"),
        ("POST", "models/rollback"),
    ):
        answer = http.request(
            method, f"/api/climate/{path}", json={}, headers={"origin": "http://evil.example"}
        )
        assert answer.status_code == 403, path


def test_a_store_that_is_away_is_told(tmp_path: Path) -> None:
    with living(tmp_path) as home, asking(home) as http:
        assert http.get("/api/climate/devices").json()["devices"] == []
        assert http.get("/api/climate/learning").json()["can_change"] is False
        assert http.post("/api/climate/models/rollback").status_code == 422
        assert home.system.store is not None
        home.system.store.close()
        until(lambda: http.get("/api/climate/health").json()["store_error"], SECONDS)
        page = http.get("/api/climate/health").json()
        assert {"broker", "store", "backend"} <= {row["service"] for row in page["services"]}
        answer = http.get("/api/climate/overview")
        assert answer.status_code == 503
        assert "closed" in answer.json()["detail"]
        assert http.get("/api/climate").status_code == 200


def test_a_broker_that_is_away_takes_no_order(tmp_path: Path) -> None:
    with living(tmp_path, rooms=1) as home, asking(home) as http:
        until(lambda: devices(http), SECONDS)
        home.broker.stop()
        until(lambda: http.get("/api/climate").json()["problems"], SECONDS)
        answer = http.put("/api/climate/devices/room-1/window", json={"position": 5})
        assert answer.status_code == 503
        home.broker.start()


def test_a_protected_system_wants_its_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEFLOW_TOKEN", "s3cret")
    with living(tmp_path) as home:
        with asking(home) as http:
            for method, path in (
                ("GET", "devices"),
                ("PATCH", "devices/x"),
                ("POST", "models/rollback"),
            ):
                assert http.request(method, f"/api/climate/{path}").status_code == 401
        with asking(home, headers={"authorization": "Bearer s3cret"}) as http:
            assert http.get("/api/climate/devices").status_code == 200


def test_a_server_without_a_climate_system_says_so() -> None:
    with serving() as server, client_of(server) as http:
        assert http.get("/api/climate").json() is None
        answer = http.get("/api/climate/devices")
        assert answer.status_code == 404
        assert "no climate system" in answer.json()["detail"]
