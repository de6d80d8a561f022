"""The flash of a board as it leaves the workshop: partition table, and a model in SPIFFS."""

import struct

from edgeflow.devices.virtual.boot import APP_MAGIC
from edgeflow.devices.virtual.flash import NorFlash
from edgeflow.devices.virtual.reference import MODEL_FILE
from edgeflow.errors import ConfigError
from edgeflow.protocols.model_file import check_meta, lstm_meta, parse_model
from edgeflow.protocols.partitions import TABLE_OFFSET, Partition, encode_table
from edgeflow.protocols.rom_registers import CHIP_ID
from edgeflow.protocols.spiffs import pack

__all__ = ["model_files", "partition_table", "prepare", "put_files"]

META_FILE = "model_meta.json"
_K, _M = 1024, 1024 * 1024
_SPIFFS, _OURS = (1, 0x82), 0x40
_SECTOR = 4096


def partition_table(flash_size: int, *, reference: bool) -> list[Partition]:
    """Return the rows of the reference firmware's table, or of ours with its slots."""
    rows = [
        Partition("nvs", 1, 2, 0x9000, 24 * _K),
        Partition("phy_init", 1, 1, 0xF000, 4 * _K),
        Partition("factory", 0, 0, 0x10000, 2 * _M),
    ]
    if reference:
        return [*rows, Partition("model", *_SPIFFS, 0x210000, 5120 * _K)]
    slot = (6 if flash_size >= 16 * _M else 2) * _M
    return [
        *rows,
        Partition("model", *_SPIFFS, 0x210000, _M),
        Partition("modelctl", _OURS, 2, 0x310000, 64 * _K),
        Partition("model_a", _OURS, 0, 0x320000, slot),
        Partition("model_b", _OURS, 1, 0x320000 + slot, slot),
    ]


def prepare(flash: NorFlash, *, reference: bool) -> None:
    """Write what a board leaves the workshop with: two image headers and the partition table.

    The images are headers only. What answers on a virtual board is the firmware core itself.
    """
    rows = partition_table(flash.size, reference=reference)
    if rows[-1].end > flash.size:
        raise ConfigError(
            f"a flash of {flash.size >> 20} MiB is too small for the partition table",
            hint=f"it needs {-(-rows[-1].end // _M)} MiB",
        )
    _rewrite(flash, 0, _image_header())
    _rewrite(flash, TABLE_OFFSET, encode_table(rows))
    _rewrite(flash, 0x10000, _image_header())


def model_files(model: bytes, meta: bytes | None, *, reference: bool) -> dict[str, bytes]:
    """Return the files that a SPIFFS partition needs for a model.

    Raises:
        ConfigError: no valid model, a meta that contradicts it, or a container for the reference
            firmware, which knows none.
    """
    parsed = parse_model(model)
    if reference and not model.startswith(b"LST0"):
        raise ConfigError(
            "the reference firmware runs no container (EFM1)",
            hint="give the model_fp32.bin, or leave --reference out",
        )
    if meta is not None:
        check_meta(meta, parsed)
    return {MODEL_FILE: model, META_FILE: meta if meta is not None else lstm_meta(parsed)}


def put_files(flash: NorFlash, partition: Partition, files: dict[str, bytes]) -> None:
    """Write a SPIFFS partition that holds ``files``."""
    _rewrite(flash, partition.offset, pack(files, partition.size))


def _rewrite(flash: NorFlash, offset: int, content: bytes) -> None:
    """Erase and write only where something differs, so that a mapping stays small."""
    for start in range(0, len(content), _SECTOR):
        piece = content[start : start + _SECTOR].ljust(_SECTOR, b"\xff")
        if flash.read(offset + start, _SECTOR) == piece:
            continue
        flash.erase(offset + start, _SECTOR)
        flash.program(offset + start, piece)


def _image_header() -> bytes:
    """Return the header of an image without segments, for an ESP32-S3 with 16 MB of flash."""
    return struct.pack("<BBBBI4xH9xB", APP_MAGIC, 0, 2, 0x4F, 0x403C9914, CHIP_ID, 0)
