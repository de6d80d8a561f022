"""Draw the forecasts of a board against what came to be, as SVG."""

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np
from board import Comparison

__all__ = ["draw"]

AHEAD = 4
"""Hours ahead of the forecasts that are drawn."""

_WIDTH, _HEIGHT = 960, 420
_PLOT = (56, 76, 560, 300)
_ERRORS = (690, 76, 240, 300)
"""x, y, width, height."""
_COLOURS = {
    "as now": "#9aa0a6",
    "as yesterday": "#c9b458",
    "float32": "#1f77b4",
    "int8": "#d9480f",
}
_TRUTH = "#222222"
_DAY = 86400.0
_GAP = 3600.0


def draw(found: Comparison) -> str:
    """Return a picture: days of the sea and the forecasts made for them, and all errors."""
    chosen = _liveliest_days(found)
    times = found.samples.seconds[chosen] + AHEAD * 3600
    now = found.samples.now[chosen]
    truth = now + found.samples.targets[chosen, AHEAD - 1]
    lines = [("as it came", truth, _TRUTH, 2.4)]
    shown = {"as now": f"as {AHEAD} h before", "int8": f"int8 model, {AHEAD} h before"}
    for name, label in shown.items():
        forecast = now + found.forecasts[name][chosen, AHEAD - 1]
        lines.append((label, forecast, _COLOURS[name], 1.6))
    body = [*_curves(times, lines), *_errors(found), "</svg>\n"]
    style = "font-family='sans-serif' font-size='12' fill='#222'"
    size = f"viewBox='0 0 {_WIDTH} {_HEIGHT}' width='{_WIDTH}' height='{_HEIGHT}'"
    paper = f"<rect width='{_WIDTH}' height='{_HEIGHT}' fill='#fff'/>"
    return "\n".join([f"<svg xmlns='http://www.w3.org/2000/svg' {size} {style}>", paper, *body])


def _liveliest_days(found: Comparison) -> np.ndarray:
    """Return the stretch of test days, without a gap, in which the sea moves most."""
    seconds = found.samples.seconds
    edges = [0, *(np.flatnonzero(np.diff(seconds) > _GAP) + 1).tolist(), len(seconds)]
    runs = [np.arange(*pair) for pair in itertools.pairwise(edges)]
    return max(runs, key=lambda run: float(np.ptp(found.samples.now[run])))


def _curves(
    times: np.ndarray, lines: Sequence[tuple[str, np.ndarray, str, float]]
) -> Iterable[str]:
    left, top, width, height = _PLOT
    low = np.floor(min(each[1].min() for each in lines))
    high = np.ceil(max(each[1].max() for each in lines))
    x = left + (times - times[0]) / (times[-1] - times[0]) * width
    first = datetime.fromtimestamp(times[0], UTC)
    yield _text(left, 24, f"Sea temperature off Maine, {first:%B %Y}, degrees Celsius", bold=True)
    for degree in np.arange(low, high + 1, max(1, (high - low) // 5)):
        y = top + (high - degree) / (high - low) * height
        yield f"<path d='M{left} {y:.1f}h{width}' stroke='#e3e3e3'/>"
        yield _text(left - 8, y + 4, f"{degree:g}", anchor="end")
    midnight = np.ceil(times[0] / _DAY) * _DAY
    for day in np.arange(midnight, times[-1], _DAY):
        at = left + (day - times[0]) / (times[-1] - times[0]) * width
        yield f"<path d='M{at:.1f} {top}v{height}' stroke='#e3e3e3'/>"
        label = f"{datetime.fromtimestamp(day, UTC):%d %b}"
        yield _text(at, top + height + 18, label, anchor="middle")
    for at, (label, values, colour, thickness) in enumerate(lines):
        y = top + (high - values) / (high - low) * height
        yield _line(x, y, f"stroke='{colour}' stroke-width='{thickness}'")
        yield _legend(left + 190 * at, 54, label, colour)


def _errors(found: Comparison) -> Iterable[str]:
    left, top, width, height = _ERRORS
    errors = found.errors()
    high = max(float(each.max()) for each in errors.values()) * 1.05
    hours = len(next(iter(errors.values())))
    yield _text(left, 24, "Error (RMSE, kelvin) by hours ahead", bold=True)
    for step in np.arange(0, high, 0.2):
        y = top + height - step / high * height
        yield f"<path d='M{left} {y:.1f}h{width}' stroke='#e3e3e3'/>"
        yield _text(left - 8, y + 4, f"{step:.1f}", anchor="end")
    for hour in range(hours):
        x = left + hour / (hours - 1) * width
        yield _text(x, top + height + 18, str(hour + 1), anchor="middle")
    for at, (name, values) in enumerate(errors.items()):
        x = left + np.arange(hours) / (hours - 1) * width
        y = top + height - values / high * height
        # float32 and int8 lie on each other: the second is dotted.
        stroke = (
            "stroke-width='3.2' stroke-dasharray='2 5'" if name == "int8" else "stroke-width='1.8'"
        )
        yield _line(x, y, f"stroke='{_COLOURS[name]}' {stroke}")
        label = f"{name} {found.error(name):.3f}"
        yield _legend(left - 20 + 134 * (at % 2), 46 + 18 * (at // 2), label, _COLOURS[name])


def _line(x: np.ndarray, y: np.ndarray, stroke: str) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f"<polyline points='{points}' fill='none' {stroke}/>"


def _legend(x: float, y: float, label: str, colour: str) -> str:
    mark = f"<rect x='{x}' y='{y - 9}' width='14' height='4' fill='{colour}'/>"
    return mark + _text(x + 19, y - 3, label)


def _text(x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = " font-weight='bold'" if bold else ""
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'{weight}>{text}</text>"
