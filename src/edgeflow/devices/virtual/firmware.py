"""Our firmware on a virtual board: the compiled core on the partitions of its flash."""

from collections.abc import Iterable
from importlib.metadata import version

from edgeflow._native.board import BoardIdentity, BoardLimits, Flash, NativeBoard, Prices
from edgeflow.devices.costs import CLOCK_MHZ, CYCLES_PER_ACTIVATION, CYCLES_PER_MULTIPLY_ADD
from edgeflow.devices.virtual.application import Application, Work
from edgeflow.devices.virtual.flash import (
    ERASE_SECTOR_US,
    PAGE,
    PROGRAM_PAGE_US,
    SECTOR,
    NorFlash,
)
from edgeflow.devices.virtual.image import put_files
from edgeflow.devices.virtual.reference import MODEL_FILE, ReferenceFirmware, load_model
from edgeflow.devices.virtual.settings import Settings
from edgeflow.errors import ProtocolError
from edgeflow.protocols.partitions import Partition
from edgeflow.protocols.spiffs import unpack

__all__ = ["NativeFirmware", "make_application"]

FIRMWARE = f"edgeflow {version('edgeflow')}"

MODEL_IDS = 4
LIMITS = BoardLimits(window=16, window_bytes=16384, arena_bytes=65536, stream_bytes=65536)
"""What the firmware for real boards has by default, too."""
MAX_FILE = 4 << 20
_SPIFFS = (1, 0x82)
_SLOT_TYPE, _SLOT_A, _SLOT_B, _CONTROL = 0x40, 0, 1, 2


def make_application(
    flash: NorFlash, partitions: dict[str, Partition], settings: Settings
) -> Application:
    """Return what a board with this flash runs."""
    storage = partitions.get("model")
    spiffs = storage is not None and (storage.type, storage.subtype) == _SPIFFS
    image = flash.read(storage.offset, storage.size) if storage and spiffs else b""
    if settings.reference:
        if storage is not None and spiffs and not _mounts(image):
            settings.narrate("formats its partition model, as the reference firmware does")
            put_files(flash, storage, {})
        return ReferenceFirmware(load_model(image), instant=settings.instant)
    return NativeFirmware(flash, partitions, _model_file(image), settings)


class NativeFirmware:
    """An ``Application`` made of the firmware core."""

    receive_bytes = LIMITS.window_bytes

    def __init__(
        self,
        flash: NorFlash,
        partitions: dict[str, Partition],
        file: bytes | None,
        settings: Settings,
    ) -> None:
        self._now = 0.0
        self._flash, self._partitions, self._file = flash, partitions, file
        self._settings = settings
        self._board: NativeBoard | None = None

    def start(self, now: float) -> Work:
        """Power the core on; it says which models answer."""
        self._now = now
        self._board = NativeBoard(
            flash=_slots(self._flash, self._partitions.values()),
            models=MODEL_IDS,
            file=self._file,
            identity=BoardIdentity(self._settings.mac, "ESP32-S3", FIRMWARE, self._settings.baud),
            limits=LIMITS,
            prices=Prices() if self._settings.instant else _PRICES,
            clock=lambda: int(self._now * 1e6),
        )
        return Work(self._board.take(), self._board.worked_us / 1e6)

    def receive(self, data: bytes, now: float) -> None:
        """Put the bytes into the core's receive buffer; a long message goes in piece by piece."""
        self._now = now
        while self._board is not None and data:
            data = data[self._board.feed(data) :]
            if data and not self._board.step():
                break

    def step(self, now: float) -> Work | None:
        """Let the core answer one message."""
        board = self._board
        if board is None:
            return None
        self._now = now
        worked = board.step()
        baud = board.take_baud() or 0
        if not worked and not baud:
            return None
        return Work(board.take(), board.worked_us / 1e6, baud=baud, restart=board.restart_requested)

    def close(self) -> None:
        """Power off: what was in memory is gone."""
        self._board = None


def _mounts(image: bytes) -> bool:
    try:
        unpack(image)
    except ProtocolError:
        return False
    return True


def _model_file(image: bytes) -> bytes | None:
    try:
        return unpack(image, max_file=MAX_FILE).get(MODEL_FILE) if image else None
    except ProtocolError:
        return None


def _slots(flash: NorFlash, partitions: Iterable[Partition]) -> Flash | None:
    """Return the three partitions of the slots, or None where the table has none."""
    found = {row.subtype: row for row in partitions if row.type == _SLOT_TYPE}
    rows = [found.get(subtype) for subtype in (_CONTROL, _SLOT_A, _SLOT_B)]
    chosen = [row for row in rows if row is not None]
    if len(chosen) < len(rows):
        return None
    views = [memoryview(flash.memory)[row.offset : row.end] for row in chosen]
    wear = tuple(flash.wear[row.offset // SECTOR : row.end // SECTOR] for row in chosen)
    return Flash(views[0], views[1], views[2], wear)


_NANOSECONDS = 1000 / CLOCK_MHZ
_PRICES = Prices(
    multiply_add=(
        CYCLES_PER_MULTIPLY_ADD[0] * _NANOSECONDS,
        CYCLES_PER_MULTIPLY_ADD[1] * _NANOSECONDS,
    ),
    activation=CYCLES_PER_ACTIVATION * _NANOSECONDS,
    program_word=PROGRAM_PAGE_US * 1000 / (PAGE / 4),
    erase=ERASE_SECTOR_US * 1000,
)
