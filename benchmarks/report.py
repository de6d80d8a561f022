"""Tables: ours, the peer, the ratio and whether the target was met."""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.facts import environment


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: case and measure.
        unit: of the two values.
        ours: EdgeFlow's value.
        peer: name of the other side; empty when the target is absolute.
        theirs: its value; of an absolute target the wanted value.
        at_least: smallest ratio ours/theirs that meets the target; None without such a target.
        at_most: largest ratio that meets it; None without such a target.
    """

    what: str
    unit: str
    ours: float
    peer: str = ""
    theirs: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours divided by theirs."""
        return self.ours / self.theirs if self.theirs else None

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None where there is none."""
        if self.ratio is None or (self.at_least is None and self.at_most is None):
            return None
        above = self.at_least is None or self.ratio >= self.at_least
        return above and (self.at_most is None or self.ratio <= self.at_most)

    def cells(self) -> list[str]:
        """Return the texts of one line of the table."""
        target = ""
        if self.at_least is not None:
            target = f">= {self.at_least:g}"
        if self.at_most is not None:
            target = f"<= {self.at_most:g}"
        return [
            self.what,
            _number(self.ours),
            self.peer,
            _number(self.theirs),
            self.unit,
            "" if self.ratio is None else f"{self.ratio:.2f}",
            target,
            {None: "", True: "yes", False: "NO"}[self.met],
        ]


HEADINGS = ["case", "ours", "beside", "theirs", "unit", "ratio", "target", "met"]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(rows: list[Row]) -> str:
    """Return the rows as aligned text."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    texts = [
        "  ".join(
            cell.rjust(width) if column in {1, 3, 5} else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([texts[0], "-" * max(len(text) for text in texts), *texts[1:]])


def arguments(title: str | None, argv: list[str] | None = None) -> argparse.Namespace:
    """Parse what all benchmarks share: ``--rounds``, ``--quick`` and ``--json``."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--rounds", type=int, default=7, help="rounds per contender and case")
    parser.add_argument("--quick", action="store_true", help="two rounds, fewer peers")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds = min(options.rounds, 2)
    return options


def show(title: str, rows: list[Row], notes: list[str], json_path: Path | None = None) -> None:
    """Print the environment, the table and notes; write them as JSON where asked."""
    facts = environment()
    print(f"\n## {title}\n")
    print("  ".join(f"{name} {value}" for name, value in facts.items()))
    print(f"\n{table(rows)}")
    for note in notes:
        print(f"note: {note}")
    if json_path is not None:
        entries = [{**asdict(row), "ratio": row.ratio, "met": row.met} for row in rows]
        json_path.write_text(
            json.dumps({"title": title, "environment": facts, "rows": entries, "notes": notes})
        )


def main(title: str, measure, doc: str | None) -> None:  # type: ignore[no-untyped-def]
    """Run one benchmark as a program: parse, measure, show."""
    options = arguments(doc)
    rows, notes = measure(options.rounds, options.quick)
    show(title, rows, notes, options.json)
