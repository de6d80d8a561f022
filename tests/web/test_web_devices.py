"""Devices on the dashboard's API: what a view tells, and what is asked of it."""

import asyncio

import httpx
from fastapi import FastAPI

from edgeflow.core.no_flow import NoFlow
from edgeflow.core.status import DeviceStatus
from edgeflow.errors import ConfigError, EdgeFlowError, OverloadedError
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


class Client:
    """Asks the routes of a view."""

    def __init__(self, view: Shelf | None) -> None:
        self._app = FastAPI()
        self._app.include_router(device_routes(view))
        self._app.add_exception_handler(EdgeFlowError, on_problem)

    def ask(self, method: str, path: str, content: bytes = b"") -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://desk") as http:
                return await http.request(method, path, content=content)

        return asyncio.run(asked())

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path)

    def put(self, path: str, content: bytes) -> httpx.Response:
        return self.ask("PUT", path, content)

    def post(self, path: str) -> httpx.Response:
        return self.ask("POST", path)


def test_devices_are_listed() -> None:
    assert Client(Shelf()).get("/api/devices").json()[0]["name"] == "desk"
    assert Client(None).get("/api/devices").json() == []


def test_a_model_is_handed_over_as_it_came() -> None:
    shelf = Shelf()
    assert Client(shelf).put("/api/devices/desk/models/3", content=b"LST0").status_code == 202
    assert Client(shelf).post("/api/devices/desk/models/3/rollback").status_code == 202
    assert shelf.asked == [("swap", "desk", 3, b"LST0"), ("back", "desk", 3, b"")]


def test_refusals_have_their_status() -> None:
    shelf = Shelf()
    desk = Client(shelf)
    assert desk.put("/api/devices/des/models/0", content=b"x").status_code == 404
    assert desk.put("/api/devices/desk/models/256", content=b"x").status_code == 422
    assert (
        desk.put("/api/devices/desk/models/0", content=bytes(MAX_MODEL_BYTES + 1)).status_code
        == 413
    )
    shelf.busy = True
    assert desk.put("/api/devices/desk/models/0", content=b"x").status_code == 409
    assert desk.post("/api/devices/desk/models/0/rollback").status_code == 409
    assert Client(None).put("/api/devices/desk/models/0", content=b"x").status_code == 404
    assert shelf.asked == []


def test_a_system_without_a_flow_has_an_empty_one() -> None:
    flow = NoFlow("boards")
    assert flow.status().nodes == []
    assert flow.topics() == []
