"""Serial lines: messages of boards on a wire."""

import asyncio
import threading
import time
from typing import Any, Literal

import msgspec
from pydantic import Field

from edgeflow.errors import MissingExtraError, ProtocolError, UnreachableError
from edgeflow.pipelines.connectors.base import ConnectorOptions
from edgeflow.pipelines.connectors.session import Outlet, ThreadedConnector
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.protocols.framing import CobsFraming, Framing, LengthFraming, LineFraming

__all__ = ["SerialConnector", "SerialOptions"]

READ_SECONDS = 0.1
"""How long a read waits; bounds how soon the thread sees that it should end."""

WRITE_SECONDS = 1.0
MAX_READ = 65536


class SerialOptions(ConnectorOptions):
    """Keys of a connector of type ``serial``.

    Attributes:
        port: device (``/dev/ttyUSB0``; ``/dev/serial/by-id/...`` keeps its name).
        baudrate: bits per second.
        parity: ``N``, ``E`` or ``O``; stopbits: 1 or 2.
        flow_control: ``rtscts`` or ``xonxoff``.
        framing: how messages are told apart: ``line``, ``length`` (behind their length), ``cobs``.
        length_bytes: of the length; length_order: of its bytes.
        max_message_bytes: larger messages are discarded.
        serializer: how the payload is decoded; ``json`` where nothing is said.
        dtr: level of DTR; many boards reset, or wait, on it.
        rts: level of RTS.
        throttle: tell the board ``{"throttle": {"interval_s": N}}`` in a frame when it sends more
            than the pipeline takes.
        capacity: messages that may wait; the oldest are dropped.
    """

    port: str
    baudrate: int = Field(115200, ge=50, le=12_000_000)
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    flow_control: Literal["rtscts", "xonxoff"] | None = None
    framing: Literal["line", "length", "cobs"] = "line"
    length_bytes: Literal[1, 2, 4] = 2
    length_order: Literal["big", "little"] = "big"
    max_message_bytes: int = Field(65536, ge=1, le=16 * 1024 * 1024)
    serializer: str | None = "json"
    dtr: bool = False
    rts: bool = False
    throttle: bool = False
    capacity: int = Field(256, ge=1, le=100_000)


class SerialConnector(ThreadedConnector):
    """Reads a serial line in a thread of its own, and opens it again when it was unplugged."""

    Options = SerialOptions
    options: SerialOptions

    def __init__(self, name: str, options: Any, routes: Any = ()) -> None:
        super().__init__(name, options, routes)
        self.capacity = options.capacity
        self.discarded = 0
        self._port: Any = None
        self._writing = threading.Lock()

    async def start(self) -> None:
        """Check that pyserial is there.

        Raises:
            MissingExtraError: it is not.
        """
        try:
            import serial  # noqa: F401 - the thread needs it
        except ModuleNotFoundError:
            raise MissingExtraError("serial", "serial") from None

    def work(self, outlet: Outlet) -> None:
        """Read messages in the connector's thread."""
        import serial

        framing = self._framing()
        try:
            with self._open() as port:
                self._port = port
                self.connected()
                while not outlet.stopping.is_set():
                    self._read(port, framing, outlet)
        except (serial.SerialException, ProtocolError) as error:
            raise UnreachableError(f"{self.options.port}: {error}") from None
        finally:
            self._port = None

    async def throttle(self, sensor_id: str, interval_s: float) -> bool:
        """Send the wish to the board, if ``throttle`` says that it understands."""
        port = self._port
        if not self.options.throttle or port is None:
            return False
        wish = msgspec.json.encode({"throttle": {"interval_s": interval_s}})
        return await asyncio.to_thread(self._write, port, self._framing().encode(wish))

    def _open(self) -> Any:
        import serial

        options = self.options
        port = serial.Serial()
        port.port, port.baudrate = options.port, options.baudrate
        port.parity, port.stopbits = options.parity, options.stopbits
        port.rtscts = options.flow_control == "rtscts"
        port.xonxoff = options.flow_control == "xonxoff"
        port.timeout, port.write_timeout = READ_SECONDS, WRITE_SECONDS
        port.exclusive = True
        port.dtr, port.rts = options.dtr, options.rts  # before opening, for boards that reset
        port.open()
        return port

    def _read(self, port: Any, framing: Framing, outlet: Outlet) -> None:
        data = port.read(1)
        if data:
            data += port.read(min(port.in_waiting, MAX_READ))
        before = framing.discarded
        for message in framing.feed(data):
            outlet.put(self._message(message))
        if framing.discarded > before:
            self.discarded += framing.discarded - before
            self.log.debug("bytes_discarded", total=self.discarded)

    def _message(self, payload: bytes) -> EdgeMessage:
        return EdgeMessage(
            sensor_id=self.options.sensor_id or f"serial:{self.options.port}",
            payload=payload,
            encoding=self.options.serializer or "raw",
            timestamp=time.time(),
        )

    def _framing(self) -> Framing:
        options = self.options
        if options.framing == "line":
            return LineFraming(options.max_message_bytes)
        if options.framing == "cobs":
            return CobsFraming(options.max_message_bytes)
        return LengthFraming(
            options.max_message_bytes,
            size=options.length_bytes,
            big_endian=options.length_order == "big",
        )

    def _write(self, port: Any, data: bytes) -> bool:
        import serial

        try:
            with self._writing:
                port.write(data)
        except (serial.SerialException, OSError) as error:
            self.log.warning("throttle_failed", error=str(error))
            return False
        return True
