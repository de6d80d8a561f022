"""Images of an NVS partition, by Espressif's own generator, in memory: they hold passwords."""

import io
from collections.abc import Sequence

from edgeflow.errors import ConfigError, EngineError, MissingExtraError
from edgeflow.protocols.nvs import PAGE_BYTES, NvsEntry, NvsType, decode_nvs

__all__ = ["MIN_BYTES", "build_image"]

MIN_BYTES = 3 * PAGE_BYTES
"""Of a partition that firmware can write."""
_VERSION_2 = 0xFE


def build_image(entries: Sequence[NvsEntry], size: int) -> bytes:
    """Return the ``size`` bytes of a partition that holds ``entries``; one page stays free.

    Raises:
        ConfigError: the size is none, or the entries do not fit.
        EngineError: what the generator made reads back differently.
        MissingExtraError: it is not installed.
    """
    if size % PAGE_BYTES or size < MIN_BYTES:
        raise ConfigError(
            f"an NVS partition has {MIN_BYTES} bytes or more in pages of 4096, not {size}"
        )
    try:
        image = _generate(entries, size)
    except (RuntimeError, AssertionError):
        raise ConfigError(
            f"{len(entries)} entries do not fit into an NVS partition of {size} bytes",
            hint="--reset drops what the board has",
        ) from None
    found = decode_nvs(image)
    if len(image) != size or found.damaged or _sorted(found.entries) != _sorted(entries):
        raise EngineError("the NVS image does not read back as it was asked for")
    return image


def _sorted(entries: Sequence[NvsEntry]) -> list[NvsEntry]:
    return sorted(entries, key=lambda each: (each.namespace, each.key, each.type))


def _generate(entries: Sequence[NvsEntry], size: int) -> bytes:
    try:
        from esp_idf_nvs_partition_gen import nvs_partition_gen
    except ModuleNotFoundError:
        raise MissingExtraError("esp_idf_nvs_partition_gen", "mcu") from None
    output = io.BytesIO()
    # The generator counts the page that stays free on top of the size.
    nvs = nvs_partition_gen.nvs_open(output, size - PAGE_BYTES, _VERSION_2)
    for entry in entries:
        nvs.write_namespace(entry.namespace)
        nvs.write_entry(entry.key, _text(entry), _encoding(entry), nvs.namespace_idx)
    nvs_partition_gen.nvs_close(nvs)
    return output.getvalue()


def _encoding(entry: NvsEntry) -> str:
    return "hex2bin" if entry.type is NvsType.BLOB else entry.type.name.lower()


def _text(entry: NvsEntry) -> str:
    return entry.value.hex() if isinstance(entry.value, bytes) else str(entry.value)
