"""The HTTP API of boards in a server of the user's own: who may ask."""

import asyncio

import httpx
import pytest

from edgeflow.systems.mcu import McuOptions, create_app

NEAR, FAR = ("127.0.0.1", 5000), ("192.0.2.7", 5000)


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        (NEAR, {}, 404),
        (FAR, {}, 401),
        (FAR, {"x-forwarded-for": "127.0.0.1"}, 401),
        (NEAR, {"x-forwarded-for": "192.0.2.7"}, 401),
        (NEAR, {"forwarded": "for=192.0.2.7"}, 401),
        (NEAR, {"via": "1.1 proxy"}, 401),
        (NEAR, {"host": "rebound.example"}, 403),
    ],
)
def test_only_clients_of_this_machine_need_no_token(
    client: tuple[str, int], headers: dict[str, str], status: int
) -> None:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(McuOptions(("/nonexistent",))), client=client)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as asked:
            return await asked.get("/not/there", headers=headers)

    assert asyncio.run(ask()).status_code == status
