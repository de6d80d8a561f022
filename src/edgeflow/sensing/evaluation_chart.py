"""Line charts as SVG, which follow the reader's light or dark mode."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

__all__ = ["Chart", "Series"]

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 34, 58
MOST_POINTS = 400
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c8c8c")
STYLE = """\
text{font:12px system-ui,sans-serif;fill:#333}
.axis{stroke:#999;fill:none}.grid{stroke:#ddd}
@media (prefers-color-scheme:dark){text{fill:#ddd}.axis{stroke:#888}.grid{stroke:#444}}"""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """Some points with a name.

    Attributes:
        kind: ``line``, ``dots``, or ``level``, a dashed line.
        colour: index of the palette.
    """

    name: str
    points: Sequence[Point]
    colour: int = 0
    kind: Literal["line", "dots", "level"] = "line"


@dataclass
class Chart:
    """A chart with two axes.

    Attributes:
        x, y: what the axes say; x_range, y_range: least and most; points beyond are left out.
        logarithmic: the y axis.
    """

    title: str
    x: str
    y: str
    x_range: Point
    y_range: Point
    logarithmic: bool = False
    series: list[Series] = field(default_factory=list)

    def svg(self) -> str:
        """Return the picture."""
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f"<title>{escape(self.title)}</title><style>{STYLE}</style>",
            f'<text x="{LEFT}" y="18">{escape(self.title)}</text>',
            *self._axes(),
            *(part for index, each in enumerate(self.series) for part in self._draw(index, each)),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _axes(self) -> Iterable[str]:
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        for value in _ticks(*self.x_range):
            x = self._x(value)
            yield f'<line class="grid" x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}"/>'
            yield f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>'
        for value in self._y_ticks():
            y = self._y(value)
            yield f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{right}" y2="{y}"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>'
        yield f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>'
        yield f'<text x="{right}" y="{bottom + 32}" text-anchor="end">{escape(self.x)}</text>'
        middle = (TOP + bottom) / 2
        turned = f'transform="rotate(-90 14 {middle})"'
        yield f'<text x="14" y="{middle}" text-anchor="middle" {turned}>{escape(self.y)}</text>'

    def _y_ticks(self) -> list[float]:
        low, high = self.y_range
        if not self.logarithmic:
            return _ticks(low, high)
        return [
            10.0**n for n in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        ]

    def _draw(self, index: int, series: Series) -> Iterable[str]:
        colour = COLOURS[series.colour % len(COLOURS)]
        shown = _thinned([p for p in series.points if self._is_inside(p)])
        places = [(self._x(x), self._y(y)) for x, y in shown]
        if series.kind == "dots":
            dots = "".join(f"M{x} {y}h0" for x, y in places)
            yield f'<path d="{dots}" stroke="{colour}" stroke-width="4" stroke-linecap="round"/>'
        elif places:
            dashed = ' stroke-dasharray="6 4"' if series.kind == "level" else ""
            line = "M" + "L".join(f"{x} {y}" for x, y in places)
            yield f'<path d="{line}" fill="none" stroke="{colour}" stroke-width="1.6"{dashed}/>'
        column = (WIDTH - LEFT - RIGHT) / max(len(self.series), 3)
        x, y = LEFT + index * column, HEIGHT - 8
        yield f'<circle cx="{x:.0f}" cy="{y - 4}" r="4" fill="{colour}"/>'
        yield f'<text x="{x + 9:.0f}" y="{y}">{escape(series.name)}</text>'

    def _is_inside(self, point: Point) -> bool:
        (left, right), (low, high) = self.x_range, self.y_range
        return left <= point[0] <= right and low <= point[1] <= high

    def _x(self, value: float) -> float:
        low, high = self.x_range
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    def _y(self, value: float) -> float:
        low, high = self.y_range
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP), 1)


def _ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Return round values within a range."""
    rough = (high - low) / wanted
    step = 10.0 ** math.floor(math.log10(rough))
    step *= next(times for times in (1, 2, 5, 10) if step * times >= rough)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [round((first + i) * step, 10) for i in range(count)]


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    return points[:: -(-len(points) // MOST_POINTS) or 1]
