"""The climate system for a long time: killed at random, with many devices, a day, an hour.

``python climate_soak.py lines chaos devices day hour`` runs parts one after another. Minutes are
taken from SOAK_CHAOS_MINUTES (10, for each store), SOAK_DEVICE_MINUTES (10) and SOAK_MINUTES (60);
SOAK_DEVICES is 1000. ``--page`` names a Markdown page that the tables are put into.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

import mqtt_brokers
from climate_chaos import STORES, chaos
from climate_processes import Load, Served, tally, until
from edgeflow.sensing.evaluation_report import put
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables
from edgeflow.store.tables import TableStore
from process_memory import Memory

WARM_UP = 0.25
JUDGED = ("system", "load")
MEMORY_COUNTS_FROM = 600.0
SETTLE_SECONDS = 120.0
DAY_SECONDS = 240.0
DAY_SPEED = 360.0
MEASURED = (
    "devices", "s", "readings", "rows", "lost", "decisions", "p50 ms", "p99 ms", "worst ms",
)  # fmt: skip


@dataclass
class Part:
    """What a part found: a table, and complaints."""

    head: list[str]
    rows: list[list[str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """As Markdown."""
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        found = "".join(f"\n{note}\n" for note in [*self.notes, *self.complaints])
        return table + found


@dataclass
class Running:
    """A broker and a system on SQLite."""

    broker: mqtt_brokers.Broker
    system: Served
    tables: TableStore
    folder: Path

    @property
    def pids(self) -> dict[str, int]:
        """Of its processes."""
        assert self.broker._process is not None
        return {"system": self.system.pid, "broker": self.broker._process.pid}


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """Run a system for the time of a block."""
    url = f"sqlite:///{folder}/climate.db"
    # As it is set by itself: 1 s, which other tests want, sends again what a busy machine delays.
    with mqtt_brokers.make("nats", folder / "broker", ack_wait=30) as broker:
        system = Served(broker.url, url, folder / "climate")
        tables = None
        try:
            system.start()
            tables = open_tables(url)
            tables.create(list(TABLES.values()))
            yield Running(broker, system, tables, folder)
        finally:
            system.kill()
            if tables is not None:
                tables.close()


def kill_at_random(folder: Path) -> Part:
    """Both stores for ten minutes each."""
    part = Part(["store", "s", "killed", "counted", "rows", "twice", "bare", "redelivered", "lost"])
    seconds = 60 * float(os.environ.get("SOAK_CHAOS_MINUTES", "10"))
    for number, store in enumerate(STORES):
        own = folder / store
        own.mkdir()
        report = chaos(own, store, seconds, seed=number + int(os.environ.get("SOAK_SEED", "1")))
        part.rows.append(report.row)
        part.complaints += [f"{store}: {each}" for each in report.complaints]
    return part


def many_devices(folder: Path) -> Part:
    """Ten devices, and a thousand, at a reading a second each."""
    seconds = 60 * float(os.environ.get("SOAK_DEVICE_MINUTES", "10"))
    return devices_for(folder, (10, int(os.environ.get("SOAK_DEVICES", "1000"))), seconds)


def devices_for(folder: Path, counts: Sequence[int], seconds: float) -> Part:
    """So many devices at a reading a second each, each number for so long."""
    part = Part(list(MEASURED))
    for devices in counts:
        own = folder / str(devices)
        own.mkdir()
        with running(own) as it:
            _measure(it, part, devices, float(devices), seconds)
    return part


def an_hour(folder: Path) -> Part:
    """A hundred devices, and twenty nodes with people whose day passes in the hour."""
    seconds = 60 * float(os.environ.get("SOAK_MINUTES", "60"))
    part = Part(list(MEASURED))
    with running(folder) as it, _simulated(it, 20, 24.0, seconds + 30.0):
        _measure(it, part, 100, 100.0, seconds)
    return part


def _measure(it: Running, part: Part, devices: int, rate: float, seconds: float) -> None:
    load = Load(it.broker.url, it.folder / "load", devices=devices, rate=rate, seconds=seconds)
    log = it.folder / "memory"
    try:
        with Memory(
            {**it.pids, "load": load.pid}, max(0.5, min(10.0, seconds / 60)), log
        ) as memory:
            before = _cores(it.pids)
            until(lambda: load.is_over, 2 * seconds + 60, "the load's end")
            used = {name: _cores(it.pids)[name] - then for name, then in before.items()}
        told = load.finish(60)
        until(lambda: not tally(load.log, it.tables).missing, SETTLE_SECONDS, "all rows")
    finally:
        load.kill()
    found = tally(load.log, it.tables)
    late = [f"{told[name]:.0f}" for name in ("p50_ms", "p99_ms", "worst_ms")]
    counts = (
        devices,
        round(seconds),
        told["confirmed"],
        found.rows + found.bare_rows,
        found.missing,
    )
    part.rows.append([*map(str, counts), str(told["timed"]), *late])
    part.complaints += found.complaints
    part.notes += [
        f"{devices} devices, {name}: {spent / seconds:.2f} of a core."
        for name, spent in used.items()
    ]
    for trend in memory.trends(WARM_UP * seconds):
        part.notes.append(
            f"{devices} devices, memory of {trend.name}: {trend.first / 1e6:.1f} to "
            f"{trend.last / 1e6:.1f} MB in {trend.seconds / 60:.0f} min, "
            f"{trend.slope * 3600 / 1e6:+.1f} MB/h."
        )
        if seconds >= MEMORY_COUNTS_FROM and trend.name in JUDGED and not trend.is_flat:
            part.complaints.append(f"the memory of {trend.name} is not flat")


def _cores(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds of a core that processes have used."""
    times = {name: psutil.Process(pid).cpu_times() for name, pid in pids.items()}
    return {name: each.user + each.system for name, each in times.items()}


def a_day(folder: Path) -> Part:
    """Nodes that live a day in a few minutes; each of their readings has its row."""
    part = Part(["nodes", "readings", "rows", "twice", "overrides", "moves"])
    with running(folder) as it:
        with (
            Memory(it.pids, DAY_SECONDS / 60, folder / "memory") as memory,
            _simulated(it, 10, DAY_SPEED, DAY_SECONDS) as simulated,
        ):
            said, _ = simulated.communicate(timeout=4 * DAY_SECONDS)
        told = json.loads(said[said.rindex("{") :])
        counted = _Counted(it.tables)
        until(lambda: counted.look() >= told["confirmed"], SETTLE_SECONDS, "all rows")
    values = (told["devices"], told["confirmed"], counted.rows, counted.rows - counted.distinct)
    part.rows.append([*map(str, values), str(told["overrides"]), str(told["moves"])])
    if not told["confirmed"] <= counted.rows == counted.distinct <= told["sent"]:
        part.complaints.append(f"sent {told['sent']}, confirmed {told['confirmed']}, {counted}")
    for trend in memory.trends(WARM_UP * DAY_SECONDS):
        part.notes.append(f"{trend.name}: {trend.first / 1e6:.1f} to {trend.last / 1e6:.1f} MB.")
        if trend.name in JUDGED and not trend.is_flat:
            part.complaints.append(f"the memory of {trend.name} is not flat")
    return part


@contextmanager
def _simulated(
    it: Running, nodes: int, speed: float, seconds: float
) -> Iterator["subprocess.Popen[str]"]:
    """Nodes and people in a process of their own."""
    command = [str(Path(sys.executable).with_name("edgeflow")), "climate", "simulate", "--json"]
    command += ["--devices", str(nodes), "--broker", it.broker.url, "--speed", str(speed)]
    command += ["--seconds", str(seconds), "--prefix", "node"]
    with (it.folder / "simulate.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()


class _Counted:
    """Rows of the simulated nodes' sensors."""

    def __init__(self, tables: TableStore) -> None:
        self._tables = tables
        self.rows = self.distinct = 0

    def look(self) -> int:
        """Count them; return how many there are."""
        found = [
            (table, row["device_id"], row.get("kind"), row["boot"], row["sequence"])
            for table in ("sensor_temperature", "sensor_humidity", "sensor_readings")
            for row in self._tables.rows(table, limit=1_000_000)
        ]
        self.rows, self.distinct = len(found), len(set(found))
        return self.rows

    def __str__(self) -> str:
        return f"{self.rows} rows, {self.distinct} of them distinct"


def every_line(folder: Path) -> Part:
    """Kill the hand-over from spool to table at each of its lines."""
    program = Path(__file__).parents[1] / "kill_points.py"
    done = subprocess.run(
        [sys.executable, str(program), str(folder), "1"],
        capture_output=True,
        text=True,
        timeout=3600,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    problems = [f"killed at line {step}: {found}" for step, found in told["problems"].items()]
    return Part(["lines", "wrong"], [[str(told["steps"]), str(len(problems))]], problems)


PARTS: dict[str, Callable[[Path], Part]] = {
    "lines": every_line,
    "chaos": kill_at_random,
    "devices": many_devices,
    "day": a_day,
    "hour": an_hour,
}


def soak(names: Sequence[str], root: Path, page: Path | None) -> list[str]:
    """Run parts, tell what they found, and return the complaints."""
    complaints = []
    for name in names:
        folder = root / name
        folder.mkdir(parents=True)
        part = PARTS[name](folder)
        put(part.text, page, f"soak {name}")
        sys.stdout.flush()
        complaints += [f"{name}: {each}" for each in part.complaints]
    return complaints


def main() -> int:
    """Run from the command line; 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--page", type=Path)
    parser.add_argument("--folder", type=Path, help="kept; a temporary one by default")
    options = parser.parse_args()
    for name in options.parts:
        if name not in PARTS:
            parser.error(f"no part {name!r}; there are {', '.join(PARTS)}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="climate-soak-") as name:
        complaints = soak(options.parts, options.folder or Path(name), options.page)
    took = f"{time.monotonic() - began:.0f} s"
    print(f"{took}; {'; '.join(complaints) or 'nothing lost, nothing leaked'}")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
