"""Bluetooth Low Energy sensors: a characteristic that notifies, or that is read again and again."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal
from uuid import UUID

from pydantic import Field, field_validator, model_validator

from edgeflow.errors import MissingExtraError, PipelineError, UnreachableError
from edgeflow.pipelines.connectors.base import ConnectorOptions
from edgeflow.pipelines.connectors.session import SessionConnector
from edgeflow.pipelines.message import EdgeMessage

__all__ = ["BleConnector", "BleOptions"]

GOODBYE_SECONDS = 2.0
"""What hanging up may take."""


class BleOptions(ConnectorOptions):
    """Keys of a connector of type ``ble``. What is given of name, address and service must fit.

    Attributes:
        name: that the device advertises.
        address: of the device.
        service_uuid: service that the device advertises, or at least has.
        characteristic_uuid: the characteristic whose values are messages.
        mode: ``notify``, ``poll``, or ``auto``: notify where the characteristic can.
        poll_interval: seconds between two reads.
        encoding: how the value is decoded.
        adapter: Bluetooth adapter (``hci0``).
        scan_timeout_s: how long one search for the device lasts.
        timeout_s: what connecting or reading may take.
        capacity: values that may wait; the oldest are dropped.
    """

    name: str | None = None
    address: str | None = None
    service_uuid: str | None = None
    characteristic_uuid: str
    mode: Literal["auto", "notify", "poll"] = "auto"
    poll_interval: float = Field(5.0, ge=0.01, le=86400)
    encoding: str = "json"
    adapter: str | None = None
    scan_timeout_s: float = Field(10.0, gt=0, le=300)
    timeout_s: float = Field(10.0, gt=0, le=300)
    capacity: int = Field(256, ge=1, le=100_000)

    @field_validator("service_uuid", "characteristic_uuid")
    @classmethod
    def _is_uuid(cls, text: str | None) -> str | None:
        """Return the long form; 16-bit numbers have a short one."""
        if text is None:
            return None
        short = text.lower().removeprefix("0x")
        return str(UUID(f"0000{short}-0000-1000-8000-00805f9b34fb" if len(short) == 4 else text))

    @model_validator(mode="after")
    def _some_device(self) -> "BleOptions":
        if not (self.name or self.address or self.service_uuid):
            raise ValueError("set name, address or service_uuid, so that the device is known")
        return self


class BleConnector(SessionConnector):
    """Finds a device, connects, and yields the values of one of its characteristics."""

    Options = BleOptions
    options: BleOptions

    async def start(self) -> None:
        """Check that bleak is there.

        Raises:
            MissingExtraError: it is not.
        """
        try:
            import bleak  # noqa: F401 - sessions need it
        except ModuleNotFoundError:
            raise MissingExtraError("bleak", "ble") from None

    async def session(self) -> AsyncIterator[EdgeMessage]:
        """Find the device and listen to it."""
        from bleak.exc import BleakError

        gone = asyncio.Event()
        try:
            device = await self._find()
            async with self._connection(device, gone) as client:
                characteristic = self._characteristic(client)
                notifies = {"notify", "indicate"} & set(characteristic.properties)
                mode = self.options.mode
                listen = mode == "notify" or (mode == "auto" and notifies)
                values = self._notified if listen else self._polled
                self.connected()
                async for value in values(client, characteristic, gone):
                    yield self._message(device, value)
        except (BleakError, TimeoutError, EOFError) as error:
            reason = str(error) or "no answer in time"
            raise UnreachableError(f"{self._wanted}: {reason}") from None

    @asynccontextmanager
    async def _connection(self, device: Any, gone: asyncio.Event) -> AsyncIterator[Any]:
        """Connect; in the end the device gets ``GOODBYE_SECONDS`` to let go."""
        from bleak import BleakClient

        client = BleakClient(
            device,
            disconnected_callback=lambda _: gone.set(),
            timeout=self.options.timeout_s,
            bluez=self._adapter(),
        )
        await client.connect()
        try:
            yield client
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await client.disconnect()

    @property
    def _wanted(self) -> str:
        options = self.options
        return options.name or options.address or f"a device with {options.service_uuid}"

    def _adapter(self) -> Any:
        return {} if self.options.adapter is None else {"adapter": self.options.adapter}

    async def _find(self) -> Any:
        from bleak import BleakScanner

        device = await BleakScanner.find_device_by_filter(
            self._fits, timeout=self.options.scan_timeout_s, bluez=self._adapter()
        )
        if device is None:
            wait = self.options.scan_timeout_s
            raise UnreachableError(f"{self._wanted} was not seen within {wait:g} s")
        return device

    def _fits(self, device: Any, advertisement: Any) -> bool:
        """Tell whether this is the device; many have no name."""
        options = self.options
        if options.address and device.address.lower() != options.address.lower():
            return False
        if options.name and options.name not in (advertisement.local_name, device.name):
            return False
        if options.service_uuid and not (options.address or options.name):
            return options.service_uuid in [uuid.lower() for uuid in advertisement.service_uuids]
        return True

    def _characteristic(self, client: Any) -> Any:
        options = self.options
        services = client.services
        if options.service_uuid:
            service = services.get_service(options.service_uuid)
            if service is None:
                raise PipelineError(f"{self._wanted} has no service {options.service_uuid}")
            found = service.get_characteristic(options.characteristic_uuid)
        else:
            found = services.get_characteristic(options.characteristic_uuid)
        if found is None:
            raise PipelineError(
                f"{self._wanted} has no characteristic {options.characteristic_uuid}"
            )
        return found

    async def _notified(
        self, client: Any, characteristic: Any, gone: asyncio.Event
    ) -> AsyncIterator[bytes]:
        waiting: deque[bytes] = deque()
        filled = asyncio.Event()

        def keep(_: Any, value: bytearray) -> None:
            if len(waiting) >= self.options.capacity:
                waiting.popleft()
                self.dropped += 1
            waiting.append(bytes(value))
            filled.set()

        await client.start_notify(characteristic, keep)
        left = asyncio.create_task(gone.wait())
        left.add_done_callback(lambda _: filled.set())
        try:
            while not gone.is_set() or waiting:
                await filled.wait()
                filled.clear()
                while waiting:
                    yield waiting.popleft()
        finally:
            left.cancel()
        raise UnreachableError(f"{self._wanted} has hung up")

    async def _polled(
        self, client: Any, characteristic: Any, gone: asyncio.Event
    ) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not gone.is_set():
            async with asyncio.timeout(self.options.timeout_s):
                value = await client.read_gatt_char(characteristic)
            yield bytes(value)
            due = max(due + self.options.poll_interval, loop.time())
            try:
                async with asyncio.timeout_at(due):
                    await gone.wait()
            except TimeoutError:
                continue
        raise UnreachableError(f"{self._wanted} has hung up")

    def _message(self, device: Any, value: bytes) -> EdgeMessage:
        return EdgeMessage(
            sensor_id=self.options.sensor_id or f"ble:{device.name or device.address}",
            payload=value,
            encoding=self.options.serializer or self.options.encoding,
            timestamp=time.time(),
            metadata={"address": device.address},
        )
