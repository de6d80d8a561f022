"""The device's side of the ESP32-S3's serial loader: the one in ROM, and esptool's flasher stub.

Bytes in, bytes out. A stub that a host uploads is not run: the loader starts to answer as the stub
does, whatever was uploaded.

Source: esptool's documentation, "Serial Protocol".
"""

import hashlib
import struct
from collections.abc import Callable
from typing import Protocol

from edgeflow.protocols.rom_registers import CHIP_ID, Registers
from edgeflow.protocols.rom_transfers import FlashRead, FlashWrite, RamWrite, TransferError
from edgeflow.protocols.slip import SlipDecoder, encode_slip

__all__ = ["LoaderFlash", "RomLoader"]

MAX_FRAME = 0x4000 + 0x400
"""Decoded bytes of a command: the stub's largest block and its headers."""
MAX_UNDER_WAY = 512 * 1024
SECTOR = 4096

_HEADER = struct.Struct("<BBHI")
_SYNC = b"\x07\x07\x12\x20" + 32 * b"\x55"
_ROM_SYNC_VALUE = 0x20120707

# What the two loaders call the same mistakes.
_ROM_ERRORS = {"command": 5, "length": 5, "failed": 6, "checksum": 7, "write": 8, "inflate": 11}
_STUB_ERRORS = {
    "length": 0xC0, "checksum": 0xC1, "command": 0xC3, "failed": 0xC4, "state": 0xC6,
    "inflate": 0xC7, "short": 0xC8, "long": 0xC9,
}  # fmt: skip


class LoaderFlash(Protocol):
    """The flash chip behind the loader."""

    @property
    def size(self) -> int:
        """Bytes, a power of two."""

    def read(self, offset: int, count: int) -> bytes:
        """Return ``count`` bytes."""

    def program(self, offset: int, data: bytes) -> None:
        """Clear bits."""

    def erase(self, offset: int, count: int) -> None:
        """Set whole sectors to 0xFF."""


class RomLoader:
    """One stay in download mode, from reset to reset.

    Attributes:
        stub: whether a stub was uploaded and started.
        baud: the rate that the host asked for, to be taken on after the answer; None before.
        left: how the host wants to go on; empty until then. ``run`` starts the application,
            ``reset`` resets the chip with IO0 as it is now, ``restart`` with IO0 as it was, which
            leads into the loader again.
        early: the last answer said "received", not "done": flash is still being written.
    """

    def __init__(self, flash: LoaderFlash, mac: bytes) -> None:
        self.stub = False
        self.baud: int | None = None
        self.left = ""
        self.early = False
        self._flash = flash
        self._registers = Registers(mac, flash.size)
        self._decoder = SlipDecoder(MAX_FRAME)
        self._ram: RamWrite | None = None
        self._write: FlashWrite | None = None
        self._read: FlashRead | None = None

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the line and return what goes out in answer."""
        return b"".join(self._answer(frame) for frame in self._decoder.feed(data))

    def _answer(self, frame: bytes) -> bytes:
        if self._read is not None and len(frame) == 4:
            return self._go_on_reading(self._read, int.from_bytes(frame, "little"))
        if len(frame) < _HEADER.size:
            return b""
        direction, op, size, checksum = _HEADER.unpack_from(frame)
        body = frame[_HEADER.size :]
        if direction != 0 or size != len(body):
            return b""
        self._read = None
        return self._carry_out(op, body, checksum)

    def _carry_out(self, op: int, body: bytes, checksum: int) -> bytes:
        self.early = False
        command = _COMMANDS.get(op)
        if command is None or (op >= 0xD0 and not self.stub):
            return self._reply(op, error="command")
        try:
            return command(self, op, body, checksum)
        except TransferError as error:
            return self._reply(op, error=str(error))
        except (struct.error, ValueError):
            return self._reply(op, error="length")

    def _reply(self, op: int, body: bytes = b"", *, value: int = 0, error: str = "") -> bytes:
        table, default = (_STUB_ERRORS, 0xFF) if self.stub else (_ROM_ERRORS, 6)
        status = bytes([1, table.get(error, default)]) if error else bytes(2)
        if not self.stub:
            status += bytes(2)
        payload = (b"" if error else body) + status
        return encode_slip(_HEADER.pack(1, op, len(payload), value) + payload)

    def _place(self, offset: int, count: int) -> None:
        if offset + count > self._flash.size:
            raise TransferError("failed")

    def _sync(self, op: int, body: bytes, checksum: int) -> bytes:
        if body != _SYNC:
            raise TransferError("command")
        return 8 * self._reply(op, value=0 if self.stub else _ROM_SYNC_VALUE)

    def _read_register(self, op: int, body: bytes, checksum: int) -> bytes:
        (address,) = struct.unpack("<I", body)
        return self._reply(op, value=self._registers.read(address))

    def _write_registers(self, op: int, body: bytes, checksum: int) -> bytes:
        if not body:
            raise TransferError("length")
        for address, value, mask, _delay in struct.iter_unpack("<IIII", body):
            self._registers.write(address, value, mask)
        if self._registers.watchdog:
            self.left = "reset"
        return self._reply(op)

    def _accept(self, op: int, body: bytes, checksum: int) -> bytes:
        return self._reply(op)

    def _security_info(self, op: int, body: bytes, checksum: int) -> bytes:
        return self._reply(op, struct.pack("<I8xII", 0, CHIP_ID, 0))

    def _change_baud(self, op: int, body: bytes, checksum: int) -> bytes:
        new, _old = struct.unpack("<II", body)
        if not 300 <= new <= 5_000_000:
            raise TransferError("failed")
        self.baud = new
        return self._reply(op)

    def _begin_ram(self, op: int, body: bytes, checksum: int) -> bytes:
        size, _blocks, block, _offset = struct.unpack("<IIII", body)
        self._ram = RamWrite(size, block)
        return self._reply(op)

    def _ram_data(self, op: int, body: bytes, checksum: int) -> bytes:
        if self._ram is None:
            raise TransferError("state")
        self._ram.take(body, checksum)
        return self._reply(op)

    def _end_ram(self, op: int, body: bytes, checksum: int) -> bytes:
        stay, _entry = struct.unpack("<II", body)
        complete = self._ram is not None and self._ram.complete
        self._ram = None
        if not complete:
            raise TransferError("state")
        reply = self._reply(op)
        if stay:
            return reply
        self.stub = True
        return reply + encode_slip(b"OHAI")

    def _begin_flash(self, op: int, body: bytes, checksum: int) -> bytes:
        size, _blocks, block, offset = struct.unpack_from("<IIII", body)
        self._place(offset, size)
        self._write = FlashWrite(self._flash, offset, size, block, packed=op == 0x10)
        if not self.stub:
            self._write.erase_all()
        return self._reply(op)

    def _flash_data(self, op: int, body: bytes, checksum: int) -> bytes:
        if self._write is None or self._write.packed != (op == 0x11):
            raise TransferError("state")
        self._write.take(body, checksum)
        self.early = self.stub
        return self._reply(op)

    def _end_flash(self, op: int, body: bytes, checksum: int) -> bytes:
        (stay,) = struct.unpack_from("<I", body)
        self._write = None
        if not stay:
            self.left = "restart"
        elif not self.stub:
            self.left = "run"
        return self._reply(op)

    def _md5(self, op: int, body: bytes, checksum: int) -> bytes:
        offset, count, _, _ = struct.unpack("<IIII", body)
        self._place(offset, count)
        digest = hashlib.md5(self._flash.read(offset, count), usedforsecurity=False)
        return self._reply(op, digest.digest() if self.stub else digest.hexdigest().encode())

    def _read_slowly(self, op: int, body: bytes, checksum: int) -> bytes:
        offset, count = struct.unpack("<II", body)
        if count > 64:
            raise TransferError("length")
        self._place(offset, count)
        return self._reply(op, self._flash.read(offset, count).ljust(64, b"\0"))

    def _erase_chip(self, op: int, body: bytes, checksum: int) -> bytes:
        self._flash.erase(0, self._flash.size)
        return self._reply(op)

    def _erase_region(self, op: int, body: bytes, checksum: int) -> bytes:
        offset, count = struct.unpack("<II", body)
        self._place(offset, count)
        if offset % SECTOR or count % SECTOR:
            raise TransferError("length")
        self._flash.erase(offset, count)
        return self._reply(op)

    def _read_flash(self, op: int, body: bytes, checksum: int) -> bytes:
        offset, count, block, window = struct.unpack("<IIII", body)
        self._place(offset, count)
        if not 0 < block <= MAX_FRAME or not 0 < window * block <= MAX_UNDER_WAY:
            raise TransferError("length")
        self._read = FlashRead(self._flash, offset, count, block, window)
        return self._reply(op) + self._go_on_reading(self._read, 0)

    def _go_on_reading(self, read: FlashRead, acknowledged: int) -> bytes:
        frames = read.acknowledge(acknowledged)
        if read.finished:
            self._read = None
        return b"".join(map(encode_slip, frames))

    def _run(self, op: int, body: bytes, checksum: int) -> bytes:
        self.left = "run"
        return b""


_COMMANDS: dict[int, Callable[[RomLoader, int, bytes, int], bytes]] = {
    0x02: RomLoader._begin_flash,
    0x03: RomLoader._flash_data,
    0x04: RomLoader._end_flash,
    0x05: RomLoader._begin_ram,
    0x06: RomLoader._end_ram,
    0x07: RomLoader._ram_data,
    0x08: RomLoader._sync,
    0x09: RomLoader._write_registers,
    0x0A: RomLoader._read_register,
    0x0B: RomLoader._accept,  # SPI_SET_PARAMS
    0x0D: RomLoader._accept,  # SPI_ATTACH
    0x0E: RomLoader._read_slowly,
    0x0F: RomLoader._change_baud,
    0x10: RomLoader._begin_flash,
    0x11: RomLoader._flash_data,
    0x12: RomLoader._end_flash,
    0x13: RomLoader._md5,
    0x14: RomLoader._security_info,
    0xD0: RomLoader._erase_chip,
    0xD1: RomLoader._erase_region,
    0xD2: RomLoader._read_flash,
    0xD3: RomLoader._run,
}
