"""Which ports a text means: a path, a pattern, a USB serial number, a URL."""

import glob
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from edgeflow.errors import ConfigError, MissingExtraError, UnreachableError, did_you_mean

__all__ = ["FoundPort", "Locator", "PortSpec", "check_installed", "list_ports"]

_SCHEMES = ("serial", "serial+glob", "serial+usb", "rfc2217", "socket")
_HINT = "name /dev/ttyACM0, '/dev/ttyACM*', usb:SERIALNUMBER, rfc2217://host:port or socket://..."
_MAX_PORTS = 256


@dataclass(frozen=True, slots=True)
class FoundPort:
    """A serial port of this machine; texts are empty where the system does not know."""

    path: str
    serial_number: str = ""
    product: str = ""
    vendor: str = ""
    usb_id: str = ""


def list_ports() -> list[FoundPort]:
    """Return the serial ports of this machine.

    Raises:
        MissingExtraError: pyserial is not installed.
    """
    try:
        from serial.tools.list_ports import comports
    except ModuleNotFoundError:
        raise MissingExtraError("serial", "mcu") from None
    return [_found(each) for each in sorted(comports(), key=lambda each: str(each.device))]


def _found(port: Any) -> FoundPort:
    usb = f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None else ""
    product = port.product or (port.description if port.description != "n/a" else "")
    return FoundPort(
        port.device, port.serial_number or "", product or "", port.manufacturer or "", usb
    )


@dataclass(frozen=True, slots=True)
class PortSpec:
    """A text that names one or more ports, with options behind a question mark.

    Attributes:
        kind: ``path``, ``glob``, ``usb`` or ``url``.
        target: the path, pattern, USB serial number or URL.
        options: such as ``baud``.
    """

    kind: str
    target: str
    options: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "PortSpec":
        """Read ``/dev/ttyACM0``, ``/dev/ttyACM*``, ``usb:SERIAL``, ``serial:///dev/ttyACM0?baud=N``,
        ``serial+glob:///dev/ttyACM*``, ``serial+usb://SERIAL``, ``rfc2217://host:port``,
        ``socket://host:port``.

        Raises:
            ConfigError: it is none of them.
        """
        if "\0" in unquote(text):
            raise ConfigError(f"{text!r} names no port", hint=_HINT)
        scheme, separator, rest = text.partition("://")
        if not separator:
            return cls._plain(text)
        if scheme not in _SCHEMES:
            raise ConfigError(f"{text}: no port", hint=did_you_mean(scheme, _SCHEMES))
        # A pattern may have question marks too: options are what follows the last, if it has "=".
        target, mark, query = rest.rpartition("?")
        if not mark or "=" not in query:
            target, query = rest, ""
        options = dict(parse_qsl(query))
        if not target.strip("/"):
            raise ConfigError(f"{text}: names no port", hint=_HINT)
        if scheme in ("rfc2217", "socket"):
            return cls("url", _checked_url(f"{scheme}://{target}"), options)
        if scheme == "serial+usb":
            return cls("usb", unquote(target.strip("/")), options)
        kind = "glob" if scheme == "serial+glob" else "path"
        return cls(kind, unquote(target), options)

    @classmethod
    def _plain(cls, text: str) -> "PortSpec":
        if text.startswith("usb:") and text[4:]:
            return cls("usb", text[4:])
        known = text.startswith(("/", "~", ".", "COM")) or "/" in text
        if not known and not _exists(text):
            raise ConfigError(f"{text!r} names no port", hint=_HINT)
        try:
            path = str(Path(text).expanduser())
        except RuntimeError as error:
            raise ConfigError(f"{text!r}: {error}", hint=_HINT) from None
        return cls("glob" if glob.has_magic(path) else "path", path)

    def find(self) -> list[str]:
        """Return the ports that it means now.

        Raises:
            UnreachableError: there is none.
            ConfigError: the pattern is none.
        """
        if self.kind == "usb":
            found = [each.path for each in list_ports() if each.serial_number == self.target]
        elif self.kind == "glob":
            found = sorted(_matches(Path(self.target)))[:_MAX_PORTS]
        else:
            found = [self.target]
        if not found:
            named = "USB serial number " if self.kind == "usb" else ""
            raise UnreachableError(
                f"{named}{self.target}: there is no such port",
                hint="edgeflow devices list shows them",
            )
        return found


def _exists(name: str) -> bool:
    try:
        return bool(name) and Path(name).exists()
    except (OSError, ValueError):
        return False


def _checked_url(text: str) -> str:
    try:
        url = urlsplit(text)
        complete = bool(url.hostname and url.port)
    except ValueError:
        complete = False
    if not complete:
        raise ConfigError(f"{text}: host or port is missing", hint=_HINT)
    return text


def check_installed() -> None:
    """Raise MissingExtraError when pyserial is not installed."""
    if find_spec("serial") is None:
        raise MissingExtraError("serial", "mcu")


def _matches(pattern: Path) -> list[str]:
    start = Path(pattern.anchor or ".")
    try:
        return [str(each) for each in start.glob(str(pattern.relative_to(pattern.anchor)))]
    except (ValueError, IndexError, NotImplementedError) as error:
        raise ConfigError(f"{pattern}: {error}", hint=_HINT) from None


class Locator:
    """Finds one board's port again, also when it comes back under another path.

    Args:
        spec: what names it.
        path: where it is now, when the spec means several.
    """

    def __init__(self, spec: PortSpec, path: str | None = None) -> None:
        self.name = path or spec.target
        self._spec = spec
        self._path = path
        self._serial_number = ""

    def locate(self) -> str:
        """Return the path or URL to open.

        Raises:
            UnreachableError: it is not plugged in.
        """
        if self._spec.kind == "url":
            return self._spec.target
        if self._path is None and self._spec.kind == "usb":
            return self._spec.find()[0]
        path = self._path or self._spec.find()[0]
        if Path(path).exists():
            self._remember(path)
            return path
        for each in list_ports() if self._serial_number else ():
            if each.serial_number == self._serial_number:
                return each.path
        raise UnreachableError(
            f"{path}: there is no such port", hint="is it plugged in? see edgeflow devices list"
        )

    def _remember(self, path: str) -> None:
        if self._serial_number or not Path(path).resolve().name.startswith("tty"):
            return
        known = {each.path: each.serial_number for each in list_ports()}
        self._serial_number = known.get(str(Path(path).resolve()), "")
