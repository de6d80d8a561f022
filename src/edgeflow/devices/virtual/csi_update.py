"""A virtual sensing node that takes new firmware: flash, boot loader, self-test and HTTP server.

Checks, writes and boot records are the firmware core's; an image is real but for its code, which is
a word that says how it behaves.
"""

import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog

from edgeflow._native.updates import (
    NativeUpdates,
    Place,
    SelfTestResult,
    image_length,
    sensing_works,
)
from edgeflow.devices.virtual.csi_http import NodeServer
from edgeflow.devices.virtual.csi_image import CHIP, VirtualFirmware, read_firmware
from edgeflow.devices.virtual.flash import NorFlash
from edgeflow.errors import CommsError, ConfigError
from edgeflow.protocols.ota import PSK_LEAST, PSK_MOST
from edgeflow.protocols.partitions import Partition

if TYPE_CHECKING:
    from edgeflow.devices.virtual.csi_modules import VirtualModules

__all__ = ["PARTITIONS", "NodeTimes", "UpdatableNode"]

log = structlog.get_logger(__name__)

_M = 1 << 20
FLASH_BYTES = 8 * _M
PARTITIONS = (
    Partition("nvs", 1, 0x02, 0x9000, 0x6000),
    Partition("otadata", 1, 0x00, 0xF000, 0x2000),
    Partition("phy_init", 1, 0x01, 0x11000, 0x1000),
    Partition("ota_0", 0, 0x10, 0x20000, 2 * _M),
    Partition("ota_1", 0, 0x11, 0x220000, 2 * _M),
    Partition("spiffs", 1, 0x82, 0x420000, 0xC0000),
    Partition("modules", 0x40, 0x00, 0x4E0000, 0x120000),
)
"""Of the sensing node's firmware, for 8 MB."""
_BY_LABEL = {row.label: row for row in PARTITIONS}
_SLOTS = ("ota_0", "ota_1")
FIRST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class NodeTimes:
    """Seconds that things take; the defaults are the firmware's.

    Attributes:
        boot: from the reset to the firmware's first line.
        restart: from the answer to an upload to the reset.
        network: from the start until an address is there.
        patience: how long new firmware may wait for that.
        watchdog: how long a self-test may hang.
        silence: how long an upload may be silent.
    """

    boot: float = 0.4
    restart: float = 1.0
    network: float = 3.7
    patience: float = 180.0
    watchdog: float = 210.0
    silence: float = 10.0


class UpdatableNode:
    """A node with a thread of its own. A context manager; starts when entered, and answers then.

    Args:
        firmware: image that lies in the first slot when the flash is new.
        psk: what an upload has to show; empty refuses all.
        public_key: 32 bytes that signatures are checked with; None refuses all.
        flash: 8 MB; None is in memory.
        host, port: where to listen; 0 chooses a port, which stays over restarts.
        times: how long things take.
        unsigned: without a public key, take what boots.
        modules: what answers under /wasm/; None answers 404.

    Attributes:
        boots: starts so far.

    Raises:
        ConfigError: the firmware does not boot, or a key has the wrong length.
        CommsError: the port is taken.
    """

    def __init__(
        self,
        firmware: bytes,
        *,
        psk: str = "",
        public_key: bytes | None = None,
        flash: NorFlash | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        times: NodeTimes | None = None,
        unsigned: bool = False,
        modules: "VirtualModules | None" = None,
    ) -> None:
        if psk and not PSK_LEAST <= len(psk) <= PSK_MOST:
            raise ConfigError(f"a key of {len(psk)} characters", hint=f"{PSK_LEAST} to {PSK_MOST}")
        if public_key is not None and len(public_key) != 32:
            raise ConfigError(f"a public key of {len(public_key)} bytes", hint="Ed25519 has 32")
        self.times = times or NodeTimes()
        self.modules = modules
        self.psk, self._public_key, self._unsigned = psk, public_key, unsigned
        self.boots = 0
        self._flash = flash or NorFlash.in_memory(FLASH_BYTES)
        if self._flash.size < FLASH_BYTES:
            raise ConfigError(f"a flash of {self._flash.size} bytes", hint="a node has 8 MB")
        self._install(firmware)
        data, *slots = (self._area(label) for label in ("otadata", *_SLOTS))
        self.updates = NativeUpdates(data, slots)
        self._slot: int | None = None
        self._running: VirtualFirmware | None = None
        self._stop, self._settled = threading.Event(), threading.Event()
        self._restart_at: float | None = None
        self._going_back = self._crashed = False
        self._server: NodeServer | None = None
        self._place = _hold(host, port)
        self.host, self.port = self._place.getsockname()[:2]
        self._thread = threading.Thread(
            target=self._live, name=f"csi-node-{self.port}", daemon=True
        )

    @property
    def address(self) -> str:
        """``host:port`` of its HTTP server."""
        return f"{self.host}:{self.port}"

    @property
    def version(self) -> str:
        """Of what runs; empty while nothing does."""
        running = self._running
        return running.version if running else ""

    def status(self) -> bytes:
        """Return the answer to ``GET /ota/status``."""
        running = self._running
        slot = 0 if self._slot is None else self._slot
        other = read_firmware(bytes(self._area(_SLOTS[1 - slot])[:1024]))
        place = Place(
            date=running.date if running else "",
            time=running.time if running else "",
            running=_SLOTS[slot],
            next=_SLOTS[1 - slot],
            previous_version=other.version if other else "",
            has_psk=bool(self.psk),
        )
        return self.updates.status(place)

    def restart_soon(self, *, back: bool = False) -> None:
        """Restart after a moment; ``back`` to the firmware before."""
        self._going_back = back
        self._restart_at = time.monotonic() + self.times.restart

    def crash(self) -> None:
        """Restart as after a panic, or a watchdog's bite."""
        if self.modules is not None:
            self.modules.power_off()
        self._crashed = True
        self._restart_at = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        self._settled.wait(self.times.boot + FIRST_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Switch it off. Idempotent, under 3 s; the flash keeps what it has."""
        self._stop.set()
        server = self._server
        if server is not None:
            server.drop()
        if self._thread.is_alive():
            self._thread.join(3.0)
        self._place.close()

    @property
    def power_lost(self) -> bool:
        """The power was cut at a write; it comes back with the next start."""
        modules = self.modules
        return self.updates.power_lost or (modules is not None and modules.power_lost)

    @property
    def stopping(self) -> bool:
        """It is being switched off."""
        return self._stop.is_set()

    def _live(self) -> None:
        while not self._stop.is_set():
            self._restart_at, self._going_back = None, False
            self.updates.power_on()
            self._slot = self.updates.start()
            self.boots += 1
            label = _SLOTS[self._slot or 0]
            self._running = read_firmware(bytes(self._area(label)[:1024]))
            if self._slot is None or self._running is None:
                log.error("node_dead", port=self.port)
                self._settled.set()
                self._stop.wait()
                return
            log.debug("node_booted", port=self.port, slot=label, version=self._running.version)
            self._stop.wait(self.times.boot)
            self._run(self._running)
            self._running = None

    def _run(self, firmware: VirtualFirmware) -> None:
        """From the firmware's first line to the next reset."""
        self.updates.set_rules(
            chip=CHIP,
            board=firmware.board,
            version=firmware.version,
            public_key=self._public_key,
            unsigned=self._unsigned,
        )
        if firmware.behaviour == "crash":
            return
        if firmware.behaviour == "hang":
            self._stop.wait(self.times.watchdog)
            return
        if self.modules is not None:
            self.modules.power_on(self._area("modules"), crashed=self._crashed)
        self._crashed = False
        works = firmware.behaviour != "unfit" and sensing_works()
        with NodeServer(self) as server:
            self._server = server
            self._settled.set()
            self._serve(server, time.monotonic(), works=works)
        self._server = None

    def _serve(self, server: NodeServer, started: float, *, works: bool) -> None:
        settled = False
        while not (self._stop.is_set() or self.power_lost):
            if not settled:
                settled = self._settle(time.monotonic() - started, works=works)
            server.handle_request()
            if self._restart_at is not None and time.monotonic() >= self._restart_at:
                if self._going_back and not self.updates.give_up():
                    log.error("rollback_failed", port=self.port)
                return

    def _settle(self, uptime: float, *, works: bool) -> bool:
        """Look at the self-test; whether there is nothing more to look at."""
        found = SelfTestResult(works, True, uptime >= self.times.network, True)
        verdict = self.updates.decide(found, uptime, self.times.patience)
        if verdict == "wait":
            return False
        log.debug("boot_settled", port=self.port, verdict=verdict)
        if verdict == "keep":
            self.updates.keep()
        elif verdict == "roll_back":
            self._going_back, self._restart_at = True, 0.0
        return True

    def _area(self, label: str) -> memoryview:
        row = _BY_LABEL[label]
        return memoryview(self._flash.memory)[row.offset : row.end]

    def _install(self, firmware: bytes) -> None:
        first = _BY_LABEL[_SLOTS[0]]
        if any(image_length(self._area(label)) for label in _SLOTS):
            return
        count = -(-len(firmware) // 4096) * 4096
        if read_firmware(firmware) is None or count > first.size:
            raise ConfigError("no firmware for a virtual node", hint="see make_firmware")
        self._flash.erase(first.offset, count)
        self._flash.program(first.offset, firmware)
        if not image_length(self._area(_SLOTS[0])):
            raise ConfigError("the firmware for the virtual node is damaged: it would not boot")


def _hold(host: str, port: int) -> socket.socket:
    """Keep a port over restarts: bound, but nobody is let in."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except OSError as error:
        held.close()
        raise CommsError(
            f"a node cannot listen on {host}:{port}: {error.strerror}", hint="take another port"
        ) from None
    return held
