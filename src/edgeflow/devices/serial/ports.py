"""A port as bytes that come and go, and how one is opened without resetting the board on it."""

import errno
import os
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any

from edgeflow.errors import ConfigError, MissingExtraError, UnreachableError

__all__ = ["DescriptorPort", "Port", "lost", "open_port"]

READ_BYTES = 65536

_TAKEN = (
    "another program has it open",
    "end that program (a monitor, a gateway), or ask the gateway instead",
)
_KNOWN = {
    errno.EACCES: ("Permission denied", "sudo usermod -aG dialout $USER, then log in again"),
    errno.EAGAIN: _TAKEN,
    errno.EBUSY: _TAKEN,
    errno.ENOENT: (
        "there is no such port",
        "is it plugged in? edgeflow devices list shows the ports",
    ),
}
"""What errors mean, and what to do."""


class Port(ABC):
    """An open port. No call but ``close`` waits.

    Attributes:
        name: for messages.
        behind: it holds bytes that it took and has not sent; a write of nothing sends them on.
    """

    name: str
    behind: bool = False

    @abstractmethod
    def fileno(self) -> int:
        """What to poll."""

    @abstractmethod
    def read(self) -> bytes:
        """Return what has come, after poll said that something did.

        Raises:
            UnreachableError: the port is gone.
        """

    @abstractmethod
    def write(self, data: bytes | bytearray) -> int:
        """Send as much as is taken at once; return how many bytes.

        Raises:
            UnreachableError: the port is gone.
        """

    @abstractmethod
    def set_baud(self, baud: int) -> None:
        """Change the rate of the line, for what is written from now on.

        Raises:
            UnreachableError: the port is gone, or does not know the rate.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of it. Idempotent."""


class DescriptorPort(Port):
    """A device of the system.

    Args:
        name: for messages.
        device: pyserial's object, open.
    """

    def __init__(self, name: str, device: Any) -> None:
        self.name = name
        self._device = device
        self._descriptor: int = device.fileno()

    def fileno(self) -> int:
        """What to poll."""
        return self._descriptor

    def read(self) -> bytes:
        """Return what has come."""
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise lost(self.name, error) from None
        if not data:
            raise lost(self.name)
        return data

    def write(self, data: bytes | bytearray) -> int:
        """Send as much as is taken at once."""
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise lost(self.name, error) from None

    def set_baud(self, baud: int) -> None:
        """Change the rate of the line, when all that was written has left."""
        import termios

        try:
            termios.tcdrain(self._descriptor)
            self._device.baudrate = baud
        except (OSError, ValueError, termios.error) as error:
            raise UnreachableError(f"{self.name}: {baud} baud: {error}") from None

    def close(self) -> None:
        """Let go of it, without waiting for what it has not sent."""
        import termios

        with suppress(OSError, termios.error):
            termios.tcflush(self._descriptor, termios.TCOFLUSH)
        with suppress(OSError):
            self._device.close()


def lost(name: str, error: OSError | None = None) -> UnreachableError:
    """Return what to raise for a port that is gone."""
    why = f" ({error.strerror})" if error is not None and error.strerror else ""
    hint = "plug the board in again"
    if "://" in name:
        hint = "is its server running, and has no other program the port?"
    return UnreachableError(f"{name}: the port is gone{why}", hint=hint)


def open_port(name: str, baud: int) -> Port:
    """Open a port: a device, ``rfc2217://host:port``, ``socket://host:port``.

    Modem lines are released in an order that resets no board: RTS first, then DTR.

    Raises:
        UnreachableError: it cannot be opened, or somebody else has it.
        ConfigError: nothing opens such a name.
        MissingExtraError: pyserial is not installed.
    """
    if name.startswith(("rfc2217://", "socket://")):
        from edgeflow.devices.serial.sockets import open_socket

        return open_socket(name, baud)
    return DescriptorPort(name, _open_device(name, baud))


def _open_device(name: str, baud: int) -> Any:
    try:
        import serial
    except ModuleNotFoundError:
        raise MissingExtraError("serial", "mcu") from None
    try:
        device = serial.serial_for_url(name, do_not_open=True, baudrate=baud, timeout=0)
        device.write_timeout, device.exclusive = 0, True
        # With dsrdtr pyserial leaves DTR alone while it releases RTS: never DTR off with RTS on,
        # which is how boards are told to reset.
        device.dsrdtr, device.rts = True, False
        device.open()
        with suppress(OSError):
            device.dtr = False
        device.fileno()
    except serial.SerialException as error:
        why, hint = _explain(error)
        raise UnreachableError(f"{name}: {why}", hint=hint) from None
    except (ValueError, OSError, AttributeError) as error:
        raise ConfigError(
            f"{name}: {error}", hint="name a device, rfc2217:// or socket://"
        ) from None
    return device


def _explain(error: OSError) -> tuple[str, str]:
    """Return why a port cannot be opened, and what to do."""
    number = error.errno or 0
    if not number and "Could not configure port" in str(error):
        return "this is no serial port", "edgeflow devices list shows the ports"
    return _KNOWN.get(number, (os.strerror(number) if number else str(error), ""))
