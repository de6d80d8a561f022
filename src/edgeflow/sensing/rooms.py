"""What people set for each node, kept in a JSON file that a restart reads."""

import threading
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from edgeflow.core.sensing import NodeSettings, Room
from edgeflow.errors import ConfigError, StoreError
from edgeflow.security.access import is_loopback

__all__ = ["Kept", "Rooms"]

MAX_BYTES = 4 << 20
MAX_NODES = 4096


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of one node."""

    room: Room | None = None
    settings: NodeSettings | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    nodes: Annotated[dict[str, Kept], Meta(max_length=MAX_NODES)]


class Rooms:
    """What is kept of nodes, by number and address: ``7@192.168.4.20``. Thread-safe.

    Args:
        path: of the file, which need not exist; None keeps everything in memory only.

    Raises:
        ConfigError: the file is none of ours.
        StoreError: it cannot be read, or its folder is missing.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._nodes = _read(path) if path is not None else {}

    def all(self) -> list[Kept]:
        """Return what is kept of every node."""
        return list(self._nodes.values())

    def of(self, name: str) -> Kept:
        """Return what is kept of a node."""
        return self._nodes.get(_place(name), Kept())

    def keep(
        self, name: str, *, room: Room | None = None, settings: NodeSettings | None = None
    ) -> None:
        """Keep what is not None.

        Raises:
            StoreError: the file cannot be written; the change holds until the restart.
            ConfigError: there are too many nodes.
        """
        place = _place(name)
        with self._lock:
            before = self._nodes.get(place, Kept())
            if place not in self._nodes and len(self._nodes) >= MAX_NODES:
                raise ConfigError(f"{MAX_NODES} nodes are kept already", hint="remove the file")
            after = Kept(room=room or before.room, settings=settings or before.settings)
            self._nodes = {**self._nodes, place: after}
            if self.path is not None:
                _write(self.path, self._nodes)


def _place(name: str) -> str:
    """Nodes on this machine have another port after each start; their name has it, too."""
    number, at, address = name.partition("@")
    host, _, port = address.rpartition(":")
    near = port.isdecimal() and is_loopback(host)
    return f"{number}{at}{host}" if near else name


def _read(path: Path) -> dict[str, Kept]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if path.parent.is_dir():
            return {}
        raise StoreError(f"{path}: there is no such folder", hint="make it first") from None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    try:
        if len(text) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        read = msgspec.json.decode(text, type=_File)
        if read.version != 1:
            raise ValueError(f"version {read.version}")
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(
            f"{path}:1: no settings of nodes: {error}", hint="move it away to begin anew"
        ) from None
    return read.nodes


def _write(path: Path, nodes: dict[str, Kept]) -> None:
    """Replace the file at once, so that a crash leaves the old one or the new one."""
    fresh = path.with_name(f"{path.name}.new")
    text = msgspec.json.format(msgspec.json.encode(_File(1, nodes)), indent=2)
    try:
        fresh.write_bytes(text + b"\n")
        fresh.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
