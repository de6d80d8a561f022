import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bluez import CHARACTERISTIC, SERVICE, bluez, has_bus
from connecting import listening, made, until
from edgeflow.pipelines.connectors.ble import BleConnector

on_a_bus = pytest.mark.skipif(not has_bus(), reason="no dbus-daemon here")


@on_a_bus
def test_notified_values_are_messages_also_after_a_hang_up(tmp_path: Path) -> None:
    async def run() -> None:
        async with bluez(tmp_path) as radio:
            connector = made(BleConnector, name="Nano33", characteristic_uuid="2a6e")
            async with listening(connector) as listener:
                await until(lambda: radio.notifying)
                radio.notify(b'{"celsius": 20}')
                (message,) = await listener.take()
                assert json.loads(message.payload) == {"celsius": 20}
                assert (message.sensor_id, message.encoding) == ("ble:Nano33", "json")
                assert message.metadata["address"] == radio.address
                radio.hang_up()
                await until(lambda: radio.connections == 2 and radio.notifying)
                radio.notify(b'{"celsius": 21}')
                (message,) = await listener.take()
                assert json.loads(message.payload) == {"celsius": 21}
                assert connector.state == "connected"

    asyncio.run(run())


@on_a_bus
def test_a_device_without_a_name_is_found_by_its_service_and_read(tmp_path: Path) -> None:
    async def run() -> None:
        async with bluez(tmp_path, name=None, flags=("read",)) as radio:
            connector = made(
                BleConnector,
                service_uuid=SERVICE,
                characteristic_uuid=CHARACTERISTIC,
                poll_interval=0.05,
                encoding="raw",
            )
            async with listening(connector) as listener:
                (first, _, _) = await listener.take(3)
            assert first.payload == radio.value
            assert (first.sensor_id, first.encoding) == (f"ble:{radio.address}", "raw")
            assert radio.reads >= 3
            assert not radio.notifying

    asyncio.run(run())


@on_a_bus
@pytest.mark.parametrize(
    "wrong", [{"name": "Other"}, {"address": "11:22:33:44:55:66"}, {"service_uuid": "180f"}]
)
def test_other_devices_are_left_alone(tmp_path: Path, wrong: dict[str, Any]) -> None:
    async def run() -> None:
        async with bluez(tmp_path, name=None) as radio:
            connector = made(BleConnector, characteristic_uuid="2a6e", scan_timeout_s=0.3, **wrong)
            async with listening(connector) as listener:
                await until(lambda: connector.state == "waiting")
                assert "was not seen" in str(connector.last_error)
                await until(lambda: radio.scans >= 2)
                assert (radio.connections, listener.messages) == (0, [])

    asyncio.run(run())


@on_a_bus
def test_a_characteristic_that_is_not_there_is_reported(tmp_path: Path) -> None:
    async def run() -> None:
        async with bluez(tmp_path) as radio:
            connector = made(BleConnector, address=radio.address, characteristic_uuid="2a6f")
            async with listening(connector):
                await until(lambda: connector.state == "waiting")
                assert "no characteristic" in str(connector.last_error)

    asyncio.run(run())


def test_a_machine_without_bluetooth_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nowhere")

    async def run() -> None:
        connector = made(BleConnector, name="x", characteristic_uuid="2a6e")
        async with listening(connector):
            await until(lambda: connector.state == "waiting")
            assert connector.last_error

    asyncio.run(run())


@pytest.mark.parametrize(
    "wrong",
    [
        {"characteristic_uuid": "2a6e"},
        {"name": "x"},
        {"name": "x", "characteristic_uuid": "nonsense"},
        {"name": "x", "characteristic_uuid": "2a6e", "mode": "shout"},
    ],
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BleConnector.Options(**wrong)


def test_keys_of_the_reference_are_taken() -> None:
    BleConnector.Options(
        name="Nano33",
        service_uuid=SERVICE,
        characteristic_uuid=CHARACTERISTIC,
        poll_interval=5,
        encoding="json",
        sensor_id="imu",
        pipeline="env",
    )
