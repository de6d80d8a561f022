"""Modbus devices: registers that are read again and again."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgeflow.errors import MissingExtraError, PipelineError, UnreachableError
from edgeflow.pipelines.connectors.base import ConnectorOptions
from edgeflow.pipelines.connectors.session import SessionConnector
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.protocols.registers import read_number, register_count

__all__ = ["ModbusConnector", "ModbusOptions", "RegisterOptions"]

MAX_REGISTERS, MAX_BITS = 125, 2000
"""What one request may ask for, by the standard."""

Table = Literal["holding", "input", "coil", "discrete"]


class RegisterOptions(BaseModel):
    """One value under ``registers:``.

    Attributes:
        name: key in the message.
        address: of its first register, from 0.
        table: ``holding``, ``input``, ``coil`` or ``discrete``.
        type: ``u16``, ``i16``, ``u32``, ``i32``, ``f32``, ``u64``, ``i64``, ``f64``; coils and
            discrete inputs are true or false.
        scale: the number is multiplied by it; then ``offset`` is added.
        word_order: which register comes first.
        byte_order: which byte of a register comes first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    address: int = Field(ge=0, le=65535)
    table: Table = "holding"
    type: Literal["u16", "i16", "u32", "i32", "f32", "u64", "i64", "f64"] = "u16"
    scale: float = 1.0
    offset: float = 0.0
    word_order: Literal["big", "little"] = "big"
    byte_order: Literal["big", "little"] = "big"

    @property
    def is_bit(self) -> bool:
        """It is true or false."""
        return self.table in ("coil", "discrete")

    @property
    def count(self) -> int:
        """Registers, or bits, that it takes."""
        return 1 if self.is_bit else register_count(self.type)


class ModbusOptions(ConnectorOptions):
    """Keys of a connector of type ``modbus``: ``host`` for TCP, or ``serial_port`` for RTU.

    Attributes:
        host: of the device, or of a gateway to it.
        port: its TCP port.
        serial_port: device of the line; baudrate, parity and stopbits are the line's.
        unit: number of the device.
        interval: seconds between two readings.
        timeout_s: what an answer may take.
        gap: registers that may lie unused between two values that are read with one request.
        registers: the values.
    """

    host: str | None = None
    port: int = Field(502, ge=1, le=65535)
    serial_port: str | None = None
    baudrate: int = Field(19200, ge=50, le=4_000_000)
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    unit: int = Field(1, ge=0, le=255)
    interval: float = Field(1.0, ge=0.01, le=86400)
    timeout_s: float = Field(2.0, gt=0, le=60)
    gap: int = Field(0, ge=0, le=100)
    registers: list[RegisterOptions] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _one_line(self) -> "ModbusOptions":
        if (self.host is None) == (self.serial_port is None):
            raise ValueError("set either host or serial_port")
        names = [register.name for register in self.registers]
        if len(set(names)) != len(names):
            raise ValueError("two registers have the same name")
        return self


class Request(BaseModel):
    """One read: ``count`` registers of a table, and the values that lie in them."""

    table: Table
    address: int
    count: int
    values: list[RegisterOptions]


def requests(registers: list[RegisterOptions], gap: int = 0) -> list[Request]:
    """Return as few reads as cover ``registers``."""
    found: list[Request] = []
    for register in sorted(registers, key=lambda r: (r.table, r.address)):
        end = register.address + register.count
        last = found[-1] if found else None
        limit = MAX_BITS if register.is_bit else MAX_REGISTERS
        if (
            last is not None
            and last.table == register.table
            and register.address <= last.address + last.count + gap
            and end - last.address <= limit
        ):
            last.count = max(last.count, end - last.address)
            last.values.append(register)
        else:
            found.append(
                Request(
                    table=register.table,
                    address=register.address,
                    count=register.count,
                    values=[register],
                )
            )
    return found


class ModbusConnector(SessionConnector):
    """Reads all registers every ``interval`` and yields them as one dict."""

    Options = ModbusOptions
    options: ModbusOptions

    async def start(self) -> None:
        """Check that pymodbus is there.

        Raises:
            MissingExtraError: it is not.
        """
        try:
            import pymodbus  # noqa: F401 - sessions need it
        except ModuleNotFoundError:
            raise MissingExtraError("pymodbus", "modbus") from None
        self._requests = requests(self.options.registers, self.options.gap)

    async def session(self) -> AsyncIterator[EdgeMessage]:
        """Connect, and read at a steady pace."""
        from pymodbus.exceptions import ModbusException

        client = self._client()
        try:
            if not await client.connect():
                raise UnreachableError(f"{self._place} does not answer")
            loop = asyncio.get_running_loop()
            due, first = loop.time(), True
            while True:
                asked = time.time()
                values = await self._read(client)
                if first:
                    self.connected()
                first = False
                yield EdgeMessage(
                    sensor_id=self.options.sensor_id or f"modbus:{self.name}",
                    payload=values,
                    timestamp=asked,
                    metadata={"unit": self.options.unit},
                )
                due = max(due + self.options.interval, loop.time())
                await asyncio.sleep(due - loop.time())
        except (ModbusException, TimeoutError) as error:
            raise UnreachableError(f"{self._place}: {error}") from None
        finally:
            client.close()

    @property
    def _place(self) -> str:
        options = self.options
        return options.serial_port or f"{options.host}:{options.port}"

    def _client(self) -> Any:
        from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

        options = self.options
        common: dict[str, Any] = {
            "timeout": options.timeout_s,
            "retries": 0,
            "reconnect_delay": 0,
            "name": self.name,
        }
        if options.serial_port is None:
            return AsyncModbusTcpClient(str(options.host), port=options.port, **common)
        return AsyncModbusSerialClient(
            options.serial_port,
            baudrate=options.baudrate,
            parity=options.parity,
            stopbits=options.stopbits,
            **common,
        )

    async def _read(self, client: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for request in self._requests:
            read = {
                "holding": client.read_holding_registers,
                "input": client.read_input_registers,
                "coil": client.read_coils,
                "discrete": client.read_discrete_inputs,
            }[request.table]
            answer = await read(request.address, count=request.count, device_id=self.options.unit)
            place = f"{request.table} registers {request.address} to "
            place += str(request.address + request.count - 1)
            if answer.isError():
                raise PipelineError(f"{self._place} refuses {place}: {answer}")
            got = answer.bits if request.values[0].is_bit else answer.registers
            if len(got) < request.count:
                raise PipelineError(f"{self._place} gives only {len(got)} of {place}")
            for value in request.values:
                at = value.address - request.address
                values[value.name] = _value(value, got[at : at + value.count])
        return {register.name: values[register.name] for register in self.options.registers}


def _value(register: RegisterOptions, raw: list[Any]) -> Any:
    if register.is_bit:
        return bool(raw[0])
    number = read_number(
        raw,
        register.type,
        big_words=register.word_order == "big",
        big_bytes=register.byte_order == "big",
    )
    if number is None or (register.scale == 1.0 and register.offset == 0.0):
        return number
    return number * register.scale + register.offset
