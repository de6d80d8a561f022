"""A node's updates by the firmware core, on flash in memory with ESP-IDF's boot loader."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgeflow._native.flash import CUTS, SECTOR_BYTES
from edgeflow._native.library import ffi, lib
from edgeflow.errors import ConfigError

__all__ = [
    "SECTOR_BYTES",
    "NativeUpdates",
    "Place",
    "SelfTestResult",
    "bearer_matches",
    "image_length",
    "node_setting_lengths",
    "sensing_works",
]

_VERDICTS = ("settled", "wait", "keep", "roll_back")


@dataclass(frozen=True, slots=True)
class Place:
    """What a status tells beside the core's own: texts of the build, and labels of partitions."""

    date: str
    time: str
    running: str
    next: str
    previous_version: str
    has_psk: bool


@dataclass(frozen=True, slots=True)
class SelfTestResult:
    """What a node found of itself after its start."""

    sensing: bool
    storage: bool
    network: bool
    service: bool


class NativeUpdates:
    """Boot record, two slots, and what writes and boots them. One thread at a time.

    Args:
        data: writable memory of the boot record, two sectors of 4096 bytes.
        slots: that of the two slots, whole sectors.

    Raises:
        ConfigError: the sizes are wrong.
        MissingExtraError: cffi is not installed.
    """

    def __init__(self, data: memoryview, slots: Sequence[memoryview]) -> None:
        areas = [data, *slots]
        if len(slots) != 2 or any(len(area) % SECTOR_BYTES or not area for area in areas):
            raise ConfigError(
                f"a node needs two slots of whole sectors, not {len(slots)} of others"
            )
        if len(data) != 2 * SECTOR_BYTES:
            raise ConfigError(f"a boot record has two sectors, not {len(data)} bytes")
        self._memory = [ffi.from_buffer("uint8_t[]", area, require_writable=True) for area in areas]
        self._power: Any = ffi.new("ef_host_power *")
        self._flash = [ffi.new("ef_host_flash *") for _ in areas]
        for flash, memory in zip(self._flash, self._memory, strict=True):
            size = len(memory)
            lib.ef_host_flash_open(flash, memory, size, SECTOR_BYTES, ffi.NULL, self._power)
        self._boot: Any = ffi.new("ef_host_boot *")
        self._ota: Any = ffi.new("ef_ota *")
        self._chunk = ffi.new("uint8_t[]", lib.EF_OTA_CHUNK_BYTES)
        self._kept: tuple[Any, ...] = ()
        self.power_on()

    def power_on(self) -> None:
        """Let the power come back after a cut; the flash is as it was left."""
        self._power.left, self._power.lost, self._power.noise = -1, False, 1
        flashes = [ffi.addressof(flash, "flash") for flash in self._flash]
        lib.ef_host_boot_open(self._boot, *flashes)

    def cut_power(self, after: int, manner: str = "half") -> None:
        """Let the power go at a write.

        Args:
            after: how many others come before it (words and erased sectors).
            manner: ``before`` it, or with it ``half`` done, or ``garbage``.
        """
        self._power.manner = CUTS[manner]
        self._power.left = after

    @property
    def power_lost(self) -> bool:
        """Since the cut nothing is written or read."""
        return bool(self._power.lost)

    def start(self) -> int | None:
        """Run the boot loader: the slot that runs, or None when nothing boots."""
        slot = int(lib.ef_host_boot_start(self._boot))
        return None if slot < 0 else slot

    def set_rules(
        self, *, chip: int, board: str, version: str, public_key: bytes | None, unsigned: bool
    ) -> None:
        """Tell what runs, and what it takes."""
        texts = [ffi.new("char[]", text.encode()) for text in (board, version)]
        key = ffi.NULL if public_key is None else ffi.new("uint8_t[32]", public_key)
        rules = ffi.new("ef_ota_rules *")
        rules.port = ffi.addressof(self._boot, "port")
        rules.chip, rules.board, rules.version = chip, *texts
        rules.public_key, rules.takes_unsigned = key, unsigned
        self._kept = (*texts, key)
        lib.ef_ota_init(self._ota, rules)

    def receive(self, count: int, source: Callable[[int], bytes | None]) -> tuple[int, str]:
        """Take an upload.

        Args:
            count: its bytes.
            source: at most so many bytes of it; empty at the connection's end, None when nothing
                came in time.

        Returns:
            An HTTP status, and the word of the failure, empty for none.
        """
        handle = ffi.new_handle(source)
        callbacks = ffi.new("ef_ota_source *")
        callbacks.context = handle
        callbacks.receive, callbacks.now_ms = lib.edgeflow_ota_receive, lib.edgeflow_ota_now_ms
        return _told(lib.ef_ota_receive(self._ota, count, callbacks, self._chunk))

    def may_go_back(self) -> tuple[int, str]:
        """Say whether the image before may be booted again, as ``receive`` says it."""
        possible = lib.ef_host_boot_can_go_back(self._boot)
        return _told(lib.ef_ota_may_go_back(self._ota, possible))

    def keep(self) -> bool:
        """Mark what runs as valid."""
        return bool(lib.ef_host_boot_keep(self._boot) == lib.EF_OK)

    def give_up(self) -> bool:
        """Mark what runs as invalid, for the one before to boot; False when there is none."""
        return bool(lib.ef_host_boot_give_up(self._boot) == lib.EF_OK)

    @property
    def sequence(self) -> int:
        """Of the boot record that counts."""
        return int(lib.ef_host_boot_sequence(self._boot))

    def status(self, place: Place) -> bytes:
        """Return the answer to ``GET /ota/status``."""
        names = ("date", "time", "running", "next", "previous_version")
        texts = {name: ffi.new("char[]", getattr(place, name).encode()) for name in names}
        own = ffi.new("ef_ota_place *", texts)
        own.sequence, own.has_psk = self.sequence, place.has_psk
        own.can_go_back = lib.ef_host_boot_can_go_back(self._boot)
        to = ffi.new("char[]", lib.EF_OTA_STATUS_BYTES)
        count = lib.ef_ota_status(self._ota, own, to, lib.EF_OTA_STATUS_BYTES)
        return bytes(ffi.buffer(to, count))

    def decide(self, found: SelfTestResult, uptime: float, patience: float) -> str:
        """Return what follows from a self-test: ``settled``, ``wait``, ``keep`` or ``roll_back``.

        Args:
            found: by the self-test, up to now.
            uptime: seconds since the start.
            patience: how many of them network and service have.
        """
        test = ffi.new("ef_node_test *")
        test.sensing, test.storage = found.sensing, found.storage
        test.network, test.service = found.network, found.service
        pending = lib.ef_ota_on_trial(ffi.addressof(self._boot, "port"))
        possible = lib.ef_host_boot_can_go_back(self._boot)
        times = (min(int(seconds * 1000), 0xFFFFFFFF) for seconds in (uptime, patience))
        return _VERDICTS[lib.ef_boot_decide(test, pending, possible, *times)]


def sensing_works() -> bool:
    """Run the node's test of its signal processing: made-up frames through ring and core."""
    return bool(lib.ef_node_test_sensing(ffi.new("ef_csi *"), ffi.new("ef_csi_ring *")))


def bearer_matches(authorization: str | None, key: str) -> bool:
    """Whether a header shows the key, as the node compares it; an empty key shows nothing."""
    given = ffi.NULL if authorization is None else authorization.encode("utf-8", "replace")
    return bool(lib.ef_bearer_matches(given, key.encode()))


def image_length(slot: memoryview) -> int:
    """Return the length of the whole image at the start of a slot, or 0: none would boot."""
    data = ffi.from_buffer("uint8_t[]", slot)
    return int(lib.ef_host_image_length(data, len(slot)))


def node_setting_lengths() -> dict[tuple[str, str], tuple[int, int]]:
    """Return least and most of each setting that the node's core knows, by namespace and key."""
    count = ffi.new("size_t *")
    table = lib.ef_settings(count)
    return {
        (ffi.string(row.space).decode(), ffi.string(row.key).decode()): (row.least, row.most)
        for row in table[0 : count[0]]
    }


def _told(failure: int) -> tuple[int, str]:
    return int(lib.ef_ota_http(failure)), ffi.string(lib.ef_ota_word(failure)).decode()


def _receive(context: Any, to: Any, most: int) -> int:
    data = ffi.from_handle(context)(most)
    if data is None:
        return -1
    part = data[:most]
    ffi.memmove(to, part, len(part))
    return len(part)


def _now_ms(_: Any) -> int:
    return int(time.monotonic() * 1000) & 0xFFFFFFFF


ffi.def_extern(name="edgeflow_ota_receive", error=-1)(_receive)
ffi.def_extern(name="edgeflow_ota_now_ms", error=0)(_now_ms)
