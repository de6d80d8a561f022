"""What a board finds in its flash when it starts, and what it says on the wire about it."""

from dataclasses import dataclass

from edgeflow.devices.virtual.flash import NorFlash
from edgeflow.errors import ProtocolError
from edgeflow.protocols.partitions import TABLE_BYTES, TABLE_OFFSET, Partition, decode_table

__all__ = [
    "APP_MAGIC",
    "POWER",
    "SOFTWARE",
    "WATCHDOG",
    "Cause",
    "Found",
    "inspect",
    "loader_log",
    "start_log",
]

APP_MAGIC = 0xE9
"""First byte of a bootloader's and of an application's image."""
_ROM = "ESP-ROM:esp32s3-20210327\r\nBuild:Mar 27 2021\r\n"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the chip starts, in the ROM's words."""

    code: int
    name: str


POWER = Cause(0x1, "POWERON")
SOFTWARE = Cause(0xC, "RTC_SW_CPU_RST")
WATCHDOG = Cause(0x10, "RTCWDT_RTC_RST")


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in the flash.

    Attributes:
        partitions: by label; empty without a readable table.
        problem: why nothing starts; empty if the application does.
        at_rom: the ROM itself finds no bootloader, and starts over and over.
    """

    partitions: dict[str, Partition]
    problem: str = ""
    at_rom: bool = False


def inspect(flash: NorFlash) -> Found:
    """Go the way from ROM over bootloader and partition table to the application."""
    if flash.memory[0] != APP_MAGIC:
        header = int.from_bytes(flash.read(0, 4), "little")
        return Found({}, f"invalid header: 0x{header:08x}", at_rom=True)
    try:
        table = decode_table(flash.read(TABLE_OFFSET, TABLE_BYTES))
    except ProtocolError:
        return Found({}, "flash_parts: partition table is damaged or missing")
    partitions = {row.label: row for row in table if row.end <= flash.size}
    apps = [row for row in partitions.values() if row.type == 0]
    if not any(flash.memory[row.offset] == APP_MAGIC for row in apps):
        return Found(partitions, "boot: No bootable app partitions in the partition table")
    return Found(partitions)


def loader_log(cause: Cause) -> bytes:
    """Return what the ROM says in download mode."""
    boot = "boot:0x0 (DOWNLOAD(USB/UART0))"
    return f"{_ROM}rst:0x{cause.code:x} ({cause.name}),{boot}\r\nwaiting for download\r\n".encode()


def start_log(cause: Cause, found: Found, firmware: str) -> bytes:
    """Return what ROM, bootloader and application say until the application answers."""
    boot = "boot:0x8 (SPI_FAST_FLASH_BOOT)"
    lines = [f"{_ROM}rst:0x{cause.code:x} ({cause.name}),{boot}"]
    if found.at_rom:
        return "\r\n".join([*lines, found.problem, "", ""]).encode()
    lines += ["SPIWP:0xee", "mode:DIO, clock div:1", "load:0x3fce3810,len:0x178c"]
    lines += ["load:0x403c9700,len:0xcbc", "load:0x403cc700,len:0x2d9c", "entry 0x403c9914"]
    lines += ["I (26) boot: ESP-IDF 2nd stage bootloader", "I (27) boot: Multicore bootloader"]
    if found.partitions:
        lines += ["I (56) boot: Partition Table:"]
        lines += ["I (60) boot: ## Label            Usage          Type ST Offset   Length"]
        lines += [_row(number, row) for number, row in enumerate(found.partitions.values())]
        lines += ["I (110) boot: End of partition table"]
    if found.problem:
        return "\r\n".join([*lines, f"E (120) {found.problem}", ""]).encode()
    lines += ["I (180) boot: Loaded app from partition at offset 0x10000"]
    lines += ["I (245) cpu_start: Pro cpu start user code", f"I (259) app_init: {firmware}"]
    lines += ["I (301) main_task: Calling app_main()", ""]
    return "\r\n".join(lines).encode()


def _row(number: int, row: Partition) -> str:
    usage = {0: "factory app", 1: "data"}.get(row.type, "Unknown")
    return (
        f"I ({64 + 7 * number}) boot: {number:2} {row.label:<16} {usage:<16}"
        f" {row.type:02x} {row.subtype:02x} {row.offset:08x} {row.size:08x}"
    )
