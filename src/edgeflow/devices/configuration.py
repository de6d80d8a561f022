"""What a device was told to be, and what it answered. No I/O."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from edgeflow.errors import ConfigError, ProtocolError

__all__ = [
    "MAX_CONFIGURATION",
    "Answer",
    "Configuration",
    "Setting",
    "check_settings",
    "decode_answer",
    "encode_push",
    "judge",
]

Setting = float | int | bool | str
State = Literal["none", "pending", "applied", "refused"]
MAX_CONFIGURATION = 4096
"""Bytes of a configuration, and of the answer to one."""
MAX_SETTINGS, MAX_NAME, MAX_TEXT = 64, 64, 256
MOST = 2.0**53
"""The largest number that is passed on; NaN is none."""
CLOSE = 1e-3
"""Devices keep numbers as 32-bit floats and tell three decimals."""
_OWN = ("version", "refused", "reason")


class Configuration(msgspec.Struct, kw_only=True, frozen=True):
    """How the settings of a device stand.

    Attributes:
        version: counts what was asked for; 0 when nothing ever was.
        state: ``none`` (nothing was asked for), ``pending`` (no answer yet), ``applied``, or
            ``refused``, for ``reason``.
        desired: what was asked for. reported: what the device says holds.
        asked, answered: when, seconds since the Unix epoch; 0 for never.
    """

    device_id: str
    version: int = 0
    state: State = "none"
    desired: dict[str, Setting] = {}
    reported: dict[str, Any] = {}
    reason: str = ""
    asked: float = 0.0
    answered: float = 0.0


class Answer(msgspec.Struct, kw_only=True, frozen=True):
    """A device's answer: ``version`` is -1 if it names none; ``refused`` empty if it took all."""

    version: int = -1
    refused: str = ""
    reported: dict[str, Any] = {}


def check_settings(device_id: str, settings: Mapping[str, Any]) -> dict[str, Setting]:
    """Return settings as they can be sent.

    Raises:
        ConfigError: a name or value that no device could take, or too many of them.
    """
    for name, value in settings.items():
        if not isinstance(name, str) or not name.isidentifier() or len(name) > MAX_NAME:
            raise ConfigError(f"{device_id}: setting {str(name)[:80]!r} is no name")
        if name in _OWN:
            raise ConfigError(f"{device_id}: {name} is no setting of a device")
        number = isinstance(value, int | float) and -MOST <= value <= MOST
        if not number and not (isinstance(value, str) and len(value) <= MAX_TEXT):
            raise ConfigError(
                f"{device_id}: {name} is {value!r:.80}",
                hint="a number, true, false or a short text",
            )
    if len(settings) > MAX_SETTINGS or len(encode_push(0, settings)) > MAX_CONFIGURATION:
        raise ConfigError(
            f"{device_id}: too many settings", hint=f"{MAX_SETTINGS}, {MAX_CONFIGURATION} bytes"
        )
    return dict(settings)


def encode_push(version: int, settings: Mapping[str, Setting]) -> bytes:
    """The message that tells a device its settings."""
    return msgspec.json.encode({"version": version, **settings})


def decode_answer(payload: bytes) -> Answer:
    """Read what a device says about its configuration.

    Raises:
        ProtocolError: it is no JSON object, or too long.
    """
    if len(payload) > MAX_CONFIGURATION:
        raise ProtocolError(f"acknowledged configuration: {len(payload)} bytes")
    try:
        said = msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProtocolError(f"acknowledged configuration: {error}") from error
    refused = said.get("refused") or ""
    return Answer(
        version=_version(said.get("version")),
        refused=str(said.get("reason") or refused)[:MAX_TEXT],
        reported={key: value for key, value in said.items() if key not in _OWN},
    )


def judge(asked: Configuration, answer: Answer, now: float) -> Configuration:
    """How a configuration stands after an answer; one to an older version leaves it pending."""
    if asked.version == 0:
        return msgspec.structs.replace(asked, reported=answer.reported, answered=now)
    if 0 <= answer.version != asked.version:
        return msgspec.structs.replace(asked, reported=answer.reported)
    reason = _refusal(asked.desired, answer)
    if reason and answer.version < 0 and not answer.refused:
        # Who names no version may have answered the one before.
        return msgspec.structs.replace(asked, reported=answer.reported)
    return msgspec.structs.replace(
        asked,
        state="refused" if reason else "applied",
        reason=reason,
        reported=answer.reported,
        answered=now,
    )


def _version(said: object) -> int:
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said < 2**53:
        return -1
    return int(said)


def _refusal(desired: Mapping[str, Setting], answer: Answer) -> str:
    if answer.refused:
        return f"the device refused {answer.refused}"
    unknown = [name for name in desired if name not in answer.reported]
    if unknown:
        return f"the device knows no {', '.join(unknown[:5])}"
    other = [name for name, value in desired.items() if not _same(value, answer.reported[name])]
    return f"the device has another {', '.join(other[:5])}" if other else ""


def _same(wanted: Setting, have: object) -> bool:
    if isinstance(wanted, str) or not isinstance(have, int | float):
        return wanted == have
    if not -MOST <= have <= MOST:
        return False
    return math.isclose(wanted, have, rel_tol=1e-5, abs_tol=CLOSE)
