"""The board's protocol code: what it says, runs and refuses; uploads have a file of their own."""

import struct
from binascii import crc32, crc_hqx

import numpy as np
import pytest

from boards_in_memory import HIDDEN, F, H, T, Wire, container, floats, reference, samples
from edgeflow._native.board import BoardLimits, Flash, NativeBoard, Prices
from edgeflow._native.model import NativeModel
from edgeflow.errors import ConfigError
from edgeflow.protocols.uart.messages import Capability, Message, Status, Type
from edgeflow.protocols.uart.receiver import Receiver
from edgeflow.protocols.uart.replies import decode_hello, decode_statistics
from edgeflow.protocols.uart.requests import encode, encode_infr

SCALES = np.full(F, 0.03, np.float32)


def prediction(values: np.ndarray) -> bytes:
    return b"PRED" + struct.pack("<I", len(values)) + values.tobytes()


def test_the_reference_protocol_byte_for_byte() -> None:
    wire = Wire(file=reference(1), slots=False)
    sample = samples(1)[0]
    answer = NativeModel(reference(1)).run(sample)
    assert wire.raw(b"META") == b"INFO" + struct.pack("<4H", T, F, H, HIDDEN)
    assert wire.raw(encode_infr(sample)) == prediction(answer)
    assert wire.raw(b"xxMEMETA") == b"INFO" + struct.pack("<4H", T, F, H, HIDDEN)


def test_a_wrong_count_is_answered_and_its_payload_scanned() -> None:
    wire = Wire(file=reference(1))
    said = wire.raw(b"INFR" + struct.pack("<I", T * F + 1) + b"12345678META")
    assert said == prediction(np.empty(0)) + b"INFO" + struct.pack("<4H", T, F, H, HIDDEN)


@pytest.mark.parametrize("file", [None, b"LST0 but broken"])
def test_without_a_model_everything_is_answered(file: bytes | None) -> None:
    wire = Wire(file=file)
    assert wire.raw(b"META") == b"INFO" + bytes(8)
    assert wire.raw(b"INFR" + bytes(4)) == prediction(np.empty(0))
    assert wire.raw(b"INFR" + struct.pack("<I", 4)) == prediction(np.empty(0))
    status = Status.NO_MODEL if file is None else Status.LENGTH
    assert wire.refuse(Type.INFER, bytes(4)) == (status, 0)
    assert (wire.info().slot, wire.info().state, wire.info().steps) == (255, 0, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(value: float) -> None:
    wire = Wire(file=reference(1))
    sample = samples(1)[0]
    sample[2, 1] = value
    assert wire.raw(encode_infr(sample)) == prediction(np.empty(0))
    assert wire.refuse(Type.INFER, bytes(4) + sample.tobytes())[0] == Status.NOT_FINITE
    scales = SCALES.copy()
    scales[0] = value
    payload = b"\1\0\0\0" + scales.tobytes() + b"\1" * (T * F)
    assert wire.refuse(Type.INFER, payload)[0] == Status.NOT_FINITE
    assert wire.refuse(Type.STREAM_OPEN, b"\0\1\0\0" + scales.tobytes())[0] == Status.NOT_FINITE


def test_a_count_that_never_comes_is_forgotten_after_2_s() -> None:
    wire = Wire(file=reference(1))
    assert wire.raw(b"INFR\x12\0") == b""
    assert wire.pass_time(1.9) == b""
    assert wire.board.statistics()["timeouts"] == 0
    assert wire.pass_time(0.2) == b""
    assert wire.raw(b"META")[:4] == b"INFO"
    assert wire.board.statistics()["timeouts"] == 1


def test_a_payload_that_never_comes_is_forgotten_after_5_s() -> None:
    wire = Wire(file=reference(1))
    sample = samples(1)[0]
    assert wire.raw(encode_infr(sample)[:-1]) == b""
    assert wire.pass_time(4.8) == b""
    assert wire.board.statistics()["timeouts"] == 0
    assert wire.pass_time(0.4) == b""
    assert wire.raw(encode_infr(sample))[:8] == b"PRED" + struct.pack("<I", H)


def test_booted_tells_how_many_models_answer() -> None:
    wire = Wire(file=reference(1))
    (event,) = Receiver().feed(wire.power_on())
    assert isinstance(event, Message)
    assert (event.type, event.id, event.payload[:4]) == (Type.BOOTED, 0, b"\1\0\0\0")
    assert event.payload[4:].rstrip(b"\0") == b"edgeflow-virtual"


def test_hello() -> None:
    limits = BoardLimits(window=5, window_bytes=9000, max_payload=4096, stream_bytes=4096)
    hello = decode_hello(Wire(file=reference(1), limits=limits).ask(Type.HELLO))
    assert (hello.version, hello.window, hello.window_bytes) == (1, 5, 9000)
    assert hello.max_payload == 4096
    assert hello.capabilities == sum(Capability)
    assert (hello.models, hello.slot_bytes, hello.baud) == (2, 8192, 115200)
    assert (hello.chip, hello.firmware) == ("ESP32-S3", "edgeflow-virtual")
    assert (hello.unique_id, hello.free_memory) == ("02:45:66:00:00:01", None)
    bare = decode_hello(Wire(slots=False, limits=BoardLimits(stream_bytes=0)).ask(Type.HELLO))
    assert bare.capabilities == sum(Capability) & ~(Capability.SLOTS | Capability.STREAMS)
    assert (bare.models, bare.slot_bytes) == (1, 0)


def test_infer_in_float32_and_int8() -> None:
    wire = Wire(file=reference(1))
    model = NativeModel(reference(1))
    for sample in samples(5):
        assert np.array_equal(wire.infer(sample), model.run(sample))
        small = np.clip(np.round(sample / SCALES), -127, 127).astype(np.int8)
        payload = b"\1\0\0\0" + SCALES.tobytes() + small.tobytes()
        answer = floats(wire.ask(Type.INFER, payload)[8:])
        assert np.array_equal(answer, model.run(small * SCALES))


def test_requests_that_do_not_fit() -> None:
    wire = Wire(file=reference(1))
    assert wire.refuse(Type.INFER, bytes(3)) == (Status.LENGTH, 4)
    assert wire.refuse(Type.INFER, bytes(4)) == (Status.DIMENSIONS, T * F)
    assert wire.refuse(Type.INFER, bytes(4 + 4 * T * F + 1)) == (Status.DIMENSIONS, T * F)
    assert wire.refuse(Type.INFER, b"\1" + bytes(3 + T * F)) == (Status.DIMENSIONS, T * F)
    assert wire.refuse(Type.INFER, b"\2" + bytes(3)) == (Status.NOT_SUPPORTED, 0)
    assert wire.refuse(Type.INFER, bytes(4 + 4 * T * F), model=1) == (Status.NO_MODEL, 0)
    assert wire.refuse(Type.INFER, bytes(4), model=2) == (Status.NO_MODEL, 0)
    assert wire.refuse(Type.MODEL_INFO, model=2) == (Status.NO_MODEL, 0)
    assert wire.refuse(0x7E) == (Status.UNKNOWN_TYPE, 0x7E)
    assert wire.refuse(Type.HELLO, b"x") == (Status.LENGTH, 0)
    assert wire.info(1).slot == 255
    assert wire.board.statistics()["errors"] == 10


def test_flags_are_refused_and_replies_passed_over() -> None:
    wire = Wire(file=reference(1))
    flagged = bytearray(encode(Type.HELLO, 7))
    flagged[9] = 1
    flagged[14:16] = struct.pack("<H", crc_hqx(flagged[4:14], 0xFFFF))
    flagged[16:] = struct.pack("<I", crc32(flagged[4:16]))
    (reply,) = wire.receiver.feed(wire.raw(bytes(flagged)))
    assert (reply.status, reply.id) == (Status.NOT_SUPPORTED, 7)
    assert wire.raw(encode(Type.HELLO | 0x80, 8)) == b""


def test_a_damaged_payload_is_answered_and_the_next_request_too() -> None:
    wire = Wire(file=reference(1))
    damaged = bytearray(encode(Type.ECHO, 9, b"hello"))
    damaged[18] ^= 4
    replies = wire.receiver.feed(wire.raw(bytes(damaged) + encode(Type.ECHO, 10, b"again")))
    replies = [each for each in replies if isinstance(each, Message)]
    assert [(each.type, each.status, each.id) for each in replies] == [
        (Type.DAMAGED, Status.CHECKSUM, 9),
        (Type.ECHO | 0x80, 0, 10),
    ]
    assert wire.board.statistics()["crc_errors"] == 1


def test_a_message_above_the_largest_is_no_message() -> None:
    wire = Wire(limits=BoardLimits(max_payload=256, window_bytes=4096))
    assert wire.raw(encode(Type.ECHO, 1, bytes(257))) == b""
    assert wire.ask(Type.ECHO, bytes(256)) == bytes(256)


def test_the_rest_of_a_message_is_waited_for_200_ms() -> None:
    wire = Wire()
    message = encode(Type.ECHO, 1, b"slow")
    wire.raw(message[:-1])
    wire.pass_time(0.19)
    assert wire.raw(message[-1:]) == encode(Type.ECHO | 0x80, 1, b"slow")
    wire.raw(message[:-1])
    wire.pass_time(0.25)
    assert wire.raw(message[-1:]) == b""
    assert wire.ask(Type.ECHO, b"next") == b"next"


def test_a_window_of_requests_is_answered_in_order() -> None:
    wire = Wire(file=reference(1))
    inputs = samples(8)
    ids = [wire.send(Type.INFER, bytes(4) + each.tobytes()) for each in inputs]
    replies = wire.replies()
    assert [reply.id for reply in replies] == ids
    model = NativeModel(reference(1))
    for reply, sample in zip(replies, inputs, strict=True):
        assert np.array_equal(floats(reply.payload[8:]), model.run(sample))


def test_what_finds_the_receive_buffer_full_is_lost_and_counted() -> None:
    wire = Wire(limits=BoardLimits(window_bytes=512, max_payload=256))
    assert wire.board.feed(bytes(600)) == 512
    assert wire.board.overrun == 88
    wire.board.run()
    assert wire.ask(Type.ECHO, b"on") == b"on"


def test_time_is_charged_by_the_price_list() -> None:
    prices = Prices(multiply_add=(1000.0, 10.0), activation=500.0, run=1e6)
    wire = Wire(file=reference(1), prices=prices)
    info = NativeModel(reference(1)).info
    expected = info.multiply_adds + info.activations // 2 + 1000
    reply = wire.ask(Type.INFER, bytes(4) + samples(1)[0].tobytes())
    queue, compute = struct.unpack_from("<II", reply)
    assert queue == 0
    assert abs(compute - expected) <= 1
    (charge,) = wire.board.take_charges()
    assert (charge.multiply_adds, charge.activations) == (info.multiply_adds, info.activations)
    assert (charge.steps, charge.dtype) == (T, 0)
    assert wire.board.take_charges() == []


def test_flash_is_charged_by_the_price_list() -> None:
    wire = Wire(prices=Prices(erase=40e6, program_word=1000.0))
    wire.ask(Type.UPLOAD_BEGIN, struct.pack("<II", 5000, 0))
    wire.ask(Type.UPLOAD_DATA, bytes(4) + bytes(5000))
    assert wire.board.flash_operations() == (1250, 2)
    started = wire.now
    assert started + 80_000 < wire.board.clock_us <= started + 81_250


def test_queue_time_is_that_of_the_bytes_behind() -> None:
    wire = Wire(file=reference(1))
    message = bytes(4) + samples(1)[0].tobytes()
    wire.send(Type.INFER, message)
    wire.send(Type.ECHO, bytes(980))
    first = wire.replies()[0]
    assert struct.unpack_from("<I", first.payload)[0] == 1000 * 10 * 1_000_000 // 115200


def test_statistics() -> None:
    wire = Wire(file=reference(1), prices=Prices(run=5e6))
    wire.raw(b"noise")
    wire.raw(b"META")
    wire.infer(samples(1)[0])
    wire.refuse(0x70)
    counters = decode_statistics(wire.ask(Type.STATISTICS))
    assert list(counters.values())[:10] == [4, 1, 1, 1, 0, 5, 0, 0, 0, 5000]
    assert list(counters.values())[10] == 5000
    wire.pass_time(2)
    assert list(decode_statistics(wire.ask(Type.STATISTICS)).values())[11] == 2_000_000


def test_set_baud_and_the_way_back() -> None:
    wire = Wire()
    assert wire.refuse(Type.SET_BAUD, struct.pack("<I", 9599)) == (Status.NOT_SUPPORTED, 0)
    assert wire.refuse(Type.SET_BAUD, struct.pack("<I", 5_000_001)) == (Status.NOT_SUPPORTED, 0)
    fast = struct.pack("<I", 921600)
    assert wire.ask(Type.SET_BAUD, fast) == fast
    assert (wire.board.take_baud(), wire.board.take_baud()) == (921600, None)
    wire.pass_time(1.9)
    wire.ask(Type.HELLO)
    wire.pass_time(10)
    assert (wire.board.take_baud(), wire.board.baud) == (None, 921600)
    wire.ask(Type.SET_BAUD, struct.pack("<I", 2_000_000))
    assert wire.board.take_baud() == 2_000_000
    wire.raw(b"\xfe\x7f\x80" * 20)
    wire.pass_time(2.1)
    assert (wire.board.take_baud(), wire.board.baud) == (115200, 115200)


def test_a_rate_at_which_nothing_is_understood_any_more_is_given_up() -> None:
    wire = Wire()
    wire.ask(Type.SET_BAUD, struct.pack("<I", 921600))
    wire.ask(Type.HELLO)
    assert wire.board.take_baud() == 921600
    wire.raw(b"\xfe\x7f")
    wire.pass_time(30)  # silence says nothing
    wire.ask(Type.HELLO)
    wire.raw(b"\xfe\x7f")
    wire.pass_time(1.5)
    wire.raw(b"\xfe\x7f")
    wire.pass_time(0.4)
    assert wire.board.take_baud() is None
    wire.pass_time(0.4)
    wire.raw(b"\xfe\x7f")
    assert (wire.board.take_baud(), wire.board.baud) == (115200, 115200)
    wire.ask(Type.HELLO)


def test_restart() -> None:
    wire = Wire(file=reference(1))
    wire.send(Type.RESTART)
    wire.send(Type.HELLO)
    assert [reply.type for reply in wire.replies()] == [Type.RESTART | 0x80]
    assert wire.board.restart_requested
    wire.power_on()
    assert not wire.board.restart_requested
    wire.ask(Type.HELLO)


def test_a_model_larger_than_the_memory_is_named_so() -> None:
    file = container(1, hidden=64)
    need = NativeModel(file).info.arena_bytes
    wire = Wire(file=file, share=65536, limits=BoardLimits(arena_bytes=need - 4))
    assert wire.raw(b"META") == b"INFO" + bytes(8)
    assert wire.refuse(Type.INFER, bytes(4 + 4 * T * F)) == (Status.MEMORY, need)
    assert wire.refuse(Type.STREAM_OPEN, bytes(4)) == (Status.MEMORY, need)
    assert wire.info().hidden == 64
    fits = Wire(file=file, limits=BoardLimits(arena_bytes=need))
    assert fits.infer(samples(1)[0]).shape == (H,)


@pytest.mark.parametrize("sizes", [(0, 8192, 8192), (4096, 8192, 8192), (8192, 100, 8192)])
def test_flash_that_cannot_hold_the_slots(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match="cannot start"):
        NativeBoard(flash=Flash(*(bytearray(size) for size in sizes)))


def test_limits_out_of_range() -> None:
    with pytest.raises(ConfigError, match="payloads"):
        NativeBoard(limits=BoardLimits(max_payload=100))


@pytest.mark.parametrize("limit", [{"arena_bytes": -1}, {"stream_bytes": 1 << 32}])
def test_numbers_that_the_core_has_no_room_for(limit: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="out of range"):
        NativeBoard(limits=BoardLimits(**limit))


@pytest.mark.parametrize("models", [0, 9, 300, -1])
def test_more_models_than_there_are_ids(models: int) -> None:
    flash = Flash(bytearray(32 * 4096), bytearray(16 * 4096), bytearray(16 * 4096))
    with pytest.raises(ConfigError):
        NativeBoard(flash=flash, models=models)
    with pytest.raises(ConfigError, match="wear"):
        NativeBoard(flash=Flash(flash.control, flash.slot_a, flash.slot_b, wear=()))
