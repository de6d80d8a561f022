"""Devices on the dashboard's API: what a view tells, and what is asked of it."""

from starlette.testclient import TestClient

from edgeflow.core.no_flow import NoFlow
from edgeflow.core.status import DeviceStatus
from edgeflow.errors import ConfigError, OverloadedError
from edgeflow.web.devices import MAX_MODEL_BYTES, device_routes
from edgeflow.web.problems import on_problem


class Shelf:
    """A ``DeviceView`` of one device that remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int, bytes]] = []
        self.busy = False

    def devices(self) -> list[DeviceStatus]:
        return [DeviceStatus(name="desk", state="ready")]

    def swap(self, device: str, file: bytes, model: int = 0) -> None:
        self._check(device)
        self.asked.append(("swap", device, model, file))

    def roll_back(self, device: str, model: int = 0) -> None:
        self._check(device)
        self.asked.append(("back", device, model, b""))

    def _check(self, device: str) -> None:
        if device != "desk":
            raise ConfigError(f"there is no device {device!r}", code="EF-DEVICE-404")
        if self.busy:
            raise OverloadedError("a swap runs")


def client(view: Shelf | None) -> TestClient:
    from fastapi import FastAPI

    from edgeflow.errors import EdgeFlowError

    app = FastAPI()
    app.include_router(device_routes(view))
    app.add_exception_handler(EdgeFlowError, on_problem)
    return TestClient(app)


def test_devices_are_listed() -> None:
    assert client(Shelf()).get("/api/devices").json()[0]["name"] == "desk"
    assert client(None).get("/api/devices").json() == []


def test_a_model_is_handed_over_as_it_came() -> None:
    shelf = Shelf()
    assert client(shelf).put("/api/devices/desk/models/3", content=b"LST0").status_code == 202
    assert client(shelf).post("/api/devices/desk/models/3/rollback").status_code == 202
    assert shelf.asked == [("swap", "desk", 3, b"LST0"), ("back", "desk", 3, b"")]


def test_refusals_have_their_status() -> None:
    shelf = Shelf()
    desk = client(shelf)
    assert desk.put("/api/devices/des/models/0", content=b"x").status_code == 404
    assert desk.put("/api/devices/desk/models/256", content=b"x").status_code == 422
    assert (
        desk.put("/api/devices/desk/models/0", content=bytes(MAX_MODEL_BYTES + 1)).status_code
        == 413
    )
    shelf.busy = True
    assert desk.put("/api/devices/desk/models/0", content=b"x").status_code == 409
    assert desk.post("/api/devices/desk/models/0/rollback").status_code == 409
    assert client(None).put("/api/devices/desk/models/0", content=b"x").status_code == 404
    assert shelf.asked == []


def test_a_system_without_a_flow_has_an_empty_one() -> None:
    flow = NoFlow("boards")
    assert flow.status().nodes == []
    assert flow.topics() == []
