"""Peers that keep to the checksums and to nothing else."""

import random
import socket
import struct
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from edgeflow.devices.boards.base import BoardState
from edgeflow.devices.boards.serial import SerialBoard
from edgeflow.errors import (
    EdgeFlowError,
    EngineError,
    MissingExtraError,
    TensorError,
)
from edgeflow.inference.engines.open import open_engine
from edgeflow.protocols.uart import Message, Receiver, Type, encode

HELLO = struct.Struct("<HHIII6sBxIII16s24sII")
MODEL = struct.Struct("<BBBBHHHHBBxxIIIIIIII32s32sQ")


def hello(window=8, window_bytes=4096, most=32768, able=63, models=1):
    return HELLO.pack(
        1, window, window_bytes, most, able, b"\2abcde", models, 115200, 65536, 65536,
        b"\x1b[31mESP", b"evil\n\xff\xfe", 0, 0,
    )  # fmt: skip


def model(steps=8, features=3, horizon=2, hidden=4):
    return MODEL.pack(
        0, 2, 255, 1, steps, features, horizon, hidden, 0, 0,
        1, 138, 568, 0, 1, 904, 160, 0, b"x\x07y", bytes(32), 0,
    )  # fmt: skip


@contextmanager
def peer(answer):
    """A server whose ``answer(message)`` returns bytes for each request."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        ending = threading.Event()

        def serve():
            while not ending.is_set():
                try:
                    stream, _ = server.accept()
                except TimeoutError:
                    continue
                with stream:
                    talk(stream)

        def talk(stream):
            stream.settimeout(0.05)
            receiver = Receiver()
            while not ending.is_set():
                try:
                    data = stream.recv(65536)
                    if not data:
                        return
                    for each in receiver.feed(data):
                        if isinstance(each, Message):
                            stream.sendall(answer(each))
                except TimeoutError:
                    continue
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"socket://127.0.0.1:{server.getsockname()[1]}"
        finally:
            ending.set()
            thread.join(10)


def reply(message, payload, status=0):
    return encode(message.type | 0x80, message.id, payload, model=message.model, status=status)


def polite(told=None, **others):
    """Answer HELLO and MODEL_INFO well, and others by what is given for their types."""
    known = {Type.HELLO: hello(), Type.MODEL_INFO: model(), **(told or {}), **others}
    return lambda message: reply(message, known.get(message.type, b""))


SAMPLE = np.zeros((8, 3), np.float32)


def test_texts_of_a_board_are_cleaned():
    with peer(polite()) as port, SerialBoard(port, faster=()) as board:
        assert board.wait(30), board.last_error
        assert board.info.chip == "[31mESP" and board.models[0].name == "xy"
        assert board.info.firmware.isprintable()


@pytest.mark.parametrize(
    "told",
    [
        {Type.HELLO: hello(window=0)},
        {Type.MODEL_INFO: b"short"},
    ],
)
def test_a_board_that_cannot_be_understood_is_none(told):
    with peer(polite(told)) as port, SerialBoard(port, faster=()) as board:
        assert not board.wait(30)


@pytest.mark.parametrize("payload", [b"", bytes(7), bytes(9), bytes(30000)])
def test_answers_of_a_wrong_size_are_errors(payload):
    with peer(polite({Type.INFER: payload})) as port, SerialBoard(port, faster=()) as board:
        assert board.wait(30)
        with pytest.raises(EngineError):
            board.infer(SAMPLE)


def test_answers_that_are_not_finite_are_errors():
    nan = bytes(8) + np.array([np.nan, 1], "<f4").tobytes()
    with peer(polite({Type.INFER: nan})) as port, SerialBoard(port, faster=()) as board:
        assert board.wait(30)
        with pytest.raises(EngineError, match="finite"):
            board.infer(SAMPLE)


def test_huge_claims_cost_nothing():
    told = {Type.HELLO: hello(65535, 2**32 - 1, 2**32 - 1, 2**32 - 1, 255)}
    with peer(polite(told)) as port, SerialBoard(port, faster=()) as board:
        assert board.wait(30)
        assert len(board.models) == 16
        assert len(board.refresh()) == 16
        with pytest.raises(EngineError):
            board.infer(SAMPLE)
    told[Type.MODEL_INFO] = model(65535, 65535, 65535, 65535)
    with peer(polite(told)) as port, pytest.raises(EngineError, match="too large"):
        open_engine(f"{port}?faster=none")


@pytest.mark.parametrize("number", [-1, 20, 256, 70000])
def test_model_ids_that_no_board_has_cost_it_nothing(number):
    told = {Type.HELLO: hello(models=255), Type.INFER: bytes(16)}
    with peer(polite(told)) as port, SerialBoard(port, faster=()) as board:
        assert board.wait(30)
        with pytest.raises(EngineError):
            board.roll_back(model=number, timeout=5)
        assert board.state is BoardState.READY
        assert board.infer(SAMPLE).values.shape == (2,)


@pytest.mark.parametrize("bug", [TypeError("a bug"), struct.error("cut off")], ids=repr)
def test_what_fails_to_read_an_answer_leaves_no_caller_waiting(bug):
    def fail(*_):
        raise bug

    with peer(polite()) as port, SerialBoard(port, faster=()) as board:
        assert board.wait(30)
        asked = [board.wire.ask(Type.INFER, bytes(4), fail, timeout=300) for _ in range(3)]
        for future in asked:
            assert isinstance(future.exception(10), EdgeFlowError)


def test_a_message_that_the_board_cannot_take_is_never_sent():
    told = {Type.HELLO: hello(most=40)}
    with peer(polite(told)) as port, SerialBoard(port, faster=()) as board:
        assert board.wait(30)
        with pytest.raises(TensorError, match="the board takes 40"):
            board.infer(SAMPLE)


def test_swaps_on_a_board_that_lies_fail():
    from wired_boards import container

    for told in ({}, {Type.UPLOAD_BEGIN: bytes(8), Type.UPLOAD_DATA: b"\xff" * 4}):
        with peer(polite(told)) as port, SerialBoard(port, faster=()) as board:
            assert board.wait(30)
            with pytest.raises(EngineError):
                board.swap(container(1), timeout=10)


def test_random_replies_are_answers_or_errors():
    chance = random.Random(4)

    def answer(message):
        if message.type in (Type.HELLO, Type.MODEL_INFO):
            return polite()(message)
        kind = chance.choice([message.type | 0x80, 0xFF, 0xC1, chance.randrange(256)])
        if kind == 0xC1 and chance.random() < 0.9:
            kind = message.type | 0x80
        body = chance.randbytes(chance.choice([0, 4, 8, 16, 40]))
        return encode(kind, message.id, body, status=chance.choice([0, 0, 0, 1, 4, 7, 12, 99]))

    outcomes = []
    with peer(answer) as port, SerialBoard(port, faster=()) as board:
        assert board.wait(30)
        for _ in range(15):
            try:
                outcomes.append(board.infer(SAMPLE, timeout=0.5))
            except EdgeFlowError as error:
                outcomes.append(error)
    assert len(outcomes) == 15


def test_without_pyserial_the_extra_is_named(monkeypatch):
    from edgeflow.devices.serial import finding

    monkeypatch.setattr(finding, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="package 'serial'"):
        SerialBoard("/dev/ttyACM0")
