import asyncio
import os
import pty
import struct
import threading
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from connecting import listening, made, until
from edgeflow.pipelines.connectors.modbus import ModbusConnector, RegisterOptions, requests
from servers import free_port

CELSIUS = list(struct.unpack(">2H", struct.pack(">f", 21.5)))
REGISTERS = [
    {"name": "co2_ppm", "address": 0, "table": "input"},
    {"name": "celsius", "address": 1, "table": "input", "type": "f32"},
    {"name": "humidity_pct", "address": 3, "table": "input", "scale": 0.1, "offset": 1},
    {"name": "total", "address": 10, "type": "u32", "word_order": "little"},
    {"name": "level", "address": 12, "type": "i16"},
    {"name": "running", "address": 5, "table": "coil"},
    {"name": "alarm", "address": 6, "table": "discrete"},
]
EXPECTED = {
    "co2_ppm": 700,
    "celsius": 21.5,
    "humidity_pct": pytest.approx(46.2),
    "total": 65536 * 2 + 7,
    "level": -3,
    "running": True,
    "alarm": False,
}


def device() -> SimDevice:
    coils = [SimData(0, values=[number == 5 for number in range(16)], datatype=DataType.BITS)]
    discrete = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    holding = [SimData(10, values=[7, 2, 0xFFFD], datatype=DataType.REGISTERS)]
    given = [SimData(0, values=[700, *CELSIUS, 452], datatype=DataType.REGISTERS)]
    return SimDevice(1, (coils, discrete, holding, given))


@asynccontextmanager
async def plc(port: int) -> AsyncIterator[ModbusTcpServer]:
    server = ModbusTcpServer(device(), address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield server
    finally:
        await server.shutdown()


@contextmanager
def line() -> Iterator[tuple[str, str]]:
    """Two pseudo-terminals whose ends are joined, as a null-modem cable."""
    (a, left), (b, right) = pty.openpty(), pty.openpty()
    tty.setraw(left)
    tty.setraw(right)

    def carry(source: int, target: int) -> None:
        with suppress(OSError):
            while data := os.read(source, 4096):
                os.write(target, data)

    threads = [threading.Thread(target=carry, args=pair, daemon=True) for pair in ((a, b), (b, a))]
    for thread in threads:
        thread.start()
    try:
        yield os.ttyname(left), os.ttyname(right)
    finally:
        for fd in (left, right):
            os.close(fd)
        for thread in threads:
            thread.join(5)
        for fd in (a, b):
            os.close(fd)


def test_registers_become_a_dict_and_the_device_is_found_again() -> None:
    async def run() -> None:
        port = free_port()
        connector = made(
            ModbusConnector, host="127.0.0.1", port=port, registers=REGISTERS, interval=0.05
        )
        async with listening(connector) as listener:
            await until(lambda: connector.state == "waiting")
            async with plc(port):
                first, second = await listener.take(2)
                assert connector.state == "connected"
            assert first.payload == EXPECTED
            assert list(first.payload) == [register["name"] for register in REGISTERS]
            assert first.encoding == ""
            assert second.timestamp > first.timestamp
            await until(lambda: connector.state == "waiting")
            assert connector.last_error
            seen = len(listener.messages)
            async with plc(port):
                await until(lambda: len(listener.messages) > seen)

    asyncio.run(run())


def test_rtu_on_a_serial_line() -> None:
    async def run() -> None:
        with line() as (ours, theirs):
            server = ModbusSerialServer(device(), port=theirs, baudrate=115200)
            await server.serve_forever(background=True)
            connector = made(
                ModbusConnector, serial_port=ours, baudrate=115200, registers=REGISTERS[:3]
            )
            async with listening(connector) as listener:
                (message,) = await listener.take()
            await server.shutdown()
        assert message.payload == {
            key: EXPECTED[key] for key in ("co2_ppm", "celsius", "humidity_pct")
        }

    asyncio.run(run())


def test_registers_that_a_device_has_not_are_named() -> None:
    async def run() -> None:
        port = free_port()
        wrong = [{"name": "x", "address": 5000}]
        connector = made(ModbusConnector, host="127.0.0.1", port=port, registers=wrong)
        async with plc(port), listening(connector) as listener:
            await until(lambda: connector.state == "waiting")
            assert "holding registers 5000 to 5000" in str(connector.last_error)
            assert listener.messages == []

    asyncio.run(run())


def test_a_peer_that_answers_nonsense_is_given_up_and_tried_again() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.read(100):
                writer.write(os.urandom(64))
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        connector = made(
            ModbusConnector, host="127.0.0.1", port=port, registers=REGISTERS, timeout_s=0.2
        )
        async with listening(connector) as listener:
            await until(lambda: connector.state == "waiting")
            assert listener.messages == []
        server.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "wrong",
    [
        {"registers": REGISTERS},
        {"registers": REGISTERS, "host": "x", "serial_port": "y"},
        {"registers": [], "host": "x"},
        {"registers": [REGISTERS[0], REGISTERS[0]], "host": "x"},
        {"registers": [{"name": "x", "address": 0, "type": "u8"}], "host": "x"},
    ],
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModbusConnector.Options(**wrong)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.sampled_from(["holding", "coil"]),
            st.sampled_from(["u16", "u32", "f64"]),
        ),
        min_size=1,
        max_size=40,
    ),
    st.integers(0, 20),
)
def test_few_requests_cover_all_values_within_the_bounds(
    places: list[tuple[int, Any, Any]], gap: int
) -> None:
    registers = [
        RegisterOptions(name=str(number), address=address, table=table, type=kind)
        for number, (address, table, kind) in enumerate(places)
    ]
    found = requests(registers, gap)
    values = [value for request in found for value in request.values]
    assert sorted(value.name for value in values) == sorted(r.name for r in registers)
    for request in found:
        assert request.count <= (2000 if request.table == "coil" else 125)
        for value in request.values:
            assert request.address <= value.address
            assert value.address + value.count <= request.address + request.count
