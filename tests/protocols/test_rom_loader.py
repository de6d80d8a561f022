"""The device's side of the loader, spoken to with messages built by hand."""

import hashlib
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.protocols.rom_loader import RomLoader
from edgeflow.protocols.slip import SlipDecoder, encode_slip

MAC = bytes.fromhex("7cdfa1001122")
SYNC = b"\x07\x07\x12\x20" + 32 * b"\x55"


class Memory:
    """Flash of 1 MiB with the rules of NOR."""

    size = 1 << 20

    def __init__(self) -> None:
        self.bytes = bytearray(b"\xff" * self.size)

    def read(self, offset: int, count: int) -> bytes:
        return bytes(self.bytes[offset : offset + count])

    def program(self, offset: int, data: bytes) -> None:
        for place, byte in enumerate(data, offset):
            self.bytes[place] &= byte

    def erase(self, offset: int, count: int) -> None:
        assert offset % 4096 == count % 4096 == 0
        self.bytes[offset : offset + count] = count * b"\xff"


class Host:
    """Sends a command and takes the answers apart."""

    def __init__(self, *, stub: bool = False) -> None:
        self.flash = Memory()
        self.loader = RomLoader(self.flash, MAC)
        if stub:
            self.call(0x05, struct.pack("<IIII", 4, 1, 0x1800, 0x40378000))
            self.data(0x07, 0, b"code")
            assert self.frames(0x06, struct.pack("<II", 0, 0x40378000))[-1] == b"OHAI"

    def frames(self, op: int, body: bytes, checksum: int = 0) -> list[bytes]:
        packet = struct.pack("<BBHI", 0, op, len(body), checksum) + body
        return self.raw(encode_slip(packet))

    def raw(self, data: bytes) -> list[bytes]:
        return list(SlipDecoder(1 << 20).feed(self.loader.receive(data)))

    def call(self, op: int, body: bytes = b"", checksum: int = 0) -> tuple[int, bytes, bytes]:
        frame = self.frames(op, body, checksum)[0]
        direction, answered, size, value = struct.unpack_from("<BBHI", frame)
        assert (direction, answered, size) == (1, op, len(frame) - 8)
        status = 2 if self.loader.stub else 4
        return value, frame[8 : len(frame) - status], frame[len(frame) - status :]

    def data(self, op: int, number: int, data: bytes, spoil: int = 0) -> bytes:
        checksum = 0xEF ^ spoil
        for byte in data:
            checksum ^= byte
        body = struct.pack("<IIII", len(data), number, 0, 0) + data
        return self.call(op, body, checksum)[2]


def begin(size: int, offset: int, block: int = 0x400) -> bytes:
    return struct.pack("<IIIII", size, -(-size // block), block, offset, 0)


@pytest.mark.parametrize(("stub", "zero"), [(False, False), (True, True)])
def test_sync_is_answered_eight_times_and_tells_the_stub_apart(stub: bool, zero: bool) -> None:
    frames = Host(stub=stub).frames(0x08, SYNC)
    assert len(frames) == 8
    assert all((struct.unpack_from("<I", frame, 4)[0] == 0) is zero for frame in frames)


def test_the_chip_is_an_esp32_s3_with_its_mac() -> None:
    host = Host()
    _, info, status = host.call(0x14)
    assert struct.unpack_from("<I", info, 12)[0] == 9 and status == bytes(4)
    low, _, _ = host.call(0x0A, struct.pack("<I", 0x60007044))
    high, _, _ = host.call(0x0A, struct.pack("<I", 0x60007048))
    assert struct.pack(">II", high, low)[2:] == MAC


def test_registers_keep_what_is_written_under_the_mask() -> None:
    host = Host()
    host.call(0x09, struct.pack("<IIII", 0x60002018, 0x12345678, 0xFFFF, 0))
    assert host.call(0x0A, struct.pack("<I", 0x60002018))[0] == 0x5678


def test_plain_blocks_are_written_and_hashed() -> None:
    host = Host()
    host.flash.program(0x2000, b"old")
    content = bytes(range(256)) * 6
    assert host.call(0x02, begin(len(content), 0x2000))[2] == bytes(4)
    assert host.data(0x03, 0, content[:0x400]) == bytes(4)
    assert host.data(0x03, 1, content[0x400:].ljust(0x400, b"\xff")) == bytes(4)
    assert host.flash.read(0x2000, len(content)) == content
    _, digest, _ = host.call(0x13, struct.pack("<IIII", 0x2000, len(content), 0, 0))
    assert digest.decode() == hashlib.md5(content).hexdigest()


def test_packed_blocks_are_unpacked_and_a_repeated_one_counts_once() -> None:
    host = Host(stub=True)
    content = bytes(range(251)) * 40
    packed = zlib.compress(content)
    blocks = [packed[i : i + 100] for i in range(0, len(packed), 100)]
    host.call(0x10, begin(len(content), 0x3000, 100))
    for number, block in enumerate(blocks):
        assert host.data(0x11, number, block) == bytes(2)
        assert host.loader.early
        assert host.data(0x11, number, block) == bytes(2)
    assert host.flash.read(0x3000, len(content)) == content


def test_damaged_misplaced_and_endless_data_is_refused() -> None:
    host = Host(stub=True)
    assert host.data(0x03, 0, b"early") == b"\x01\xc6"
    host.call(0x02, begin(8, 0x1000))
    assert host.data(0x03, 0, b"abcd", spoil=1) == b"\x01\xc1"
    assert host.data(0x03, 5, b"abcd") == b"\x01\xc6"
    assert host.data(0x03, 0, b"x" * 9) == b"\x01\xc9"
    host.call(0x10, begin(64, 0x1000))
    assert host.data(0x11, 0, zlib.compress(bytes(1 << 19))) == b"\x01\xc9"
    host.call(0x10, begin(64, 0x1000))
    assert host.data(0x11, 0, b"no zlib") == b"\x01\xc7"
    assert host.call(0x02, begin(8, (1 << 20) - 4))[2] == b"\x01\xc4"
    assert host.call(0x99)[2] == b"\x01\xc3"


def test_the_rom_knows_no_commands_of_the_stub_and_reads_64_bytes_at_a_time() -> None:
    host = Host()
    assert host.call(0xD0)[2][:2] == b"\x01\x05"
    host.flash.program(0x100, b"hello")
    assert host.call(0x0E, struct.pack("<II", 0x100, 5))[1] == b"hello".ljust(64, b"\0")
    assert host.call(0x0E, struct.pack("<II", 0x100, 65))[2][0] == 1


def test_the_stub_reads_in_a_window_and_ends_with_the_digest() -> None:
    host = Host(stub=True)
    content = bytes(range(250)) * 40
    host.flash.program(0, content)
    frames = host.frames(0xD2, struct.pack("<IIII", 0, len(content), 4096, 2))
    received = b"".join(frames[1:])
    assert len(frames) == 3
    while len(received) < len(content):
        (frame,) = host.raw(encode_slip(struct.pack("<I", len(received))))
        received += frame
    assert received == content
    assert host.raw(encode_slip(struct.pack("<I", 4096))) == []
    (digest,) = host.raw(encode_slip(struct.pack("<I", len(received))))
    assert digest == hashlib.md5(content).digest()
    assert host.call(0x0A, struct.pack("<I", 0))[2] == bytes(2)


def test_the_stub_erases_regions_of_whole_sectors() -> None:
    host = Host(stub=True)
    host.flash.program(0, bytes(0x3000))
    assert host.call(0xD1, struct.pack("<II", 0x1000, 0x1000))[2] == bytes(2)
    assert host.flash.read(0, 0x3000) == bytes(0x1000) + 0x1000 * b"\xff" + bytes(0x1000)
    assert host.call(0xD1, struct.pack("<II", 0x1001, 0x1000))[2][0] == 1
    host.call(0xD0)
    assert host.flash.read(0, 0x3000) == 0x3000 * b"\xff"


def test_leaving_is_told_apart_from_staying() -> None:
    host = Host()
    host.call(0x04, struct.pack("<I", 1))
    assert host.loader.left == "run"
    stub = Host(stub=True)
    stub.call(0x04, struct.pack("<I", 1))
    assert stub.loader.left == ""
    stub.call(0x12, struct.pack("<I", 0))
    assert stub.loader.left == "restart"
    armed = Host(stub=True)
    armed.call(0x09, struct.pack("<IIII", 0x60008098, 1 << 31, 0xFFFFFFFF, 0))
    assert armed.loader.left == "reset"


def test_a_rate_is_noted_for_after_the_answer() -> None:
    host = Host()
    host.call(0x0F, struct.pack("<II", 921600, 0))
    assert host.loader.baud == 921600
    assert host.call(0x0F, struct.pack("<II", 0, 0))[2][0] == 1


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 255), st.binary(max_size=80), st.booleans())
def test_any_message_is_answered_or_passed_over(op: int, body: bytes, stub: bool) -> None:
    host = Host(stub=stub)
    host.frames(op, body, 0xEF)
    assert host.frames(0x08, SYNC)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_leave_it_ready_for_the_next_message(data: bytes) -> None:
    host = Host()
    host.raw(data + b"\xc0")
    assert len(host.frames(0x08, SYNC)) == 8
