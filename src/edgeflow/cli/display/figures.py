"""Numbers, sizes, times and places as people read them."""

import os
from pathlib import Path

__all__ = ["count", "duration", "milliseconds", "rate", "relative", "size"]


def rate(value: float) -> str:
    """Return frames per second: one decimal below 100, thousands marked above."""
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def count(value: int) -> str:
    """Return a total with thousands marked."""
    return f"{value:,}"


def milliseconds(value: float) -> str:
    """Return a latency with three digits that matter."""
    if value <= 0:
        return "-"
    if value < 10:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def size(value: float) -> str:
    """Return bytes with a binary unit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def duration(seconds: float) -> str:
    """Return a span of time: ``4.2 s``, ``3 min 05 s``, ``2 h 07 min``, ``3 d 02 h``."""
    if seconds < 60:
        return f"{max(0.0, seconds):.1f} s"
    whole = int(seconds)
    for big, small, large, little in (
        (60, 1, "min", "s"),
        (3600, 60, "h", "min"),
        (86400, 3600, "d", "h"),
    ):
        if whole < big * (24 if big == 3600 else 60) or big == 86400:
            return f"{whole // big} {large} {whole % big // small:02d} {little}"
    raise AssertionError


def relative(place: str) -> str:
    """Return a path or ``file:line`` relative to the current folder when it lies beneath it."""
    return place.removeprefix(f"{Path.cwd()}{os.sep}")
