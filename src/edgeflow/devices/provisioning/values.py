"""Values of settings: from texts to what lies in NVS, and back to texts for people."""

import base64
import binascii
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from edgeflow.devices.provisioning.keys import SETTINGS, Form, Setting, find_setting
from edgeflow.errors import ConfigError, did_you_mean

__all__ = ["Value", "check_together", "parse_values", "shown", "texts"]

Value = int | str | bytes
_MAX_TEXT = 4096
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*")
_ED25519 = bytes.fromhex("302a300506032b6570032100")
_YES, _NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")


def parse_values(texts: Mapping[str, str]) -> dict[str, Value]:
    """Return what is stored for the settings of these names.

    Raises:
        ConfigError: with every mistake, one a line, each with its reason. Secrets are not repeated.
    """
    values: dict[str, Value] = {}
    problems: list[str] = []
    for name, text in texts.items():
        setting = find_setting(name)
        if setting is None:
            problems.append(f"there is no setting {name!r}{_meant(name)}")
            continue
        try:
            values[name] = _parse(setting, text)
        except ValueError as error:
            given = "" if setting.secret else f" {text[:60]!r}"
            problems.append(f"{setting.flag}{given}: {error}: {setting.reason}")
    _refuse(problems)
    return values


def check_together(values: Mapping[str, Value]) -> None:
    """Refuse settings that contradict each other once they are all on the node.

    Raises:
        ConfigError: with every contradiction.
    """
    problems = []
    slot, total = values.get("tdm-slot", 0), values.get("tdm-total", 1)
    if isinstance(slot, int) and isinstance(total, int) and slot >= total:
        problems.append(
            f"--tdm-slot {slot}: not below --tdm-total, which is {total}: "
            "turns are counted from 0, and the node would take turn 0"
        )
    if "seed-token" in values and "seed-url" not in values:
        problems.append("--seed-token: there is no --seed-url that it would be sent to")
    _refuse(problems)


def shown(setting: Setting, value: Value) -> str:
    """Return a value for people; of a secret only that there is one."""
    if setting.secret:
        return "set" if value else "empty"
    if isinstance(value, bytes):
        if setting.form == "mac":
            return value.hex(":")
        return ",".join(map(str, value)) if setting.form == "channels" else value.hex()
    if setting.form == "thousandth" and isinstance(value, int):
        return f"{value / 1000:g}"
    if setting.form == "switch":
        return "yes" if value else "no"
    return str(value)


def texts(values: Mapping[str, Value]) -> dict[str, str]:
    """Return settings for people, in the order of the table; of secrets only that they are set."""
    return {each.name: shown(each, values[each.name]) for each in SETTINGS if each.name in values}


def _meant(name: str) -> str:
    hint = did_you_mean(name, [each.name for each in SETTINGS])
    return f": {hint}" if hint else ""


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigError("\n".join(problems), hint="nothing was written")


def _parse(setting: Setting, text: str) -> Value:
    if len(text) > _MAX_TEXT:
        raise ValueError(f"longer than {_MAX_TEXT} characters")
    if setting.form in _BOUNDED:
        return _BOUNDED[setting.form](text, setting)
    value = _PLAIN[setting.form](text)
    if isinstance(value, str):
        length = len(value.encode())
        if not setting.low <= length <= setting.high:
            raise ValueError(f"{length} bytes, not {setting.low:g} to {setting.high:g}")
    return value


def _check_range(number: float, setting: Setting) -> None:
    if not setting.low <= number <= setting.high:
        raise ValueError(f"not within {_bounds(setting)}")


def _bounds(setting: Setting) -> str:
    return f"{setting.low:g} to {setting.high:g}"


def _text(text: str) -> str:
    if any(ord(each) < 0x20 or each == "\x7f" or 0xD800 <= ord(each) < 0xE000 for each in text):
        raise ValueError("it has characters that are none of a text")
    return text


def _passphrase(text: str) -> str:
    if not _is_printable(text):
        raise ValueError("it has characters beyond printable ASCII")
    is_key = len(text) == 64 and all(each in "0123456789abcdefABCDEF" for each in text)
    if text and not is_key and not 8 <= len(text) <= 63:
        raise ValueError(f"{len(text)} characters")
    return text


def _token(text: str) -> str:
    if not _is_printable(text) or " " in text:
        raise ValueError("it has spaces, or characters beyond printable ASCII")
    return text


def _is_printable(text: str) -> bool:
    return text.isascii() and (text.isprintable() or not text)


def _url(text: str) -> str:
    if not _is_printable(text) or " " in text:
        raise ValueError("it has spaces, or characters beyond printable ASCII")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("no http://host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("a name, a query or a fragment has no place in it")
    _ = parts.port  # ValueError beyond 65535
    return text.rstrip("/")


def _address(text: str) -> str:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise ValueError("no IPv4 address") from None
    if address.is_unspecified or address.is_loopback or address.is_multicast:
        raise ValueError("no address of another host")
    if address == ipaddress.IPv4Address("255.255.255.255"):
        raise ValueError("no address of one host")
    return str(address)


def _integer(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,12}", text):
        raise ValueError("no whole number")
    return int(text)


def _number(text: str, setting: Setting) -> int:
    number = _integer(text)
    _check_range(number, setting)
    return number


def _thousandth(text: str, setting: Setting) -> int:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("no number") from None
    if not math.isfinite(number):
        raise ValueError("no number")
    if setting.high < number <= 1000 * setting.high and number.is_integer():
        raise ValueError(f"not within {_bounds(setting)}; {number / 1000:g}, if in thousandths")
    _check_range(number, setting)
    stored = round(number * 1000)
    if number and not stored:
        raise ValueError("less than a thousandth, it would be stored as 0")
    return stored


def _switch(text: str) -> int:
    word = text.lower()
    if word not in _YES + _NO:
        raise ValueError("neither yes nor no")
    return int(word in _YES)


def _channel(text: str) -> int:
    number = _integer(text)
    if number and not _is_channel(number):
        raise ValueError("no channel")
    return number


def _is_channel(number: int) -> bool:
    return 1 <= number <= 14 or 36 <= number <= 177


def _channels(text: str, setting: Setting) -> bytes:
    numbers = [_integer(part.strip()) for part in text.split(",")]
    if not setting.low <= len(numbers) <= setting.high:
        raise ValueError(f"{len(numbers)} channels, not {setting.low:g} to {setting.high:g}")
    for number in numbers:
        if not _is_channel(number):
            raise ValueError(f"{number} is no channel (1 to 14, 36 to 177)")
    if len(set(numbers)) != len(numbers):
        raise ValueError("a channel appears twice")
    return bytes(numbers)


def _mac(text: str) -> bytes:
    if not re.fullmatch(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}", text):
        raise ValueError("not of the form AA:BB:CC:DD:EE:FF")
    address = bytes.fromhex(re.sub("[:-]", "", text))
    if address[0] & 1 or not any(address):
        raise ValueError("no address of a single device")
    return address


def _public_key(text: str) -> bytes:
    pem = _PEM.fullmatch(text.strip() + "\n")
    try:
        if pem is None:
            key = bytes.fromhex(text.strip())
        else:
            der = base64.b64decode("".join(pem[1].split()), validate=True)
            key = der.removeprefix(_ED25519) if der.startswith(_ED25519) else b""
    except (ValueError, binascii.Error):
        raise ValueError("neither 64 hexadecimal digits nor a public key in PEM") from None
    if len(key) != 32:
        raise ValueError("no Ed25519 public key")
    return key


_PLAIN: dict[Form, Callable[[str], Value]] = {
    "text": _text,
    "passphrase": _passphrase,
    "token": _token,
    "url": _url,
    "address": _address,
    "switch": _switch,
    "channel": _channel,
    "mac": _mac,
    "key": _public_key,
}
_BOUNDED: dict[Form, Callable[[str, Setting], Value]] = {
    "number": _number,
    "thousandth": _thousandth,
    "channels": _channels,
}
