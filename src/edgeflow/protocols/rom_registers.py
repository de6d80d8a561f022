"""The registers of an ESP32-S3 that its loaders let a host see: eFuses, flash controller, straps.

Source: ESP32-S3 Technical Reference Manual, chapters eFuse Controller, SPI Controller, Low-power
Management.
"""

__all__ = ["CHIP_ID", "Registers", "flash_id"]

CHIP_ID = 9
"""What GET_SECURITY_INFO and image headers call an ESP32-S3."""

_EFUSE = 0x60007000
_MAC_LOW, _MAC_HIGH = _EFUSE + 0x44, _EFUSE + 0x48
_SYSTEM_3, _SYSTEM_4 = _EFUSE + 0x50, _EFUSE + 0x54
_REVISION_0_2 = 2 << 18
_PSRAM_8_MB = 1 << 3 | 1 << 7
_STRAPS = 0x60004038
_CHIP_MAGIC, _CHIP_MAGIC_VALUE = 0x40001000, 0x00000009

_SPI = 0x60002000
_SPI_COMMAND, _SPI_USER_2, _SPI_WORD_0 = _SPI, _SPI + 0x20, _SPI + 0x58
_SPI_ADDRESS = _SPI + 0x04
_SPI_START = 1 << 18
_READ_ID, _READ_SFDP = 0x9F, 0x5A
_STATUS_REGISTERS = {0x05: 0, 0x35: 2, 0x15: 0}
_SFDP_SIGNATURE = int.from_bytes(b"SFDP", "little")

_WATCHDOG = 0x60008098
_WATCHDOG_ENABLE = 1 << 31

_MAX_WRITTEN = 4096


def flash_id(size: int) -> int:
    """Return what the JEDEC command 0x9F reads of a chip of ``size`` bytes, lowest byte first."""
    return (size.bit_length() - 1) << 16 | 0x40 << 8 | 0xEF


class Registers:
    """Reads by address, writes that stick, and the few that do something.

    Args:
        mac: six bytes.
        flash_size: bytes of the flash chip, a power of two.
    """

    def __init__(self, mac: bytes, flash_size: int) -> None:
        self.watchdog = False
        """Whether the host has armed the watchdog that resets the chip."""
        self._flash_id = flash_id(flash_size)
        self._written: dict[int, int] = {}
        self._fixed = {
            _MAC_LOW: int.from_bytes(mac[2:], "big"),
            _MAC_HIGH: int.from_bytes(mac[:2], "big"),
            _SYSTEM_3: _REVISION_0_2,
            _SYSTEM_4: _PSRAM_8_MB,
            _STRAPS: 0,
            _CHIP_MAGIC: _CHIP_MAGIC_VALUE,
        }

    def read(self, address: int) -> int:
        """Return 32 bits; 0 for registers that nothing was written to."""
        found = self._fixed.get(address)
        return self._written.get(address, 0) if found is None else found

    def write(self, address: int, value: int, mask: int) -> None:
        """Set the bits of ``mask``. Writes beyond a few thousand addresses are forgotten."""
        new = self.read(address) & ~mask | value & mask
        if address == _SPI_COMMAND and new & _SPI_START:
            self._written[_SPI_WORD_0] = self._run_spi(self.read(_SPI_USER_2) & 0xFFFF)
            return
        if address == _WATCHDOG and new & _WATCHDOG_ENABLE:
            self.watchdog = True
        if address in self._written or len(self._written) < _MAX_WRITTEN:
            self._written[address] = new

    def _run_spi(self, command: int) -> int:
        if command == _READ_ID:
            return self._flash_id
        if command == _READ_SFDP and self.read(_SPI_ADDRESS) == 0:
            return _SFDP_SIGNATURE
        return _STATUS_REGISTERS.get(command, 0xFFFFFFFF)
