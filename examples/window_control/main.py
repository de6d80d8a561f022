"""Ten rooms for a day in two minutes: a model learns where their windows should be.

python main.py                          a day in two minutes
python main.py --seconds 30 --rooms 4   six hours of four rooms
python main.py --port 8000              with the pages, http://127.0.0.1:8000/dashboard#/climate
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

import msgspec

from edgeflow.climate.simulate.judging import Hour
from edgeflow.observe.logs import configure_logging
from edgeflow.sensing.evaluation_chart import Chart, Series
from edgeflow.systems.climate_demo import DayOptions, line_of, live_a_day


def chart(hours: list[Hour]) -> str:
    """Draw how far decisions were from what was wanted."""
    seen = [hour for hour in hours if hour.decisions]
    learnt = [(hour.hour + 0.5, hour.error) for hour in seen]
    first = [(hour.hour + 0.5, hour.unlearnt_error) for hour in seen]
    highest = max(point[1] for point in [*learnt, *first])
    picture = Chart(
        "Distance of decisions from what the person wants",
        "hours of the rooms",
        "points of position",
        (0.0, max(1.0, seen[-1].hour + 1.0)),
        (0.0, max(10.0, 1.1 * highest)),
    )
    picture.series += [Series("learns", learnt), Series("never learns", first, colour=1)]
    return picture.svg()


def verdict(hours: list[Hour]) -> str:
    """Compare the first and the last quarter."""
    quarter = max(1, len(hours) // 4)
    parts = []
    for name, part in (("first", hours[:quarter]), ("last", hours[-quarter:])):
        decisions = max(1, sum(hour.decisions for hour in part))
        error = sum(hour.points for hour in part) / decisions
        unlearnt = sum(hour.unlearnt for hour in part) / decisions
        parts.append(f"{name} quarter: {error:.1f} points off, unlearnt {unlearnt:.1f}")
    return "\n".join(parts)


def main() -> None:
    """Read the command line, live, and draw."""
    parser = argparse.ArgumentParser(description="A model learns where windows should be.")
    parser.add_argument("--rooms", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=120.0, help="of ours")
    parser.add_argument("--speed", type=float, default=720.0, help="of the rooms")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, help="of the pages")
    parser.add_argument("--broker", default="", help="URL; one of its own if left out")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the curve")
    given = parser.parse_args()
    configure_logging("error")
    options = DayOptions(
        rooms=given.rooms,
        seconds=given.seconds,
        speed=given.speed,
        seed=given.seed,
        port=given.port,
        broker=given.broker,
    )
    with tempfile.TemporaryDirectory() as folder:
        hours = asyncio.run(
            live_a_day(options, Path(folder), on_hour=lambda hour: print(line_of(hour), flush=True))
        )
    (given.out / "curve.json").write_bytes(msgspec.json.format(msgspec.json.encode(hours)))
    (given.out / "curve.svg").write_text(chart(hours))
    print(verdict(hours))


if __name__ == "__main__":
    main()
