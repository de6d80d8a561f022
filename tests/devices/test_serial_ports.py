"""Finding ports, opening them without resetting the board, and RFC 2217."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow._native.model import NativeModel
from edgeflow.devices.boards.serial import SerialBoard
from edgeflow.devices.serial import finding
from edgeflow.devices.serial.console import MAX_LINE, Console
from edgeflow.devices.serial.conversation import Conversation
from edgeflow.devices.serial.desk import Desk
from edgeflow.devices.serial.finding import FoundPort, Locator, PortSpec
from edgeflow.devices.serial.sockets import SocketPort, TelnetPort
from edgeflow.devices.serial.telnet import TelnetReader, escape, greeting
from edgeflow.devices.virtual.board import VirtualBoard
from edgeflow.errors import ConfigError, ProtocolError, UnreachableError
from wired_boards import WiredBoard, model_file, samples

FILE = model_file()


def found(board):
    """Wait until the board answers; on a busy machine the first try may fail."""
    end = time.monotonic() + 60
    while board.state != "ready":
        assert time.monotonic() < end, board.last_error
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("text", "kind", "target", "options"),
    [
        ("/dev/ttyACM0", "path", "/dev/ttyACM0", {}),
        ("/dev/ttyACM*", "glob", "/dev/ttyACM*", {}),
        ("usb:1234", "usb", "1234", {}),
        ("serial:///dev/ttyACM0?baud=9600&values=int8", "path", "/dev/ttyACM0",
         {"baud": "9600", "values": "int8"}),
        ("serial:///dev/tty%41", "path", "/dev/ttyA", {}),
        ("serial+glob:///dev/tty?1", "glob", "/dev/tty?1", {}),
        ("serial+glob:///dev/tty?1?baud=1", "glob", "/dev/tty?1", {"baud": "1"}),
        ("serial+usb://AB%20C", "usb", "AB C", {}),
        ("rfc2217://h:4000?baud=1", "url", "rfc2217://h:4000", {"baud": "1"}),
        ("socket://[::1]:7", "url", "socket://[::1]:7", {}),
    ],
)  # fmt: skip
def test_texts_that_name_ports(text, kind, target, options):
    assert PortSpec.parse(text) == PortSpec(kind, target, options)


@pytest.mark.parametrize(
    "text",
    ["", "ttyACM0", "usb:", "serial://", "seriall:///dev/x", "http://x:1", "rfc2217://host",
     "socket://host:0", "socket://host:99999", "rfc2217://:4", "~nobody-at-all/x", "/dev/\0",
     "x" * 9999],
)  # fmt: skip
def test_texts_that_name_none(text):
    with pytest.raises(ConfigError):
        PortSpec.parse(text)


def test_a_link_beside_us_is_a_port(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="names no port"):
        PortSpec.parse("board0")
    Path("board0").symlink_to("/dev/null")
    assert PortSpec.parse("board0") == PortSpec("path", "board0")


def test_patterns_that_are_none():
    for text in ("serial+glob:///dev/**x", "serial+glob://."):
        with pytest.raises((ConfigError, UnreachableError)):
            PortSpec.parse(text).find()


@given(st.text(max_size=40))
def test_any_text_names_a_port_or_is_refused(text):
    try:
        PortSpec.parse(text)
    except ConfigError:
        return


def test_a_board_is_found_again_under_another_path(tmp_path, monkeypatch):
    first, second = tmp_path / "ttyACM0", tmp_path / "ttyACM1"
    plugged = [FoundPort(str(first), "S1")]
    monkeypatch.setattr(finding, "list_ports", lambda: plugged)
    first.touch()
    locator = Locator(PortSpec("path", str(first)))
    assert locator.locate() == str(first)
    first.unlink()
    plugged[:] = [FoundPort(str(tmp_path / "ttyS0"), ""), FoundPort(str(second), "S1")]
    assert locator.locate() == str(second)
    plugged.clear()
    with pytest.raises(UnreachableError):
        locator.locate()
    by_number = Locator(PortSpec("usb", "S1"))
    with pytest.raises(UnreachableError):
        by_number.locate()
    plugged.append(FoundPort(str(second), "S1"))
    assert by_number.locate() == str(second)


@pytest.mark.parametrize("transport", ["pty", "rfc2217"])
def test_opening_a_port_resets_no_board(transport):
    with VirtualBoard(model=FILE, instant=True, transport=transport) as virtual:
        for _ in range(2):
            with SerialBoard(virtual.port) as board:
                found(board)
                sample = samples(1)[0]
                expected = NativeModel(FILE).run(sample)
                np.testing.assert_array_equal(board.infer(sample).values, expected)
                assert board.info.baud == 921600
        assert virtual.stats.resets <= 1


def test_a_virtual_board_that_is_unplugged_and_put_back():
    with (
        VirtualBoard(model=FILE, instant=True) as virtual,
        SerialBoard(virtual.port, faster=()) as board,
    ):
        found(board)
        virtual.unplug()
        with pytest.raises(UnreachableError):
            while True:
                board.infer(samples(1)[0])
        virtual.replug()
        found(board)
        board.infer(samples(1)[0])


def test_a_board_is_left_at_the_rate_at_which_it_started():
    with VirtualBoard(model=FILE, instant=True, strict_baud=True) as virtual:
        with SerialBoard(virtual.port, faster=(460800,)) as board:
            found(board)
            assert board.info.baud == 460800
        with SerialBoard(virtual.port, faster=()) as board:
            found(board)
            assert board.info.baud == 115200


def test_a_board_is_found_at_the_rate_where_its_last_host_died():
    with VirtualBoard(model=FILE, instant=True, strict_baud=True) as virtual:
        code = (
            "import os, time\n"
            "from edgeflow.devices.boards.serial import SerialBoard\n"
            f"board = SerialBoard({virtual.port!r})\n"
            "while board.state != 'ready': time.sleep(0.01)\n"
            "os._exit(0 if board.info.baud == 921600 else 1)\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
        with SerialBoard(virtual.port, faster=()) as board:
            found(board)
            assert board.info.baud == 115200
            board.infer(samples(1)[0])


def test_a_rate_that_the_line_cannot_carry_is_given_up(tmp_path):
    with WiredBoard(tmp_path, file=FILE) as wired:

        def carry(data):
            return data if wired.board.baud != 921600 else b""

        wired.noise = (carry, lambda data: data)
        with SerialBoard(wired.port, faster=(921600, 460800)) as board:
            found(board)
            assert board.info.baud == 460800
            board.infer(samples(1)[0])


def test_a_socket_that_nobody_serves():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with SerialBoard(f"socket://127.0.0.1:{port}") as board:
        assert not board.wait(30)
        assert "refused" in board.last_error


def test_a_peer_that_talks_nonsense_is_no_board():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with SerialBoard(f"socket://127.0.0.1:{port}", faster=()) as board:
            peer, _ = server.accept()
            peer.sendall(b"EFX1" * 1000 + b"INFO" * 100 + bytes(range(256)) * 20)
            assert not board.wait(30)
            assert "nobody answers" in board.last_error
            peer.close()


@given(st.lists(st.binary(max_size=40), max_size=12), st.lists(st.integers(0, 500)))
def test_telnet_gives_back_the_data_among_commands(parts, cuts):
    commands = [
        greeting(115200),
        b"\xff\xfb\x01",
        b"\xff\xfd\x03",
        b"\xff\xf1",
        b"\xff\xfa\x2c\x6b\xff\xff\xff\xf0",
    ]
    stream = b""
    for index, part in enumerate(parts):
        stream += escape(part) + commands[index % len(commands)]
    reader, got, at = TelnetReader(), b"", 0
    for cut in [*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]:
        got += reader.feed(stream[at:cut])
        at = cut
    assert got == b"".join(parts)
    assert len(reader.answers) <= 3 * 8


@given(st.binary(max_size=2000))
def test_telnet_survives_any_bytes(data):
    reader = TelnetReader()
    try:
        assert len(reader.feed(data)) <= len(data)
    except ProtocolError:
        assert b"\xff\xfa" in data


def test_a_telnet_command_without_an_end_is_refused():
    with pytest.raises(ProtocolError):
        TelnetReader().feed(b"\xff\xfa" + bytes(1000))


class Teller:
    """Says one thing, once."""

    def __init__(self, data):
        self.data = data

    def take(self, now):
        data, self.data = self.data, b""
        return data

    def event(self, event, now):
        """Take nothing."""

    def due(self):
        return time.monotonic() + 0.01

    def expire(self, now):
        """Expect nothing."""


@pytest.mark.parametrize("kind", [SocketPort, TelnetPort])
def test_much_data_goes_out_as_a_slow_server_takes_it(kind):
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        for each in (ours, theirs):
            each.setblocking(False)
        data = b"\xff\0" * (1 << 19)
        port = TelnetPort("x", ours, 115200) if kind is TelnetPort else SocketPort("x", ours)
        begun = len(greeting(115200)) if kind is TelnetPort else 0
        desk = Desk("x", 1)
        conversation = Conversation(port, desk, Console(), time.monotonic)
        teller = Teller(data)
        wanted = escape(data) if kind is TelnetPort else data
        came = bytearray()
        until = time.monotonic() + 8
        while len(came) < begun + len(wanted):
            assert time.monotonic() < until
            conversation.turn(teller)
            came += theirs.recv(1 << 20)
        assert came[begun:] == wanted
        port.close()
        desk.close(UnreachableError("over"))


def test_the_console_keeps_words_and_no_garbage():
    console = Console(now=lambda: 1.0)
    console.add(b"I (31) bo")
    console.add("ot: 20 °C\r\n".encode() + bytes(range(128, 200)) + b"\n\n\x1b[0;32mgreen\x1b[0m\n")
    assert [each.text for each in console.lines()] == [
        "I (31) boot: 20 °C",
        "\ufffd[0;32mgreen\ufffd[0m",
    ]


@given(st.lists(st.binary(max_size=3000), max_size=8))
def test_the_console_keeps_bounded_printable_lines(chunks):
    console = Console(now=lambda: 1.0, lines=20)
    for chunk in chunks:
        console.add(chunk)
    lines = console.lines()
    assert len(lines) <= 20
    assert all(len(each.text) <= MAX_LINE and each.text.isprintable() for each in lines)
    numbers = [each.number for each in lines]
    assert numbers == sorted(numbers)
    assert console.lines(numbers[-1] if numbers else 0) == []
