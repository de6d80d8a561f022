"""The model of a board that keeps it as files in a SPIFFS partition: replaced, put back."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from edgeflow.devices.boards.base import OnProgress, SwapProgress
from edgeflow.devices.flashing.previous import PreviousImages
from edgeflow.devices.flashing.tool import DEFAULT_BAUD, Esptool, Piece, check_lines, relabel
from edgeflow.errors import ConfigError, EdgeFlowError, EngineError, ProtocolError
from edgeflow.protocols import spiffs
from edgeflow.protocols.partitions import (
    SUBTYPES,
    TABLE_BYTES,
    TABLE_OFFSET,
    TYPES,
    Partition,
    decode_table,
    find_partition,
)

__all__ = ["META_FILE", "MODEL_FILE", "PARTITION", "FlashedModel", "flash_model", "restore_model"]

log = structlog.get_logger(__name__)

PARTITION = "model"
MODEL_FILE = "model_fp32.bin"
META_FILE = "model_meta.json"
_SPARE_BLOCKS = 2
_MAGIC = slice(252, 254)


@dataclass(frozen=True, slots=True)
class FlashedModel:
    """What was done to a board.

    Attributes:
        erased: bytes of flash that were erased and written anew, of ``partition.size``.
        restorable: what was replaced is kept, and can be put back.
    """

    mac: str
    chip: str
    partition: Partition
    erased: int
    seconds: float
    restorable: bool


def flash_model(
    port: str,
    files: Mapping[str, bytes],
    *,
    baud: int = DEFAULT_BAUD,
    cancel: threading.Event | None = None,
    on_progress: OnProgress | None = None,
    previous: PreviousImages | None = None,
) -> FlashedModel:
    """Write ``files`` into the SPIFFS partition ``model``, verify it by MD5, restart the board.

    Only sectors that change are written. What was there is kept for ``restore_model``. The port
    must be closed by everyone else; nothing is written when anything before that fails.

    Args:
        port: a device path, ``rfc2217://...`` or ``socket://...``.
        files: contents by name.
        baud: while flashing.
        cancel: ends it when set; a partition that is half written is then of no use to the board.
        on_progress: told ``build``, ``erase``, ``write``, ``verify`` and ``restart``.
        previous: where replaced images are kept; the user's cache if not given.

    Raises:
        UnreachableError: the port is busy or gone, or the board does not answer esptool.
        ConfigError: the board has no partition table or no such partition, or the files do not fit.
        EngineError: what was written reads back differently.
        DeadlineError, CancelledError, MissingExtraError: as they say.
    """

    def make(_mac: str, partition: Partition) -> bytes:
        return spiffs.pack(files, partition.size)

    return _flash(
        Esptool(port, baud, cancel=cancel), make, on_progress, previous or PreviousImages()
    )


def restore_model(
    port: str,
    *,
    baud: int = DEFAULT_BAUD,
    cancel: threading.Event | None = None,
    on_progress: OnProgress | None = None,
    previous: PreviousImages | None = None,
) -> FlashedModel:
    """Write back what ``flash_model`` replaced last on this board; twice is there and back.

    Raises:
        EngineError: nothing is kept for this board.
        Others as ``flash_model``.
    """
    kept = previous or PreviousImages()

    def make(mac: str, partition: Partition) -> bytes:
        image = kept.load(mac, partition.size)
        if image is None:
            raise EngineError(
                f"no model from before is kept for the board {mac}",
                hint="only what was flashed from this machine can be rolled back",
            )
        return image

    return _flash(Esptool(port, baud, cancel=cancel), make, on_progress, kept)


def _flash(
    tool: Esptool,
    make: Callable[[str, Partition], bytes],
    on_progress: OnProgress | None,
    previous: PreviousImages,
) -> FlashedModel:
    check_lines(tool.port)
    started = time.monotonic()
    tell = on_progress or (lambda _step: None)
    with tool:
        tell(SwapProgress("build", text="reading the partition table"))
        partition = _find(tool)
        image = make(tool.mac, partition)
        before = _read_image(tool, partition, _used_bytes(image), on_progress)
        previous.begin(tool.mac, before.image if _is_worth_keeping(before.image, image) else None)
        piece = Piece(partition.offset, image, before.image if before.exact else None)
        erased = _write(tool, piece, previous, on_progress)
        previous.finish(tool.mac)
        tell(SwapProgress("restart"))
    seconds = round(time.monotonic() - started, 2)
    log.info("model_flashed", port=tool.port, mac=tool.mac, erased=erased, seconds=seconds)
    restorable = previous.load(tool.mac, partition.size) is not None
    return FlashedModel(tool.mac, tool.chip, partition, erased, seconds, restorable)


def _write(
    tool: Esptool, piece: Piece, previous: PreviousImages, on_progress: OnProgress | None
) -> int:
    try:
        return tool.write([piece], "writing the model", on_progress)
    except EdgeFlowError as error:
        if previous.load(tool.mac, len(piece.data)) is not None:
            error.hint = (
                "the partition is half written: flash again, or put the model before back: "
                "edgeflow flash model --roll-back"
            )
        raise


def _find(tool: Esptool) -> Partition:
    raw = tool.read(TABLE_OFFSET, TABLE_BYTES, "reading the partition table")
    try:
        partition = find_partition(decode_table(raw), PARTITION)
    except ProtocolError as error:
        raise ConfigError(
            f"{tool.port}: {error.message}",
            hint="flash the firmware first: edgeflow flash firmware",
        ) from None
    kind = (TYPES["data"], SUBTYPES["data"]["spiffs"])
    if (partition.type, partition.subtype) != kind:
        raise ConfigError(
            f"the board's partition {PARTITION!r} has type {partition.type:#x}, subtype "
            f"{partition.subtype:#x}; data, spiffs is needed"
        )
    return partition


class _Before(NamedTuple):
    """What a partition holds.

    Attributes:
        image: all of it, None where it is no SPIFFS.
        exact: byte for byte, as far as was read.
    """

    image: bytes | None
    exact: bool = False


def _read_image(
    tool: Esptool, partition: Partition, first: int, on_progress: OnProgress | None
) -> _Before:
    """Read until a block that is not in use: files come first, and what follows is empty.

    A board that formatted its partition itself counts erases in empty blocks, which is not exact.
    """
    blank = spiffs.pack({}, partition.size)
    size = min(partition.size, first + _SPARE_BLOCKS * spiffs.BLOCK)
    listener = relabel(on_progress, "reading the model that is there")
    prefix = b""
    while True:
        prefix += tool.read(
            partition.offset + len(prefix), size - len(prefix), "reading the model", listener
        )
        if prefix[_MAGIC] != blank[_MAGIC]:
            return _Before(None)
        last = prefix[-spiffs.BLOCK :]
        exact = size == partition.size or last == blank[size - spiffs.BLOCK : size]
        if exact or last.startswith(b"\xff" * _MAGIC.start):
            return _Before(prefix + blank[size:], exact)
        size = min(partition.size, 2 * size)


def _used_bytes(image: bytes) -> int:
    """Return how far an image reaches until only blank blocks follow."""
    blank = spiffs.pack({}, len(image))
    end = len(image)
    while end and image[end - spiffs.BLOCK : end] == blank[end - spiffs.BLOCK : end]:
        end -= spiffs.BLOCK
    return end


def _is_worth_keeping(before: bytes | None, image: bytes) -> bool:
    if before is None or before == image:
        return False
    with suppress(ProtocolError):
        return MODEL_FILE in spiffs.unpack(before)
    return False
