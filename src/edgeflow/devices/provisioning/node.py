"""Nodes behind a port: read what they were told, tell them more, and see that it arrived."""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from edgeflow.devices.boards.base import OnProgress
from edgeflow.devices.flashing.tool import DEFAULT_BAUD, Esptool, Piece, check_lines, relabel
from edgeflow.devices.provisioning.image import build_image
from edgeflow.devices.provisioning.merging import Change, current_values, list_changes, merge
from edgeflow.devices.provisioning.values import Value, check_together, texts
from edgeflow.errors import ConfigError, EngineError
from edgeflow.protocols.nvs import MAX_BYTES, NvsContent, decode_nvs
from edgeflow.protocols.partitions import TABLE_BYTES, TABLE_OFFSET, Partition, decode_table

__all__ = ["Provisioned", "find_nvs", "provision", "read_settings"]

log = structlog.get_logger(__name__)

_DATA, _NVS, _ENCRYPTED = 1, 2, 1
_FIRST_BYTES = 0x7000
"""From the table on: NVS mostly follows it, and a run of esptool costs more than some bytes."""


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What a node was told.

    Attributes:
        mac, chip: of the board.
        partition: where it lies.
        changes: settings that differ from before.
        settings: all that the node has now, as texts; of secrets only that they are set.
        kept: entries that stay as they were, those of other programs included.
        damaged: entries that could not be read, and are gone.
        written: False if there was nothing to change, or it was only tried.
    """

    mac: str
    chip: str
    partition: Partition
    changes: tuple[Change, ...]
    settings: Mapping[str, str]
    kept: int
    damaged: int
    written: bool


def read_settings(
    port: str,
    *,
    baud: int = DEFAULT_BAUD,
    chip: str = "auto",
    cancel: threading.Event | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[dict[str, Value], NvsContent]:
    """Return the settings on a node, secrets included, and all that its partition holds.

    Raises:
        ConfigError: there is no NVS partition, or none that can be read.
        UnreachableError, DeadlineError, CancelledError, MissingExtraError: as they say.
    """
    check_lines(port)
    with Esptool(port, baud, chip, cancel, private=True) as tool:
        _, _, content = _read(tool, on_progress, reset=False)
    return current_values(content.entries), content


def provision(
    port: str,
    values: Mapping[str, Value],
    *,
    unset: Collection[str] = (),
    reset: bool = False,
    dry_run: bool = False,
    baud: int = DEFAULT_BAUD,
    chip: str = "auto",
    cancel: threading.Event | None = None,
    on_progress: OnProgress | None = None,
) -> Provisioned:
    """Change settings of a node, keep the others, read all of it back, restart the node.

    Args:
        port: with reset lines: a device path, ``rfc2217://...`` or ``socket://...``.
        values: by name, as ``parse_values`` gives them.
        unset: names of settings to remove.
        reset: drop what the partition holds instead of keeping it.
        dry_run: write nothing.
        baud: while flashing.
        chip: esptool's name of it; ``auto`` takes any.
        cancel: ends it within a second when set.
        on_progress: told ``build``, ``erase``, ``write`` and ``verify``.

    Raises:
        ConfigError: there is no NVS partition, it cannot be read, what it would hold contradicts
            itself or does not fit; nothing was written.
        EngineError: it reads back differently.
        UnreachableError, DeadlineError, CancelledError, MissingExtraError: as they say.
    """
    check_lines(port)
    with Esptool(port, baud, chip, cancel, private=True) as tool:
        partition, before, content = _read(tool, on_progress, reset=reset)
        kept = () if reset else content.entries
        merged = merge(kept, values, unset)
        check_together(current_values(merged))
        changes = list_changes(content.entries, merged)
        written = not dry_run and (bool(changes) or tuple(merged) != content.entries)
        image = build_image(merged, partition.size)
        if written:
            _write(tool, partition, before, image, on_progress)
    same = sum(entry in content.entries for entry in merged)
    done = Provisioned(
        tool.mac,
        tool.chip,
        partition,
        changes,
        texts(current_values(merged)),
        same,
        content.damaged,
        written,
    )
    log.info(
        "node_provisioned",
        port=port,
        mac=tool.mac,
        settings=[each.name for each in changes],
        kept=same,
        written=written,
    )
    return done


def find_nvs(partitions: Sequence[Partition]) -> Partition:
    """Return the partition of a firmware's settings: ``nvs``, else the first of the type.

    Raises:
        ConfigError: there is none, or it is encrypted or of no sensible size.
    """
    found = [each for each in partitions if (each.type, each.subtype) == (_DATA, _NVS)]
    found.sort(key=lambda each: each.label != "nvs")
    if not found:
        names = ", ".join(each.label for each in partitions) or "none"
        raise ConfigError(
            f"the board has no NVS partition; it has: {names}",
            hint="flash the firmware of a node first: edgeflow flash firmware",
        )
    partition = found[0]
    if partition.flags & _ENCRYPTED:
        raise ConfigError(
            f"the partition {partition.label!r} is encrypted",
            hint="only the board's own firmware can write it",
        )
    if partition.offset % 4096 or partition.size % 4096 or not 0 < partition.size <= MAX_BYTES:
        raise ConfigError(
            f"the partition {partition.label!r} has {partition.size} bytes at "
            f"{partition.offset:#x}, which is no place for NVS"
        )
    return partition


def _read(
    tool: Esptool, on_progress: OnProgress | None, *, reset: bool
) -> tuple[Partition, bytes, NvsContent]:
    action = "reading the settings"
    told = relabel(on_progress, action)
    start = tool.read(TABLE_OFFSET, _FIRST_BYTES, action, told)
    partition = find_nvs(decode_table(start[:TABLE_BYTES]))
    image = start[partition.offset - TABLE_OFFSET :][: partition.size]
    if partition.offset < TABLE_OFFSET or len(image) != partition.size:
        image = tool.read(partition.offset, partition.size, action, told)
    content = decode_nvs(image)
    if content.damaged and not content.entries and not reset:
        raise ConfigError(
            f"nothing in the partition {partition.label!r} can be read: it is damaged or encrypted",
            hint="--reset drops it and starts anew",
        )
    if content.damaged:
        log.warning("entries_damaged", port=tool.port, count=content.damaged)
    return partition, image, content


def _write(
    tool: Esptool,
    partition: Partition,
    before: bytes,
    image: bytes,
    on_progress: OnProgress | None,
) -> None:
    piece = Piece(partition.offset, image, before)
    tool.write([piece], "writing the settings", on_progress, restart=False)
    action = "reading the settings back"
    found = tool.read(partition.offset, partition.size, action, relabel(on_progress, action))
    if found != image:
        raise EngineError(
            "the settings read back differently from what was written",
            hint="provision again; if it stays so, the flash is worn or the cable is bad",
        )
