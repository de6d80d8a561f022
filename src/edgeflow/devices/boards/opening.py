"""From texts to boards."""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeflow.devices.boards.serial import FASTER, SerialBoard
from edgeflow.devices.serial.finding import PortSpec
from edgeflow.errors import ConfigError, did_you_mean

__all__ = ["OPTIONS", "open_boards", "read_options"]

OPTIONS = ("baud", "faster", "values", "capacity", "verify")
"""Options behind a question mark; ``faster`` is a list with commas, or ``none``; ``verify=1``."""

MAX_BOARDS = 64
_NAMED = re.compile(r"([A-Za-z_][\w.-]*)=(?=\S)")


def open_boards(
    specs: Sequence[str], *, wait: float = 10.0, **options: Any
) -> tuple[SerialBoard, ...]:
    """Open every board that the texts mean, all at once.

    Args:
        specs: ports as in ``PortSpec.parse``, with a name before if you like
            (``lab=/dev/ttyACM0``); of a pattern each match is a board.
        wait: seconds until each has been found or is known to be lost; a board that is not found
            is looked for as long as it is open.
        options: for all that do not say otherwise; see ``SerialBoard``.

    Raises:
        ConfigError: a text names no port, an option is wrong, or a port or name comes twice.
        UnreachableError: a pattern or USB serial number has no match.
    """
    plans = _plan(specs, options)
    boards: list[SerialBoard] = []
    try:
        for spec, path, name, given in plans:
            boards.append(SerialBoard(spec, path=path, name=name, **given))
        until = time.monotonic() + wait
        for board in boards:
            board.wait(max(0.0, until - time.monotonic()))
    except BaseException:
        for board in boards:
            board.close()
        raise
    return tuple(boards)


def read_options(spec: PortSpec, known: Sequence[str] = OPTIONS) -> dict[str, Any]:
    """Return what stands behind the question mark as arguments of ``SerialBoard``.

    Raises:
        ConfigError: there is no such option, or its value is wrong.
    """
    read: dict[str, Any] = {}
    for key, value in spec.options.items():
        if key not in known:
            raise ConfigError(
                f"{spec.target}: no option {key!r}", hint=did_you_mean(key, list(known))
            )
        read[key] = _option(spec.target, key, value)
    return read


def _option(place: str, key: str, value: str) -> Any:
    if key == "values":
        if value not in ("float32", "int8"):
            raise ConfigError(f"{place}: values is {value!r}", hint="float32 or int8")
        return value
    try:
        if key == "faster":
            return () if value == "none" else tuple(_number(each) for each in value.split(","))
        return bool(_number(value)) if key == "verify" else _number(value)
    except ValueError:
        raise ConfigError(f"{place}: {key} is {value!r}, not a number") from None


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 20_000_000:
        raise ValueError(text)
    return number


def _plan(
    specs: Sequence[str], options: Mapping[str, Any]
) -> list[tuple[PortSpec, str | None, str, dict[str, Any]]]:
    plans: list[tuple[PortSpec, str | None, str, dict[str, Any]]] = []
    ports: set[str] = set()
    names: set[str] = set()
    for text in specs:
        named = _NAMED.match(text)
        name = named.group(1) if named else ""
        spec = PortSpec.parse(text[named.end() :] if named else text)
        given = {"faster": FASTER, **options, **read_options(spec)}
        found = spec.find() if spec.kind == "glob" else [""]
        for index, path in enumerate(found):
            own = f"{name}-{index + 1}" if name and len(found) > 1 else name
            port = path or spec.target
            real = port if spec.kind == "url" else str(Path(port).resolve())
            if real in ports or (own or port) in names:
                raise ConfigError(f"{own or port}: the board is named twice")
            ports.add(real)
            names.add(own or port)
            plans.append((spec, path or None, own, given))
    if not plans or len(plans) > MAX_BOARDS:
        raise ConfigError(f"{len(plans)} boards are named", hint=f"1 to {MAX_BOARDS} can be")
    return plans
