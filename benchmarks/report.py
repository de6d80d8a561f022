"""Tables, targets and the JSON form of results."""

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness import Summary
from benchmarks.machine import environment

__all__ = ["Options", "Result", "Target", "main", "paired_ratio", "write_json"]

FULL_ROUNDS = 7
MISSED = 1


@dataclass(frozen=True)
class Options:
    """How much to measure.

    Attributes:
        rounds: runs of each contender.
        latency_seconds: window at 30 fps.
        rate_seconds: window flat out.
        quick: few rounds and small windows: shows that it works, not how fast it is.
        page: Markdown page whose marked parts are to be filled; only ``scale`` has one.
    """

    rounds: int = FULL_ROUNDS
    latency_seconds: float = 4.0
    rate_seconds: float = 1.5
    quick: bool = False
    page: Path | None = None


@dataclass(frozen=True)
class Target:
    """A promise, and what was measured.

    Attributes:
        what: the quantity.
        ours, other: measured; ``other`` is None when the target is absolute.
        ratio: ours to the other, or ours to the bound.
        wanted: the promise in words.
        met: whether it was kept.
    """

    what: str
    ours: float
    other: float | None
    ratio: float
    wanted: str
    met: bool


@dataclass
class Result:
    """One table of one benchmark; its rates count ``unit``."""

    title: str
    rows: list[Summary] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unit: str = "frame"

    def expect(
        self, what: str, ours: float, wanted: str, met: bool, other: float | None = None,
        ratio: float | None = None,
    ) -> None:  # fmt: skip
        """Add a target."""
        if ratio is None:
            ratio = ours / other if other else math.nan
        self.targets.append(Target(what, ours, other, ratio, wanted, met))


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median over rounds of ours to theirs; rounds are neighbours in time."""
    pairs = [a / b for a, b in zip(ours, theirs, strict=False) if b]
    return float(median(pairs)) if pairs else math.nan


def main(
    benchmarks: Mapping[str, Callable[[Options], list[Result]]], argv: Sequence[str] | None = None
) -> int:
    """Command line: measure, print, and write JSON when asked to.

    Returns:
        0 when every target was met.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(benchmarks)}")
    parser.add_argument("--quick", action="store_true", help="one round with small windows")
    parser.add_argument("--rounds", type=int, default=FULL_ROUNDS)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--page", type=Path, help="fill the marked parts of this page (scale)")
    words = parser.parse_args(argv)
    unknown = [name for name in words.names if name not in benchmarks]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(benchmarks)}")
    facts, found = environment(), {}
    _show_machine(facts)
    for name in words.names or benchmarks:
        found[name] = benchmarks[name](_options(words))
        _show(found[name])
        if words.json is not None:
            write_json(words.json, facts, found)
    missed = [t for results in found.values() for r in results for t in r.targets if not t.met]
    return MISSED if missed else 0


def _options(words: argparse.Namespace) -> Options:
    if words.quick:
        return Options(rounds=1, latency_seconds=1.5, rate_seconds=0.7, quick=True, page=words.page)
    return Options(rounds=words.rounds, page=words.page)


def _show_machine(facts: dict[str, Any]) -> None:
    out = sys.stdout
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    out.write(f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB, ")
    out.write(f"{facts['system']}, Python {facts['python']}\n{versions}\n")
    out.write(f"busy before: {facts['busy_percent_before']}% of all cores\n")


def _show(results: Sequence[Result]) -> None:
    out = sys.stdout
    for result in results:
        out.write(f"\n## {result.title}\n\n")
        if result.rows:
            _table(_HEADS[result.unit], [_row(row) for row in result.rows])
        if result.targets:
            out.write("\n")
            _table(
                ("target", "ours", "peer", "ratio", "wanted", "kept"),
                [_target(target) for target in result.targets],
            )
        for note in result.notes:
            out.write(f"\n{note}\n")
    out.flush()


def write_json(path: Path, facts: dict[str, Any], benchmarks: dict[str, list[Result]]) -> None:
    """Write every figure; not-a-number becomes null."""
    found = {name: [asdict(result) for result in results] for name, results in benchmarks.items()}
    text = json.dumps({"environment": facts, "benchmarks": _plain(found)}, indent=1)
    path.write_text(text + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


_HEAD = (
    "contender", "p50 ms", "p99 ms", "frames/s", "least..most", "CPU ms/frame", "CPU % of a core",
    "of it sender", "skipped", "torn", "rounds",
)  # fmt: skip


_REQUEST_HEAD = (
    "contender", "p50 ms", "p99 ms", "requests/s", "least..most", "CPU ms/request",
    "CPU % of a core", "of it server", "failed", "wrong", "rounds",
)  # fmt: skip

_READING_HEAD = (
    "contender", "p50 ms", "p99 ms", "readings/s", "least..most", "CPU ms/reading",
    "CPU % of a core", "of it keeper", "lost", "twice", "rounds",
)  # fmt: skip

_HEADS = {"frame": _HEAD, "request": _REQUEST_HEAD, "reading": _READING_HEAD}


def _row(row: Summary) -> tuple[str, ...]:
    failed = f" ({row.failures} failed)" if row.failures else ""
    return (
        ("**" + row.label + "**") if row.ours else row.label,
        _number(row.p50), _number(row.p99), _number(row.fps),
        f"{_number(row.fps_least)}..{_number(row.fps_most)}",
        _number(row.cpu_ms_per_frame), _number(row.cpu_percent), _number(row.sender_percent),
        str(row.skipped), str(row.torn), f"{row.readings}{failed}",
    )  # fmt: skip


def _target(target: Target) -> tuple[str, ...]:
    other = "" if target.other is None else _number(target.other)
    ratio = _number(target.ratio) if math.isfinite(target.ratio) else ""
    met = "PASS" if target.met else "**FAIL**"
    return target.what, _number(target.ours), other, ratio, target.wanted, met


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, tuple("-" * width for width in widths), *rows):
        line = " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(f"| {line} |\n")
