import asyncio
import json
import os
import pty
import tty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from connecting import listening, made, until
from edgeflow.pipelines.connectors.serial import SerialConnector
from edgeflow.protocols.framing import CobsFraming, LengthFraming


class Board:
    """The other end of a pseudo-terminal, behind a link with a steady name."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.plug()

    def plug(self) -> None:
        self.fd, line = pty.openpty()
        tty.setraw(line)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(line))
        os.close(line)

    def unplug(self) -> None:
        with suppress(OSError):
            os.close(self.fd)
        self.link.unlink(missing_ok=True)

    def say(self, data: bytes) -> None:
        os.write(self.fd, data)

    def heard(self) -> bytes:
        os.set_blocking(self.fd, False)
        try:
            return os.read(self.fd, 4096)
        except (BlockingIOError, OSError):
            return b""


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    board = Board(tmp_path / "ttyUSB0")
    yield board
    board.unplug()


def test_lines_are_messages(board: Board) -> None:
    async def run() -> None:
        connector = made(SerialConnector, port=str(board.link), sensor_id="climate")
        async with listening(connector) as listener:
            await until(lambda: connector.state == "connected")
            board.say(b'{"co2_ppm": 700}\r\n{"co2')
            (first,) = await listener.take()
            board.say(b'_ppm": 701}\n')
            (second,) = await listener.take()
        assert [json.loads(m.payload)["co2_ppm"] for m in (first, second)] == [700, 701]
        assert (first.sensor_id, first.encoding) == ("climate", "json")

    asyncio.run(run())


@pytest.mark.parametrize("framing", ["length", "cobs"])
def test_binary_messages_are_found(board: Board, framing: str) -> None:
    codec = LengthFraming(100) if framing == "length" else CobsFraming(100)

    async def run() -> None:
        connector = made(SerialConnector, port=str(board.link), framing=framing, serializer="raw")
        async with listening(connector) as listener:
            await until(lambda: connector.state == "connected")
            board.say(codec.encode(b"\0\1\n\r\xff") + codec.encode(b"two"))
            messages = await listener.take(2)
        assert [message.payload for message in messages] == [b"\0\1\n\r\xff", b"two"]
        assert messages[0].encoding == "raw"

    asyncio.run(run())


def test_a_board_that_is_plugged_out_and_in_is_found_again(board: Board) -> None:
    async def run() -> None:
        connector = made(SerialConnector, port=str(board.link), serializer="raw")
        async with listening(connector) as listener:
            await until(lambda: connector.state == "connected")
            board.say(b"one\n")
            await listener.take()
            board.unplug()
            await until(lambda: connector.state == "waiting")
            assert str(board.link) in str(connector.last_error)
            board.plug()
            await until(lambda: connector.state == "connected")
            board.say(b"two\n")
            (message,) = await listener.take()
        assert message.payload == b"two"

    asyncio.run(run())


def test_a_port_that_is_not_there_is_reported(tmp_path: Path) -> None:
    async def run() -> None:
        connector = made(SerialConnector, port=str(tmp_path / "nowhere"))
        async with listening(connector) as listener:
            await until(lambda: connector.state == "waiting")
            assert "nowhere" in str(connector.last_error)
            assert listener.messages == []

    asyncio.run(run())


def test_noise_is_discarded_and_counted(board: Board) -> None:
    async def run() -> None:
        connector = made(
            SerialConnector, port=str(board.link), serializer="raw", max_message_bytes=16
        )
        async with listening(connector) as listener:
            await until(lambda: connector.state == "connected")
            board.say(b"x" * 1000 + b"\nfine\n")
            (message,) = await listener.take()
        assert message.payload == b"fine"
        assert connector.discarded == 1000

    asyncio.run(run())


def test_a_board_is_asked_to_slow_down_if_it_understands(board: Board) -> None:
    async def run() -> None:
        connector = made(SerialConnector, port=str(board.link), throttle=True)
        assert not await connector.throttle("x", 1.0)
        async with listening(connector):
            await until(lambda: connector.state == "connected")
            assert await connector.throttle("x", 2.5)
            heard = b""

            def complete() -> bool:
                nonlocal heard
                heard += board.heard()
                return heard.endswith(b"\n")

            await until(complete)
        assert json.loads(heard) == {"throttle": {"interval_s": 2.5}}

    asyncio.run(run())


def test_a_board_that_does_not_understand_is_not_told(board: Board) -> None:
    async def run() -> None:
        connector = made(SerialConnector, port=str(board.link))
        async with listening(connector):
            await until(lambda: connector.state == "connected")
            assert not await connector.throttle("x", 2.5)
            assert board.heard() == b""

    asyncio.run(run())
