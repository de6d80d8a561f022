"""BlueZ's D-Bus interface on a bus of its own, with one device: all but the radio."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dbus_fast import BusType, PropertyAccess
from dbus_fast.aio import MessageBus
from dbus_fast.service import ServiceInterface, dbus_property, method

__all__ = ["CHARACTERISTIC", "SERVICE", "Radio", "bluez", "has_bus"]

SERVICE = "0000181a-0000-1000-8000-00805f9b34fb"
CHARACTERISTIC = "00002a6e-0000-1000-8000-00805f9b34fb"
ADAPTER = "/org/bluez/hci0"
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>
"""


def has_bus() -> bool:
    """Return whether a bus can be started here."""
    return shutil.which("dbus-daemon") is not None


def _constant(kind: Any, name: str, value: Any) -> Any:
    def getter(self: Any) -> Any:
        return value

    getter.__name__ = name
    getter.__annotations__ = {"return": kind}
    return dbus_property(access=PropertyAccess.READ)(getter)


class _Adapter(ServiceInterface):
    Address = _constant("s", "Address", "00:00:00:00:00:01")
    Powered = _constant("b", "Powered", True)
    Roles = _constant("as", "Roles", ["central"])

    def __init__(self, radio: "Radio") -> None:
        super().__init__("org.bluez.Adapter1")
        self._radio = radio

    @method()
    def SetDiscoveryFilter(self, filters: "a{sv}"):  # type: ignore[name-defined] # noqa: F722
        pass

    @method()
    def StartDiscovery(self):
        self._radio.scans += 1
        self._radio.advertise()

    @method()
    def StopDiscovery(self):
        pass


class _Device(ServiceInterface):
    def __init__(self, radio: "Radio") -> None:
        super().__init__("org.bluez.Device1")
        self._radio = radio
        self.connected = False

    @dbus_property(access=PropertyAccess.READ)
    def Address(self) -> "s":  # type: ignore[name-defined] # noqa: F821
        return self._radio.address

    @dbus_property(access=PropertyAccess.READ)
    def Alias(self) -> "s":  # type: ignore[name-defined] # noqa: F821
        return self._radio.name or self._radio.address.replace(":", "-")

    @dbus_property(access=PropertyAccess.READ)
    def Adapter(self) -> "o":  # type: ignore[name-defined] # noqa: F821
        return ADAPTER

    @dbus_property(access=PropertyAccess.READ)
    def UUIDs(self) -> "as":  # type: ignore[name-defined] # noqa: F722
        return [SERVICE]

    @dbus_property(access=PropertyAccess.READ)
    def RSSI(self) -> "n":  # type: ignore[name-defined] # noqa: F821
        return -50

    @dbus_property(access=PropertyAccess.READ)
    def Connected(self) -> "b":  # type: ignore[name-defined] # noqa: F821
        return self.connected

    @dbus_property(access=PropertyAccess.READ)
    def Paired(self) -> "b":  # type: ignore[name-defined] # noqa: F821
        return False

    @dbus_property(access=PropertyAccess.READ)
    def Trusted(self) -> "b":  # type: ignore[name-defined] # noqa: F821
        return False

    @dbus_property(access=PropertyAccess.READ)
    def ServicesResolved(self) -> "b":  # type: ignore[name-defined] # noqa: F821
        return self.connected

    @method()
    def Connect(self):
        self._radio.connections += 1
        self.change(True)

    @method()
    def Disconnect(self):
        self.change(False)

    def change(self, connected: bool) -> None:
        self.connected = connected
        self.emit_properties_changed({"Connected": connected, "ServicesResolved": connected})


class _Service(ServiceInterface):
    UUID = _constant("s", "UUID", SERVICE)
    Primary = _constant("b", "Primary", True)

    def __init__(self, device: str) -> None:
        super().__init__("org.bluez.GattService1")
        self._device = device

    @dbus_property(access=PropertyAccess.READ)
    def Device(self) -> "o":  # type: ignore[name-defined] # noqa: F821
        return self._device


class _Characteristic(ServiceInterface):
    UUID = _constant("s", "UUID", CHARACTERISTIC)
    MTU = _constant("q", "MTU", 247)

    def __init__(self, radio: "Radio", service: str) -> None:
        super().__init__("org.bluez.GattCharacteristic1")
        self._radio = radio
        self._service = service
        self.value = b""

    @dbus_property(access=PropertyAccess.READ)
    def Service(self) -> "o":  # type: ignore[name-defined] # noqa: F821
        return self._service

    @dbus_property(access=PropertyAccess.READ)
    def Flags(self) -> "as":  # type: ignore[name-defined] # noqa: F722
        return self._radio.flags

    @dbus_property(access=PropertyAccess.READ)
    def Value(self) -> "ay":  # type: ignore[name-defined] # noqa: F821
        return self.value

    @method()
    def ReadValue(self, options: "a{sv}") -> "ay":  # type: ignore[name-defined] # noqa: F821, F722
        self._radio.reads += 1
        return self._radio.value

    @method()
    def StartNotify(self):
        self._radio.notifying = True

    @method()
    def StopNotify(self):
        self._radio.notifying = False


class Radio:
    """An adapter that sees one device with one service and one characteristic.

    Args:
        name: that the device advertises, if any.
        flags: what its characteristic can.
    """

    def __init__(self, name: str | None, flags: list[str]) -> None:
        self.name = name
        self.address = "AA:BB:CC:DD:EE:FF"
        self.flags = flags
        self.value = b'{"celsius": 21.5}'
        self.scans = self.connections = self.reads = 0
        self.notifying = False
        self.present = True
        path = f"{ADAPTER}/dev_AA_BB_CC_DD_EE_FF"
        self._device = _Device(self)
        self._characteristic = _Characteristic(self, f"{path}/service0001")
        self._objects = [
            (path, self._device),
            (f"{path}/service0001", _Service(path)),
            (f"{path}/service0001/char0002", self._characteristic),
        ]
        self._exported = False
        self._bus: Any = None

    async def join(self, address: str) -> None:
        self._bus = await MessageBus(bus_address=address, bus_type=BusType.SYSTEM).connect()
        self._bus.export(ADAPTER, _Adapter(self))
        await self._bus.request_name("org.bluez")

    def advertise(self) -> None:
        """Let the device be seen."""
        if not self.present:
            return
        if not self._exported:
            for path, interface in self._objects:
                self._bus.export(path, interface)
            self._exported = True
        asyncio.get_running_loop().call_later(
            0.02, self._device.emit_properties_changed, {"RSSI": -51}
        )

    def notify(self, value: bytes) -> None:
        """Let the characteristic tell a value."""
        self._characteristic.value = value
        self._characteristic.emit_properties_changed({"Value": value})

    def hang_up(self) -> None:
        """Let the connection break."""
        self.notifying = False
        self._device.change(False)

    async def leave(self) -> None:
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()


@asynccontextmanager
async def bluez(
    folder: Path, name: str | None = "Nano33", flags: tuple[str, ...] = ("read", "notify")
) -> AsyncIterator[Radio]:
    """Run a bus with a radio on it, and let bleak find it."""
    path = folder / "bus"
    config = folder / "bus.conf"
    config.write_text(CONFIG.format(path=path))
    daemon = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork"])
    before = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={path}"
    radio = Radio(name, list(flags))
    try:
        async with asyncio.timeout(20):
            while not path.exists():
                await asyncio.sleep(0.01)
        await radio.join(f"unix:path={path}")
        yield radio
        await radio.leave()
    finally:
        if before is None:
            del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
        else:
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = before
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(10)
