"""``climate validate``, ``load`` and ``monitor``: a running system, looked at from outside."""

import asyncio
import math
import re
import time
import urllib.error
import urllib.request
from typing import Annotated

import msgspec
import typer

from edgeflow.cli.terminal import JsonOption, write, write_json, write_json_line
from edgeflow.errors import UnreachableError

__all__ = ["load", "monitor", "validate"]

BrokerOption = Annotated[
    str, typer.Option(metavar="URL", envvar="EDGEFLOW_CLIMATE_BROKER", help="Of the system.")
]
MAX_PAGE = 16 << 20
_LINE = re.compile(r"^(iot_\w+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)


class _Findings(msgspec.Struct):
    problems: list[str]


def validate(
    *,
    broker: BrokerOption = "mqtt://127.0.0.1:1883",
    timeout: Annotated[
        float, typer.Option(metavar="S", min=0.1, help="Wait so long for a decision.")
    ] = 90.0,
    json: JsonOption = False,
) -> int:
    """Be a new device for a moment: does a reading become a decision, and how fast?"""
    from edgeflow.climate.probing import follow

    found = asyncio.run(follow(broker, timeout=timeout))
    control = found.control
    if json:
        write_json(
            {
                "device": found.device,
                "seconds": found.seconds,
                "position": control.position,
                "confidence": control.confidence,
                "model_version": control.model_version,
            }
        )
    else:
        write(
            f"{found.device}: {control.position:.0f} % after {1000 * found.seconds:.0f} ms, "
            f"by model {control.model_version}"
        )
    return 0


def load(
    *,
    broker: BrokerOption = "mqtt://127.0.0.1:1883",
    rate: Annotated[
        float, typer.Option(metavar="N", min=0.1, max=10_000, help="Requests a second.")
    ] = 100.0,
    seconds: Annotated[
        float, typer.Option(metavar="N", min=0.1, max=3600, help="For so long.")
    ] = 10.0,
    json: JsonOption = False,
) -> int:
    """Ask for decisions at a steady rate, and tell how late they come; 1 if some never do."""
    from edgeflow.climate import probing

    found = asyncio.run(probing.load(broker, rate=rate, seconds=seconds))
    told = {
        "sent": found.sent,
        "answered": found.answered,
        "p50_ms": _number(found.p50_ms),
        "p99_ms": _number(found.p99_ms),
        "worst_ms": _number(found.worst_ms),
    }
    if json:
        write_json(told)
    else:
        write(
            f"{found.answered} of {found.sent} answered: p50 {found.p50_ms:.1f} ms, "
            f"p99 {found.p99_ms:.1f} ms, the last after {found.worst_ms:.1f} ms"
        )
    return 0 if found.answered == found.sent else 1


def monitor(
    *,
    url: Annotated[
        str, typer.Option(metavar="URL", help="Metrics port of `climate serve`.")
    ] = "http://127.0.0.1:9101",
    interval: Annotated[
        float, typer.Option(metavar="S", min=0.1, max=3600, help="Between two looks.")
    ] = 5.0,
    count: Annotated[int, typer.Option(metavar="N", min=0, help="End after N; 0 for never.")] = 0,
    json: JsonOption = False,
) -> int:
    """Watch a system's health and numbers until Ctrl+C; 4 when it cannot be reached."""
    looked = 0
    while True:
        told = _look(url)
        if json:
            write_json_line(told)
        else:
            write("  ".join(f"{key} {_text(value)}" for key, value in told.items()), flush=True)
        looked += 1
        if looked == count:
            return 0
        time.sleep(interval)


def _look(url: str) -> dict[str, object]:
    page = _get(f"{url}/metrics")
    found: dict[str, float] = {}
    problems = _problems(url)
    for name, _, value in _LINE.findall(page):
        if not name.endswith(("_created", "_last_seen")):
            found[name] = found.get(name, 0.0) + float(value)
    if not found:
        raise UnreachableError(
            f"{url} tells nothing of a climate system",
            hint="its metrics have a port of their own: edgeflow climate serve --metrics-port 9101",
        )
    return {
        "ready": not problems,
        "problems": problems,
        "devices_online": int(found.get("iot_device_online", 0)),
        "readings": int(found.get("iot_readings_total", 0)),
        "refused": int(found.get("iot_messages_refused_total", 0)),
        "decisions": int(found.get("iot_window_actions_total", 0)),
        "waiting_bytes": int(found.get("iot_spool_bytes", 0)),
        "rows": int(found.get("iot_store_rows_total", 0)),
    }


def _problems(url: str) -> list[str]:
    """Why it is not ready; empty when it is."""
    try:
        _get(f"{url}/readyz")
    except UnreachableError as error:
        cause = error.__cause__
        if not isinstance(cause, urllib.error.HTTPError):
            return [error.message]
        try:
            return msgspec.json.decode(cause.read(MAX_PAGE), type=_Findings).problems
        except (msgspec.DecodeError, OSError):
            return [error.message]
    return []


def _get(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise UnreachableError(f"{url!r} is no address", hint="http://127.0.0.1:9101")
    try:
        with urllib.request.urlopen(url, timeout=5.0) as answer:  # noqa: S310 - checked above
            return str(answer.read(MAX_PAGE), "utf-8", "replace")
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise UnreachableError(
            f"{url}: {error}", hint="edgeflow climate serve --metrics-port 9101"
        ) from error


def _text(value: object) -> object:
    return ("; ".join(value) or "none") if isinstance(value, list) else value


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)
