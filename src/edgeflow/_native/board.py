"""A board in memory: the firmware's own protocol code, with flash and line in Python's hands."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeflow._native.library import ffi, lib
from edgeflow.errors import ConfigError

__all__ = [
    "BoardIdentity",
    "BoardLimits",
    "ComputeCharge",
    "Flash",
    "NativeBoard",
    "Prices",
]

SECTOR_BYTES = 4096
TAKE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class BoardIdentity:
    """Who the board says it is: MAC (6 bytes), chip and firmware texts, baud at start."""

    unique_id: bytes = bytes.fromhex("024566000001")
    chip: str = "ESP32-S3"
    firmware: str = "edgeflow-virtual"
    baud: int = 115200


@dataclass(frozen=True, slots=True)
class BoardLimits:
    """What the board has room for.

    Attributes:
        window: requests unanswered; ``window_bytes``: their bytes, and the receive buffer.
        max_payload: bytes of one message's payload, 256 to 32768.
        arena_bytes: scratch memory of one run; ``stream_bytes``: memory of all streams.
    """

    window: int = 8
    window_bytes: int = 65536
    max_payload: int = 32768
    arena_bytes: int = 262144
    stream_bytes: int = 262144


@dataclass(frozen=True, slots=True)
class Prices:
    """What work costs on the board's clock, in nanoseconds; zeros cost nothing.

    Attributes:
        multiply_add: of float32 and int8 weights.
        run: each run of a model, whatever it does.
        program_word, erase: of flash: 4 bytes, one sector.
    """

    multiply_add: tuple[float, float] = (0.0, 0.0)
    activation: float = 0.0
    run: float = 0.0
    program_word: float = 0.0
    erase: float = 0.0


@dataclass(frozen=True, slots=True)
class ComputeCharge:
    """One run of a model (or one step of a stateful stream)."""

    multiply_adds: int
    activations: int
    steps: int
    dtype: int


@dataclass(frozen=True, slots=True)
class Flash:
    """Partitions for models: writable views (bytearray, mmap, memoryview) that the board writes.

    Attributes:
        control: 2 sectors of 4096 bytes per model id.
        slot_a, slot_b: shared evenly by the model ids.
        wear: uint32 erase counters by sector, of control, A and B; None where nobody counts.
    """

    control: Any
    slot_a: Any
    slot_b: Any
    wear: tuple[npt.NDArray[np.uint32], ...] | None = field(default=None)


def _microseconds() -> int:
    return time.monotonic_ns() // 1000


class NativeBoard:
    """One power-on of a board. Bytes in, bytes out; not safe for several threads.

    Args:
        flash: where models live; None for a board without slots.
        models: model ids with slots.
        file: the reference model file (LST0 or EFM1), as found in SPIFFS; None for none.
        clock: microseconds, never going back.

    Raises:
        ConfigError: the flash cannot hold the slots, or a limit is out of range.
    """

    def __init__(
        self,
        *,
        flash: Flash | None = None,
        models: int = 1,
        file: bytes | None = None,
        identity: BoardIdentity | None = None,
        limits: BoardLimits | None = None,
        prices: Prices | None = None,
        clock: Callable[[], int] = _microseconds,
    ) -> None:
        self._clock = clock
        self._kept: list[Any] = []
        plan = ffi.new("ef_host_plan *")
        try:
            self._plan_limits(plan, limits or BoardLimits())
            self._plan_identity(plan.identity, identity or BoardIdentity())
            self._plan_prices(plan.price, prices or Prices())
            plan.sector_size = SECTOR_BYTES
            plan.models = models
            if flash is not None:
                self._plan_flash(plan, flash)
        except OverflowError as error:
            raise ConfigError(
                f"a number of the board is out of range: {error}",
                hint="limits, sizes and rates are 32-bit numbers from 0; models are 1 to 8",
            ) from error
        if file:
            held = ffi.new("uint32_t[]", (len(file) + 3) // 4)
            ffi.memmove(held, file, len(file))
            self._kept.append(held)
            plan.file, plan.file_bytes = ffi.cast("uint8_t *", held), len(file)
        memory = ffi.new("uint64_t[]", lib.ef_host_board_memory(plan) // 8)
        self._board = ffi.new("ef_host_board *")
        self._kept.append(memory)
        status = lib.ef_host_board_open(self._board, plan, memory, clock())
        if status != 0:
            raise ConfigError(
                f"a board cannot start with this flash and these limits (status {-status})",
                hint="control needs 2 sectors per model id, slots at least one each",
            )
        self._scratch = ffi.new("uint8_t[]", TAKE_BYTES)

    def _plan_limits(self, plan: Any, limits: BoardLimits) -> None:
        if not 256 <= limits.max_payload <= 32768 or not 1 <= limits.window <= 65535:
            raise ConfigError(
                "a board takes payloads of 256 to 32768 bytes and a window of 1 to 65535"
            )
        for name in ("window", "window_bytes", "max_payload", "arena_bytes", "stream_bytes"):
            setattr(plan, name, getattr(limits, name))

    def _plan_identity(self, to: Any, identity: BoardIdentity) -> None:
        to.unique_id = identity.unique_id[:6].ljust(6, b"\0")
        to.chip = identity.chip.encode()[:16]
        to.firmware = identity.firmware.encode()[:24]
        to.baud = identity.baud

    def _plan_prices(self, to: Any, prices: Prices) -> None:
        to.multiply_add = prices.multiply_add
        for name in ("activation", "run", "program_word", "erase"):
            setattr(to, name, getattr(prices, name))

    def _plan_flash(self, plan: Any, flash: Flash) -> None:
        if flash.wear is not None and len(flash.wear) != 3:
            raise ConfigError("wear counters are those of control, A and B")
        areas = (plan.control, plan.slot_a, plan.slot_b)
        views = (flash.control, flash.slot_a, flash.slot_b)
        for number, (area, view) in enumerate(zip(areas, views, strict=True)):
            held = ffi.from_buffer("uint8_t[]", view, require_writable=True)
            self._kept.append(held)
            area.bytes, area.size = held, len(held)
            if flash.wear is not None:
                area.wear = self._wear(flash.wear[number], len(held))

    def _wear(self, counters: npt.NDArray[np.uint32], size: int) -> Any:
        if counters.dtype != np.uint32 or counters.size < size // SECTOR_BYTES:
            raise ConfigError("wear counters are one uint32 per sector")
        held = ffi.from_buffer("uint32_t[]", counters, require_writable=True)
        self._kept.append(held)
        return held

    def feed(self, data: bytes) -> int:
        """Give bytes from the line; return how many found room, the rest is lost (`overrun`)."""
        return int(lib.ef_host_board_feed(self._board, data, len(data)))

    def step(self) -> bool:
        """Do at most one message's work; False when there was nothing to do.

        Also False while more than a message's bytes wait to be taken.
        """
        return bool(lib.ef_host_board_step(self._board, self._clock()))

    def take(self) -> bytes:
        """Return what the board wrote since the last call."""
        parts: list[bytes] = []
        while count := lib.ef_host_board_take(self._board, self._scratch, TAKE_BYTES):
            parts.append(bytes(ffi.buffer(self._scratch, count)))
        return b"".join(parts)

    def run(self) -> bytes:
        """Step until there is nothing to do; return all that was written."""
        parts: list[bytes] = []
        while self.step():
            parts.append(self.take())
        parts.append(self.take())
        return b"".join(parts)

    @property
    def worked_us(self) -> float:
        """What the last step cost by the price list, in microseconds."""
        return float(self._board.worked_ns) / 1000.0

    @property
    def clock_us(self) -> int:
        """The board's clock: that of the last step, and what it cost."""
        return int(self._board.now_us + self._board.worked_ns / 1000.0)

    @property
    def baud(self) -> int:
        """Rate that the board believes the line has."""
        return int(self._board.rpc.baud)

    @property
    def restart_requested(self) -> bool:
        """RESTART came: the board does nothing any more; power it on anew."""
        return bool(self._board.restart_wanted)

    @property
    def overrun(self) -> int:
        """Bytes that found the receive buffer full."""
        return int(self._board.overrun)

    @property
    def power_lost(self) -> bool:
        """The cut of `cut_power` has happened."""
        return bool(self._board.power.lost)

    def take_baud(self) -> int | None:
        """Return the rate the board switched to since the last call, or None."""
        wanted = int(self._board.baud_wanted)
        self._board.baud_wanted = 0
        return wanted or None

    def take_charges(self) -> list[ComputeCharge]:
        """Return the runs since the last call; beyond 64 they are added to the last one."""
        charges = [
            ComputeCharge(each.multiply_adds, each.activations, each.steps, each.dtype)
            for each in self._board.charge[0 : self._board.charges]
        ]
        self._board.charges = 0
        return charges

    def cut_power(self, after: int, *, manner: int = 1, noise: int = 1) -> None:
        """Let the flash fail for good after so many programmed words and erases.

        Args:
            after: operations that still succeed.
            manner: the operation cut is 0 not begun, 1 half done, 2 leaves garbage.
            noise: seed of what half done means.
        """
        power = self._board.power
        power.left, power.manner, power.noise = after, manner, noise

    def statistics(self) -> dict[str, int]:
        """Return the counters by the protocol page's names."""
        names = (
            "requests",
            "reference_requests",
            "inferences",
            "errors",
            "crc_errors",
            "skipped_bytes",
            "timeouts",
            "swaps",
            "roll_backs",
            "busiest_us",
            "compute_us",
        )
        return {name: int(getattr(self._board.rpc.statistics, name)) for name in names}

    def flash_operations(self) -> tuple[int, int]:
        """Words programmed and sectors erased since power-on."""
        return int(self._board.power.words), int(self._board.power.erases)
