"""Boards behind real ports, opened with pySerial as any host opens one."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import serial

from edgeflow._native.model import NativeModel
from edgeflow.devices.boards.base import BoardState
from edgeflow.devices.boards.serial import SerialBoard
from edgeflow.devices.virtual.board import VirtualBoard, VirtualBoards
from edgeflow.devices.virtual.noise import NoiseRates
from edgeflow.errors import CommsError, ConfigError, UnreachableError
from edgeflow.protocols.model_file import efm1, parse_model
from edgeflow.protocols.uart.messages import Message
from edgeflow.protocols.uart.receiver import Receiver
from edgeflow.protocols.uart.requests import encode
from virtual_models import ReferenceClient, lstm, sample

MODEL = lstm()
INPUT = sample()


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


@contextmanager
def opened(
    board: VirtualBoard, baud: int = 115200, timeout: float = 20.0
) -> Iterator[serial.Serial]:
    wait_for(lambda: board.state == "running")
    with serial.serial_for_url(board.port, baud, timeout=timeout) as port:
        yield port


@pytest.mark.parametrize("reference", [False, True])
def test_a_client_of_the_reference_protocol_is_served(reference: bool) -> None:
    with (
        VirtualBoard(model=MODEL, reference=reference, baud=921600) as board,
        opened(board, 921600) as port,
    ):
        client = ReferenceClient(port)
        assert client.info() == (8, 2, 3, 6)
        expected = NativeModel(MODEL).run(INPUT)
        assert client.infer(INPUT).tolist() == expected.tolist()


def test_the_line_takes_its_time() -> None:
    with VirtualBoard(model=MODEL) as board, opened(board) as port:
        client = ReferenceClient(port)
        client.info()
        start = time.monotonic()
        for _ in range(5):
            client.infer(INPUT)
        wire = 5 * (8 + 64 + 8 + 12) * 10 / 115200
        assert wire * 0.95 < time.monotonic() - start < 20 * wire + 5


def test_unplugging_ends_the_port_and_replugging_brings_it_back() -> None:
    with VirtualBoard(model=MODEL, instant=True) as board:
        with opened(board) as port:
            name = board.port
            board.unplug()
            with pytest.raises((serial.SerialException, OSError)):
                for _ in range(100):
                    port.read(1)
                    port.write(b"x")
        assert not Path(name).exists()
        board.unplug()
        board.press_reset()
        assert board.state == "reset"
        board.replug()
        board.replug()
        assert board.port == name
        with opened(board) as port:
            assert ReferenceClient(port).info() == (8, 2, 3, 6)


def test_buttons_lead_into_the_loader_and_back() -> None:
    with VirtualBoard(model=MODEL, instant=True) as board:
        wait_for(lambda: board.state == "running")
        board.press_reset(boot=True)
        wait_for(lambda: board.state == "loader")
        board.press_reset()
        wait_for(lambda: board.state == "running")
        assert board.stats.starts == 2 and board.stats.resets == 3


def test_the_flash_outlives_the_board(tmp_path: Path) -> None:
    path = tmp_path / "flash.bin"
    with VirtualBoard(model=MODEL, flash=path, instant=True) as board, opened(board) as port:
        assert ReferenceClient(port).info() == (8, 2, 3, 6)
    with VirtualBoard(flash=path, instant=True) as board, opened(board) as port:
        assert ReferenceClient(port).info() == (8, 2, 3, 6)
    other = lstm(steps=4, hidden=5)
    with VirtualBoard(model=other, flash=path, instant=True) as board, opened(board) as port:
        assert ReferenceClient(port).info() == (4, 2, 3, 5)


def test_a_model_swapped_in_answers_after_a_power_cut(tmp_path: Path) -> None:
    new, path = lstm(seed=7), tmp_path / "flash.bin"
    expected = NativeModel(new).run(INPUT)
    with VirtualBoard(model=MODEL, flash=path, instant=True) as virtual:
        with SerialBoard(virtual.port) as board:
            wait_for(lambda: board.state is BoardState.READY)
            board.swap(new)
            virtual.unplug()
            virtual.replug()
            wait_for(lambda: virtual.stats.starts == 2)
        with opened(virtual) as port:
            assert ReferenceClient(port).infer(INPUT).tolist() == expected.tolist()
        assert virtual.flash.wear[0x310] > 0
    with VirtualBoard(flash=path, instant=True) as virtual, opened(virtual) as port:
        assert ReferenceClient(port).infer(INPUT).tolist() == expected.tolist()


def test_containers_lie_in_spiffs_too() -> None:
    container = efm1(parse_model(MODEL).weights, steps=8, name="named")
    with VirtualBoard(model=container, instant=True) as board, opened(board) as port:
        expected = NativeModel(MODEL).run(INPUT)
        assert ReferenceClient(port).infer(INPUT).tolist() == expected.tolist()
    with pytest.raises(ConfigError, match="EFM1"):
        VirtualBoard(model=container, reference=True)


def test_a_board_without_a_model_answers_zeros() -> None:
    with VirtualBoard(instant=True) as board, opened(board) as port:
        assert ReferenceClient(port).info() == (0, 0, 0, 0)


def test_a_host_that_does_not_read_loses_bytes_and_blocks_nobody() -> None:
    with VirtualBoard(model=MODEL, instant=True) as board, opened(board) as port:
        port.write_timeout = 20
        for _ in range(60):
            port.write(1000 * b"META")
        wait_for(lambda: board.stats.lost > 0)
        board.press_reset()
        wait_for(lambda: board.stats.starts == 2)


def test_requests_through_noise_are_answered_right_or_not_at_all() -> None:
    noise = NoiseRates(flip=0.0006, drop=0.0003, insert=0.0003, logs=10, seed=3)
    expected = NativeModel(MODEL).run(INPUT).astype("<f4").tobytes()
    right = 0
    with (
        VirtualBoard(model=MODEL, instant=True, noise=noise) as board,
        opened(board, timeout=0.05) as port,
    ):
        receiver = Receiver()
        for number in range(60):
            port.write(encode(0x03, number, bytes(4) + INPUT.astype("<f4").tobytes()))
            reply = reply_to(number, port, receiver)
            if reply is not None and reply.status == 0:
                assert reply.payload[8:] == expected
                right += 1
    assert board.stats.disturbed > 2
    assert 20 < right < 60


def reply_to(number: int, port: serial.Serial, receiver: Receiver) -> Message | None:
    """Return the answer to a request, or None when it does not come."""
    limit = time.monotonic() + 0.4
    while time.monotonic() < limit:
        for event in receiver.feed(port.read(max(1, port.in_waiting))):
            if isinstance(event, Message) and (event.type, event.id) == (0x83, number):
                return event
    return None


def test_sixteen_boards_share_one_thread() -> None:
    with VirtualBoards(16, model=MODEL, instant=True) as boards:
        assert len(set(boards.ports)) == 16
        for board in boards:
            with opened(board) as port:
                assert ReferenceClient(port).infer(INPUT).shape == (3,)
    with pytest.raises(CommsError):
        boards[0].press_reset()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
def test_one_host_at_a_time_has_the_tcp_port() -> None:
    with VirtualBoard(model=MODEL, transport="rfc2217", instant=True) as board:
        assert board.port.startswith("rfc2217://127.0.0.1:")
        number = int(board.port.partition("127.0.0.1:")[2].partition("?")[0])
        with opened(board) as port:
            assert ReferenceClient(port).info() == (8, 2, 3, 6)
            with socket.create_connection(("127.0.0.1", number), timeout=20) as second:
                assert second.recv(1) == b""
            assert ReferenceClient(port).info() == (8, 2, 3, 6)
        with opened(board) as port:
            assert ReferenceClient(port).info() == (8, 2, 3, 6)
        with pytest.raises(UnreachableError):
            VirtualBoard(transport="rfc2217", tcp_port=number)


def test_mistakes_are_told_before_anything_runs(tmp_path: Path) -> None:
    for options in (
        {"transport": "usb"},
        {"model": b"no model"},
        {"model": tmp_path / "none.bin"},
        {"flash": tmp_path},
        {"model": MODEL, "meta": b"[]"},
    ):
        with pytest.raises(ConfigError):
            VirtualBoard(**options)  # type: ignore[arg-type]


def test_links_take_no_place_of_files(tmp_path: Path) -> None:
    kept = tmp_path / "kept.bin"
    kept.write_bytes(b"kept")
    for link in (kept, tmp_path / "none" / "board"):
        with pytest.raises(UnreachableError, match="cannot be made"):
            VirtualBoard(link=link)
    assert kept.read_bytes() == b"kept"
    with VirtualBoard(link=tmp_path / "board", instant=True) as board:
        assert board.port == str(tmp_path / "board") and Path(board.port).is_char_device()


def test_answers_at_a_wrong_rate_are_garbage_if_asked_for() -> None:
    with (
        VirtualBoard(model=MODEL, instant=True, strict_baud=True) as board,
        opened(board, 9600, timeout=0.5) as port,
    ):
        port.write(b"META")
        assert b"INFO" not in port.read(12)
        port.baudrate = 115200
        port.timeout = 20
        assert ReferenceClient(port).info() == (8, 2, 3, 6)


def test_values_are_float32_whatever_the_rate() -> None:
    with VirtualBoard(model=MODEL, baud=3_000_000) as board, opened(board, 3_000_000) as port:
        answer = ReferenceClient(port).infer(INPUT)
        assert answer.dtype == np.dtype("<f4") and np.isfinite(answer).all()
