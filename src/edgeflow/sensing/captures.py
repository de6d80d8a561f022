"""Captures: the datagrams of nodes as they came, with time and sender, in two containers.

``.mcap`` is an MCAP file with a channel per sender; anything else is our own plain form: a magic,
then for each datagram its length (u16), time (u64, microseconds), port (u16) and address (16 bytes,
IPv6 or IPv4 in IPv6), all little-endian but the address, then the datagram.
"""

import ipaddress
import struct
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from edgeflow.errors import MissingExtraError, StoreError
from edgeflow.sensing.recording_lines import Damage

__all__ = ["MAGIC", "MCAP_MAGIC", "Capture", "Datagram", "datagrams_of", "open_capture"]

MAGIC = b"EFCSICAP"
MCAP_MAGIC = b"\x89MCAP0\r\n"
MAX_DATAGRAM = 65507
MAX_SENDERS = 60_000
TOPIC = "csi/"
ENCODING = "csi-datagram"

_HEADER = struct.Struct("<HQH16s")


class Datagram(NamedTuple):
    """One datagram.

    Attributes:
        time_us: when it came, microseconds since the Unix epoch in captures.
        host, port: who sent it.
    """

    time_us: int
    data: bytes
    host: str = ""
    port: int = 0


class Capture(Protocol):
    """A file that datagrams are written to; a context manager."""

    count: int

    def write(self, datagram: Datagram) -> None:
        """Append one.

        Raises:
            StoreError: the disk is full or broken, or there are too many senders.
        """
        ...

    def flush(self) -> None:
        """Hand everything to the system, so that it outlives this process.

        Raises:
            StoreError: the disk is full or broken.
        """
        ...

    def close(self) -> None:
        """Finish the file. Idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_capture(path: Path) -> Capture:
    """Make a new file, an MCAP file when its name ends so.

    Raises:
        StoreError: it exists or cannot be made.
        MissingExtraError: ``mcap`` is not installed.
    """
    return _McapCapture(path) if path.suffix == ".mcap" else _PlainCapture(path)


def datagrams_of(path: Path, damage: Damage) -> Iterator[Datagram]:
    """Yield what a capture holds; one that is cut off counts as damaged at the packet it ends in.

    Raises:
        StoreError: it cannot be read or is no capture.
        MissingExtraError: ``mcap`` is not installed.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    if magic == MCAP_MAGIC:
        return _mcap_datagrams(path, damage)
    if magic == MAGIC:
        return _plain_datagrams(path, damage)
    raise StoreError(f"{path} is no capture of CSI nodes", hint="make one: edgeflow csi record")


def _plain_datagrams(path: Path, damage: Damage) -> Iterator[Datagram]:
    number = 0
    with path.open("rb") as file:
        file.seek(len(MAGIC))
        while head := file.read(_HEADER.size):
            number += 1
            length, stamp, port, address = _HEADER.unpack(head.ljust(_HEADER.size, b"\0"))
            data = file.read(length)
            if len(head) < _HEADER.size or len(data) < length:
                damage.add(number, "the file ends within this packet")
                return
            yield Datagram(stamp, data, _host(address), port)


def _mcap_datagrams(path: Path, damage: Damage) -> Iterator[Datagram]:
    reader, records = _mcap("mcap.stream_reader"), _mcap("mcap.records")
    senders: dict[int, tuple[str, int]] = {}
    number = 0
    with path.open("rb") as file:
        stream = iter(reader.StreamReader(file, record_size_limit=64 << 20).records)
        while True:
            try:
                record = next(stream, None)
            except Exception as error:  # noqa: BLE001 - the reader raises whatever it stumbles over
                said = str(error) or type(error).__name__
                damage.add(number + 1, f"the file is cut off or damaged here: {said}")
                return
            if record is None:
                return
            if isinstance(record, records.Channel) and record.message_encoding == ENCODING:
                senders[record.id] = _sender(record.topic)
            elif isinstance(record, records.Message) and record.channel_id in senders:
                number += 1
                host, port = senders[record.channel_id]
                yield Datagram(record.log_time // 1000, record.data, host, port)


def _sender(topic: str) -> tuple[str, int]:
    host, _, port = topic.removeprefix(TOPIC).rpartition("/")
    return host[:64], int(port) if port.isdecimal() and len(port) < 6 else 0


class _PlainCapture:
    """Writes our own form."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._path = path
        self._file = _made(path)
        self._file.write(MAGIC)

    def write(self, datagram: Datagram) -> None:
        """Append one."""
        address = _address(datagram.host)
        head = _HEADER.pack(len(datagram.data), datagram.time_us, datagram.port, address)
        try:
            self._file.write(head + datagram.data)
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}") from error
        self.count += 1

    def flush(self) -> None:
        """Hand everything to the system."""
        try:
            self._file.flush()
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}") from error

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _McapCapture:
    """Writes MCAP, one channel per sender."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._path = path
        writer = _mcap("mcap.writer")
        self._file = _made(path)
        kind = writer.CompressionType.NONE
        self._writer = writer.Writer(self._file, chunk_size=1 << 20, compression=kind)
        self._writer.start(profile="", library="edgeflow")
        self._schema = self._writer.register_schema("edgeflow.csi_datagram", "", b"")
        self._channels: dict[tuple[str, int], int] = {}

    def write(self, datagram: Datagram) -> None:
        """Append one."""
        sender = (datagram.host, datagram.port)
        stamp = datagram.time_us * 1000
        try:
            channel = self._channels.get(sender)
            if channel is None:
                channel = self._new_channel(sender)
            self._writer.add_message(channel, stamp, datagram.data, stamp, self.count)
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}") from error
        self.count += 1

    def flush(self) -> None:
        """Hand everything to the system."""
        try:
            self._writer.flush()
            self._file.flush()
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}") from error

    def _new_channel(self, sender: tuple[str, int]) -> int:
        if len(self._channels) >= MAX_SENDERS:
            raise StoreError(f"{self._path}: more than {MAX_SENDERS} senders in one file")
        topic = f"{TOPIC}{sender[0]}/{sender[1]}"
        channel = int(self._writer.register_channel(topic, ENCODING, self._schema))
        self._channels[sender] = channel
        return channel

    def close(self) -> None:
        """Write the index and finish the file."""
        if not self._file.closed:
            self._writer.finish()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _made(path: Path) -> Any:
    try:
        return path.open("xb")
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror}", hint="choose a new file in a folder you own"
        ) from error


def _address(host: str) -> bytes:
    if not host:
        return bytes(16)
    address = ipaddress.ip_address(host.partition("%")[0])
    return address.packed.rjust(16, b"\0") if address.version == 6 else _mapped(address.packed)


def _mapped(packed: bytes) -> bytes:
    return bytes(10) + b"\xff\xff" + packed


def _host(address: bytes) -> str:
    if not any(address):
        return ""
    found = ipaddress.IPv6Address(address)
    return str(found.ipv4_mapped or found)


def _mcap(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtraError("mcap", "record") from None
