"""Uploads, the switch and its trial, streams, and reading back: the models of a board in use."""

import struct
from zlib import crc32

import numpy as np
import pytest

from boards_in_memory import SECTOR, F, H, T, Wire, container, floats, reference, samples
from edgeflow._native.board import BoardLimits
from edgeflow._native.model import NativeModel
from edgeflow.protocols.model_file import efm1, lstm_file, parse_model, quantise_lstm
from edgeflow.protocols.uart.messages import Status, Type
from edgeflow.protocols.uart.requests import encode_infr

A, B, FILE, NONE = 0, 1, 2, 255
TRIAL, CONFIRMED = 1, 2


def place(wire: Wire, model: int = 0) -> tuple[int, int, int]:
    info = wire.info(model)
    return info.slot, info.state, info.previous


def answers_like(wire: Wire, file: bytes, model: int = 0) -> bool:
    sample = samples(1, 3)[0]
    return np.array_equal(wire.infer(sample, model), NativeModel(file).run(sample))


def test_swap_over_the_reference_file_and_back() -> None:
    wire = Wire(file=reference(1))
    assert place(wire) == (FILE, CONFIRMED, NONE)
    present, error, tolerance, _ = struct.unpack("<IffI", wire.upload(container(2)))
    assert (present, error) == (1, 0.0)
    assert tolerance == pytest.approx(1e-4)
    assert answers_like(wire, reference(1))
    assert wire.ask(Type.ACTIVATE, bytes(4)) == bytes([A, CONFIRMED, 0, 0])
    assert place(wire) == (A, CONFIRMED, FILE)
    assert answers_like(wire, container(2))
    info = wire.info()
    assert (info.name, info.version, info.is_reference) == ("model 2", 2, False)
    assert wire.ask(Type.ROLL_BACK) == bytes([FILE, CONFIRMED, 0, 0])
    assert answers_like(wire, reference(1))
    wire.power_on()
    assert place(wire) == (FILE, CONFIRMED, A)
    counters = wire.board.statistics()
    assert (counters["swaps"], counters["roll_backs"]) == (0, 0)


def test_a_reference_file_can_be_uploaded_too() -> None:
    wire = Wire()
    wire.swap(reference(4))
    assert answers_like(wire, reference(4))
    wire.power_on()
    assert answers_like(wire, reference(4))
    assert wire.info().is_reference


def test_a_trial_that_is_confirmed_stays() -> None:
    wire = Wire(file=reference(1))
    assert wire.swap(container(2), within_ms=3000) == bytes([A, TRIAL, 0, 0])
    wire.pass_time(2.9)
    assert wire.ask(Type.CONFIRM) == bytes([A, CONFIRMED, 0, 0])
    assert wire.refuse(Type.CONFIRM) == (Status.NOT_NOW, 0)
    wire.pass_time(5)
    wire.power_on()
    assert place(wire) == (A, CONFIRMED, FILE)


@pytest.mark.parametrize("restart", [False, True])
def test_a_trial_that_is_not_confirmed_goes_back(restart: bool) -> None:
    wire = Wire(file=reference(1))
    wire.swap(container(2), within_ms=3000)
    assert answers_like(wire, container(2))
    if restart:
        wire.power_on()
    else:
        wire.pass_time(2.9)
        assert place(wire)[:2] == (A, TRIAL)
        wire.pass_time(0.2)
        assert wire.board.statistics()["roll_backs"] == 1
    assert place(wire) == (FILE, CONFIRMED, A)
    assert answers_like(wire, reference(1))
    wire.ask(Type.ROLL_BACK)
    assert answers_like(wire, container(2))


def test_uploads_go_on_while_requests_are_answered() -> None:
    wire = Wire(file=reference(1), share=65536)
    file, sample = container(2, hidden=24), samples(1)[0]
    before, after = NativeModel(reference(1)), NativeModel(file)
    sent = [wire.send(Type.UPLOAD_BEGIN, struct.pack("<II", len(file), crc32(file)))]
    replies = []
    for at in range(0, len(file), 1024):
        wire.send(Type.INFER, bytes(4) + sample.tobytes())
        sent.append(wire.send(Type.UPLOAD_DATA, struct.pack("<I", at) + file[at : at + 1024]))
        replies += wire.replies()
    assert all(reply.status == 0 for reply in replies)
    forecasts = [reply for reply in replies if reply.type == Type.INFER | 0x80]
    assert len(forecasts) == len(sent) - 1 >= 10
    assert all(np.array_equal(floats(each.payload[8:]), before.run(sample)) for each in forecasts)
    wire.ask(Type.UPLOAD_END)
    for kind, payload in [
        (Type.INFER, bytes(4) + sample.tobytes()),
        (Type.ACTIVATE, bytes(4)),
        (Type.INFER, bytes(4) + sample.tobytes()),
    ]:
        wire.send(kind, payload)
    first, _, second = wire.replies()
    assert np.array_equal(floats(first.payload[8:]), before.run(sample))
    assert np.array_equal(floats(second.payload[8:]), after.run(sample))


def test_every_id_has_slots_of_its_own() -> None:
    wire = Wire(file=reference(1), models=3)
    wire.swap(container(2), model=1)
    wire.swap(container(3), model=2)
    assert [place(wire, each)[0] for each in range(3)] == [FILE, A, A]
    wire.power_on()
    for model, file in enumerate([reference(1), container(2), container(3)]):
        assert answers_like(wire, file, model)


def test_order_of_an_upload() -> None:
    wire = Wire(file=reference(1))
    file = container(2)
    begin = struct.pack("<II", len(file), crc32(file))
    assert wire.refuse(Type.UPLOAD_DATA, bytes(8))[0] == Status.NOT_NOW
    assert wire.refuse(Type.UPLOAD_END)[0] == Status.NOT_NOW
    assert wire.refuse(Type.ACTIVATE, bytes(4))[0] == Status.NOT_NOW
    assert wire.refuse(Type.ROLL_BACK) == (Status.NOT_NOW, 0)
    assert wire.ask(Type.UPLOAD_ABORT) == b""
    assert wire.refuse(Type.UPLOAD_BEGIN, struct.pack("<II", 8193, 0)) == (Status.TOO_LARGE, 8192)
    assert wire.refuse(Type.UPLOAD_BEGIN, begin, model=2) == (Status.NO_MODEL, 0)
    assert wire.ask(Type.UPLOAD_BEGIN, begin) == struct.pack("<II", 4096, A)
    assert wire.refuse(Type.UPLOAD_DATA, bytes(8), model=1)[0] == Status.BUSY
    assert wire.refuse(Type.UPLOAD_ABORT, model=1)[0] == Status.BUSY
    piece = bytes(4) + file[:256]
    assert wire.ask(Type.UPLOAD_DATA, piece) == struct.pack("<I", 256)
    assert wire.refuse(Type.UPLOAD_DATA, piece) == (Status.NOT_NOW, 256)
    assert wire.refuse(Type.UPLOAD_END) == (Status.NOT_NOW, 256)
    assert wire.refuse(Type.UPLOAD_DATA, struct.pack("<I", 256) + b"odd")[0] == Status.LENGTH
    rest = struct.pack("<I", 256) + file[256:]
    assert wire.ask(Type.UPLOAD_DATA, rest) == struct.pack("<I", len(file))
    assert wire.ask(Type.UPLOAD_END) == wire.ask(Type.UPLOAD_END)
    wire.ask(Type.UPLOAD_ABORT)
    assert wire.refuse(Type.ACTIVATE, bytes(4))[0] == Status.NOT_NOW


def test_a_trial_keeps_both_slots() -> None:
    wire = Wire(file=None)
    wire.swap(container(1))
    wire.swap(container(2), within_ms=60000)
    begin = struct.pack("<II", 100, 0)
    assert wire.refuse(Type.UPLOAD_BEGIN, begin) == (Status.NOT_NOW, 0)
    wire.ask(Type.UPLOAD_BEGIN, begin, model=1)


def test_models_that_are_refused() -> None:
    large = container(3, hidden=60)
    need = NativeModel(large).info.arena_bytes
    wire = Wire(file=reference(1), share=65536, limits=BoardLimits(arena_bytes=need - 4))
    flipped = bytearray(container(2))
    flipped[300] ^= 1
    cases = [
        (bytes(flipped), Status.CHECKSUM, 0),
        (b"garbage!" * 9, Status.BAD_MODEL, 0),
        (large, Status.MEMORY, need),
        (container(4, wrong=0.5), Status.SELF_TEST, None),
    ]
    for file, status, detail in cases:
        wire.ask(Type.UPLOAD_BEGIN, struct.pack("<II", len(file), crc32(file)))
        for at in range(0, len(file), 4096):
            wire.ask(Type.UPLOAD_DATA, struct.pack("<I", at) + file[at : at + 4096])
        found = wire.refuse(Type.UPLOAD_END)
        assert found[0] == status
        if status == Status.SELF_TEST:
            error = struct.unpack("<f", struct.pack("<I", found[1]))[0]
            assert error == pytest.approx(0.5, abs=1e-3)
        elif detail is not None:
            assert found[1] == detail
        assert wire.refuse(Type.ACTIVATE, bytes(4))[0] == Status.NOT_NOW
        assert answers_like(wire, reference(1))
    assert place(wire) == (FILE, CONFIRMED, NONE)


def test_a_wrong_crc_of_the_file_is_refused() -> None:
    wire = Wire(file=reference(1))
    file = container(2)
    wire.ask(Type.UPLOAD_BEGIN, struct.pack("<II", len(file), crc32(file) ^ 1))
    wire.ask(Type.UPLOAD_DATA, bytes(4) + file)
    assert wire.refuse(Type.UPLOAD_END)[0] == Status.CHECKSUM


def test_a_newer_reference_file_wins() -> None:
    wire = Wire(file=reference(1))
    wire.swap(container(2))
    wire.power_on()
    assert answers_like(wire, container(2))
    wire.file = reference(3)
    wire.power_on()
    assert place(wire) == (FILE, CONFIRMED, A)
    assert answers_like(wire, reference(3))


def test_flash_that_fails_is_said_and_the_old_model_answers() -> None:
    wire = Wire(file=reference(1))
    file = container(2)
    wire.ask(Type.UPLOAD_BEGIN, struct.pack("<II", len(file), crc32(file)))
    wire.board.cut_power(3)
    assert wire.refuse(Type.UPLOAD_DATA, bytes(4) + file) == (Status.FLASH, 0)
    assert wire.board.power_lost
    assert answers_like(wire, reference(1))
    wire.power_on()
    wire.swap(file)
    assert answers_like(wire, file)


def test_wear_is_counted() -> None:
    wire = Wire(file=reference(1), models=1)
    for seed in range(4):
        wire.swap(container(seed))
    assert wire.flash is not None and wire.flash.wear is not None
    control, a, b = wire.flash.wear
    assert control.tolist() == [4, 4]
    assert (a.tolist(), b.tolist()) == ([2, 0], [2, 0])
    assert len(container(0)) < SECTOR


def test_without_slots_uploads_are_not_supported() -> None:
    wire = Wire(file=reference(1), slots=False)
    for kind, payload in [
        (Type.UPLOAD_BEGIN, bytes(8)),
        (Type.ACTIVATE, bytes(4)),
        (Type.ROLL_BACK, b""),
        (Type.READ, bytes(12)),
    ]:
        assert wire.refuse(kind, payload) == (Status.NOT_SUPPORTED, 0)


def test_reading_back() -> None:
    wire = Wire(file=reference(1))
    file = container(2)
    wire.swap(file, model=1)

    def read(slot: int, offset: int, count: int, model: int = 1) -> bytes:
        return wire.ask(Type.READ, struct.pack("<III", slot, offset, count), model)

    assert read(A, 0, len(file)) == file
    assert read(A, 100, 50) == file[100:150]
    assert read(B, 8000, 500) == b"\xff" * 192
    assert read(B, 8192, 5) == read(B, 2**32 - 1, 2**32 - 1) == b""
    assert read(FILE, 0, 100000, 0) == reference(1)
    assert wire.refuse(Type.READ, struct.pack("<III", 3, 0, 1)) == (Status.NOT_SUPPORTED, 0)
    assert wire.refuse(Type.READ, bytes(12), model=2) == (Status.NO_MODEL, 0)


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("file", ["float32", "int8"])
def test_a_window_stream_answers_like_infer(int8: bool, file: str) -> None:
    data = reference(1)
    if file == "int8":
        scale = np.full(F, 0.03, np.float32)
        weights = parse_model(data).weights
        data = efm1(quantise_lstm(weights, scale), steps=T)
    wire = Wire(file=data)
    model = NativeModel(data)
    scales = np.array([0.02, 0.03, 0.04], np.float32)
    rows = np.random.default_rng(5).normal(size=(4 * T, F)).astype(np.float32)
    small = np.clip(np.round(rows / scales), -127, 127).astype(np.int8)
    options = b"\0\1\0\0" + scales.tobytes() if int8 else bytes(4)
    assert wire.ask(Type.STREAM_OPEN, options) == struct.pack("<4H", T, F, H, 0)
    rows = small * scales if int8 else rows
    for number, row in enumerate(rows, 1):
        reply = wire.ask(Type.STREAM_STEP, (small[number - 1] if int8 else row).tobytes())
        assert struct.unpack_from("<H", reply)[0] == min(number, T)
        if number < T:
            assert len(reply) == 8
        else:
            assert np.array_equal(floats(reply[8:]), model.run(rows[number - T : number]))


def test_a_stateful_stream_keeps_its_state() -> None:
    wire = Wire(file=reference(1))
    model = NativeModel(reference(1))
    wire.ask(Type.STREAM_OPEN, b"\1\0\0\0")
    state = None
    for number, row in enumerate(samples(4).reshape(-1, F), 1):
        reply = wire.ask(Type.STREAM_STEP, row.tobytes())
        answer, state = model.step(row, state)
        assert len(reply) == (8 if number < T else 8 + 4 * H)
        assert number < T or np.array_equal(floats(reply[8:]), answer)
    charge = wire.board.take_charges()[-1]
    assert (charge.steps, charge.multiply_adds) == (1, model.info.multiply_adds // T)


def test_streams_end_where_they_must() -> None:
    wire = Wire(file=reference(1))
    row = bytes(4 * F)
    assert wire.refuse(Type.STREAM_STEP, row) == (Status.NOT_NOW, 0)
    assert wire.refuse(Type.STREAM_OPEN, b"\2\0\0\0") == (Status.NOT_SUPPORTED, 0)
    assert wire.refuse(Type.STREAM_OPEN, bytes(5)) == (Status.LENGTH, 4)
    assert wire.refuse(Type.STREAM_OPEN, b"\0\1\0\0") == (Status.LENGTH, 4 + 4 * F)
    assert wire.refuse(Type.STREAM_OPEN, bytes(4), model=1) == (Status.NO_MODEL, 0)
    wire.ask(Type.STREAM_OPEN, bytes(4))
    assert wire.refuse(Type.STREAM_STEP, row[:-1]) == (Status.DIMENSIONS, F)
    wire.ask(Type.STREAM_CLOSE)
    assert wire.refuse(Type.STREAM_STEP, row) == (Status.NOT_NOW, 0)
    wire.ask(Type.STREAM_OPEN, bytes(4))
    wire.swap(container(2))
    assert wire.refuse(Type.STREAM_STEP, row) == (Status.NOT_NOW, 0)


def test_a_step_that_is_not_finite_is_not_taken() -> None:
    wire = Wire(file=reference(1))
    model = NativeModel(reference(1))
    rows = samples(2).reshape(-1, F)
    wire.ask(Type.STREAM_OPEN, bytes(4))
    for number, row in enumerate(rows, 1):
        broken = row.copy()
        broken[1] = np.nan
        assert wire.refuse(Type.STREAM_STEP, broken.tobytes()) == (Status.NOT_FINITE, 0)
        reply = wire.ask(Type.STREAM_STEP, row.tobytes())
        if number >= T:
            assert np.array_equal(floats(reply[8:]), model.run(rows[number - T : number]))


def test_streams_share_the_memory_there_is() -> None:
    one = 4 * 2 * T * F
    wire = Wire(file=reference(1), limits=BoardLimits(stream_bytes=2 * one))
    wire.swap(container(2), model=1)
    wire.ask(Type.STREAM_OPEN, bytes(4), model=0)
    wire.ask(Type.STREAM_OPEN, bytes(4), model=1)
    scales = np.ones(F, np.float32).tobytes()
    assert wire.refuse(Type.STREAM_OPEN, b"\0\1\0\0" + scales)[0] == Status.MEMORY
    assert wire.refuse(Type.STREAM_STEP, bytes(4 * F)) == (Status.NOT_NOW, 0)
    rows = {0: samples(1, 7)[0], 1: samples(1, 8)[0]}
    wire.ask(Type.STREAM_OPEN, bytes(4), model=0)
    for step in range(T):
        said = {each: wire.ask(Type.STREAM_STEP, rows[each][step].tobytes(), each) for each in rows}
    assert np.array_equal(floats(said[0][8:]), NativeModel(reference(1)).run(rows[0]))
    assert np.array_equal(floats(said[1][8:]), NativeModel(container(2)).run(rows[1]))


def test_a_trial_whose_way_back_the_flash_refuses() -> None:
    wire = Wire(file=reference(1))
    wire.swap(container(2), within_ms=1000)
    wire.board.cut_power(0)
    wire.pass_time(3)
    assert place(wire)[:2] == (A, TRIAL)
    assert answers_like(wire, container(2))
    wire.power_on()
    assert place(wire) == (FILE, CONFIRMED, A)


def test_a_trial_whose_way_back_broke_stays() -> None:
    wire = Wire()
    wire.swap(container(1))
    wire.swap(container(2), within_ms=1000)
    assert wire.flash is not None
    wire.flash.slot_a[200] ^= 1
    wire.pass_time(1.1)
    assert place(wire)[:2] == (B, CONFIRMED)
    assert answers_like(wire, container(2))
    assert wire.refuse(Type.ROLL_BACK) == (Status.NOT_NOW, 0)


def test_confirming_at_once_on_flash_that_fails_leaves_the_trial() -> None:
    wire = Wire(file=reference(1))
    wire.upload(container(2))
    wire.board.cut_power(1 + 8)  # one record of 32 bytes
    assert wire.refuse(Type.ACTIVATE, bytes(4))[0] == Status.FLASH
    wire.power_on()
    assert place(wire) == (FILE, CONFIRMED, A)
    assert answers_like(wire, reference(1))


def test_messages_that_a_model_is_too_large_for() -> None:
    limits = BoardLimits(max_payload=300, window_bytes=4096)
    steps = 60
    drawn = parse_model(reference(1)).weights
    long = lstm_file(drawn, steps=steps)
    wire = Wire(file=long, limits=limits)
    values = steps * F
    small = np.ones((steps, F), np.int8)
    payload = b"\1\0\0\0" + np.ones(F, np.float32).tobytes() + small.tobytes()
    assert wire.refuse(Type.INFER, payload) == (Status.MEMORY, 4 * values)
    assert wire.raw(encode_infr(small.astype(np.float32)))[:8] == b"PRED" + bytes(4)
    wire.ask(Type.STREAM_OPEN, bytes(4))
    for row in small.astype(np.float32):
        reply = wire.ask(Type.STREAM_STEP, row.tobytes())
    expected = NativeModel(long).run(small.astype(np.float32))
    assert np.array_equal(floats(reply[8:]), expected)
