"""Readings from a real broker at QoS 1 to rows on disk, and memory while they come."""

import contextlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.climate import places
from benchmarks.climate.generator import DEVICES, KINDS
from benchmarks.harness import Reading, summarise
from benchmarks.report import Options, Result, main, paired_ratio

__all__ = ["run"]

READINGS, QUICK = 120_000, 8_000
WANTED = 20_000.0
SUSTAINED_SECONDS, QUICK_SECONDS = 40.0, 3.0
GIVE_UP_SECONDS = 120.0
PEER = Path(__file__).parent / "peers" / "paho_sqlite.py"
NOBODY = (
    "Telegraf's documentation has no throughput for this path, and no package of it could be had. "
    "Its MQTT input confirms a message when the output has taken it, holds 1,000 at most until "
    "then (max_undelivered_messages) and writes batches of 1,000, both by default."
)


@dataclass(frozen=True)
class Way:
    """A way from a broker to a disk."""

    label: str
    broker: str
    store: str
    script: str = ""

    @property
    def ours(self) -> bool:
        """Whether it is this project's."""
        return not self.script


WAYS = (
    Way("edgeflow, SQLite", "nats-server", "sqlite"),
    Way("paho + sqlite script, confirmed at once", "nats-server", "sqlite", "at-once"),
    Way("paho + sqlite script, confirmed after commit", "nats-server", "sqlite", "after-commit"),
    Way("edgeflow, chdb", "nats-server", "chdb"),
    Way("edgeflow, SQLite, mosquitto", "mosquitto", "sqlite"),
    Way("paho + sqlite script, at once, mosquitto", "mosquitto", "sqlite", "at-once"),
)


@dataclass
class Outcome:
    """One run. Processor time in us for each reading; memory in MiB; ``late`` in seconds."""

    rate: float
    backend: float
    broker: float
    generator: float
    lost: int
    twice: int
    late: float
    memory: list[float] = field(default_factory=list)

    @property
    def reading(self) -> Reading:
        """As the tables have it."""
        total = self.backend + self.broker + self.generator
        return Reading(
            fps=self.rate,
            torn=self.twice,
            skipped=self.lost,
            cpu_percent=total * self.rate / 1e4,
            sender_percent=self.backend * self.rate / 1e4,
            cpu_ms_per_frame=total / 1e3,
        )


class Keeper:
    """What keeps readings, seen from outside. Looking costs it next to nothing."""

    def __init__(self, way: Way, place: places.Place, folder: Path) -> None:
        self._way, self.place, self._folder = way, place, folder
        self.pause = 0.25 if way.store == "chdb" else 0.03
        self._database: sqlite3.Connection | None = None

    def heard(self) -> bool:
        """Whether the word before the measurement has arrived."""
        if self._way.store == "chdb":
            return places.metrics(self.place.port)["iot_store_rows_total"] > 0
        table = "readings" if self._way.script else "sensor_readings"
        return self._newest(table) > 0

    def stored(self) -> int:
        """Readings that are rows by now."""
        if self._way.store == "chdb":
            found = places.metrics(self.place.port)
            return 0 if found["iot_spool_bytes"] else int(found.get("iot_readings_total", 0)) - 1
        if self._way.script:
            return self._newest("readings") - 1
        return sum(self._newest(f"sensor_{kind}") for kind in KINDS)

    def _newest(self, table: str) -> int:
        if self._database is None:
            self._database = sqlite3.connect(f"file:{self._folder}/x.db?mode=ro", uri=True)
        with contextlib.suppress(sqlite3.OperationalError):
            return int(self._database.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0] or 0)
        return 0

    def close(self) -> None:
        """Look no more."""
        if self._database is not None:
            self._database.close()


@contextlib.contextmanager
def _keeper(way: Way, broker: places.Place, folder: Path) -> Iterator[Keeper]:
    if way.ours:
        path = f"{folder}/x.db" if way.store == "sqlite" else f"{folder}/chdb"
        running = places.backend(broker.port, f"{way.store}:///{path}", folder, "backend")
    else:
        running = _script(way, broker, folder)
    with running as place:
        keeper = Keeper(way, place, folder)
        try:
            deadline = time.monotonic() + places.START_SECONDS
            while not keeper.heard():
                places.say(broker.port, "sensor/first/word", b'{"value":1,"sequence":0}')
                time.sleep(0.2)
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{way.label} keeps nothing")
            yield keeper
        finally:
            keeper.close()


@contextlib.contextmanager
def _script(way: Way, broker: places.Place, folder: Path) -> Iterator[places.Place]:
    words = [sys.executable, str(PEER), str(broker.port), f"{folder}/x.db", way.script]
    with subprocess.Popen(words) as process:
        try:
            while not (folder / "x.db").exists():
                time.sleep(0.05)
            yield places.Place(0, process.pid)
        finally:
            process.terminate()


def measure(way: Way, count: int, rate: float) -> Outcome:
    """Publish readings (``rate`` a second; 0 for what the broker takes) until all are rows."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        with contextlib.ExitStack() as running:
            broker = running.enter_context(places.broker(way.broker))
            keeper = running.enter_context(_keeper(way, broker, folder))
            crowd = running.enter_context(places.crowd(broker.port, count, rate))
            busy = (keeper.place.cpu, broker.cpu)
            crowd.begin()
            ended, memory = _await(keeper, count)
            said = crowd.result()
            busy = (keeper.place.cpu - busy[0], broker.cpu - busy[1])
        rows, different = _rows(way, folder)
    return Outcome(
        rate=count / (ended - said["begun"]),
        backend=busy[0] / count * 1e6,
        broker=busy[1] / count * 1e6,
        generator=said["cpu"] / count * 1e6,
        lost=int(said["confirmed"]) - different,
        twice=rows - different,
        late=ended - said["ended"],
        memory=memory,
    )


def _await(keeper: Keeper, count: int) -> tuple[float, list[float]]:
    """Wait until readings are rows; return when that was, and memory each second until then."""
    began = time.monotonic()
    memory: list[float] = []
    while (now := time.monotonic()) - began < GIVE_UP_SECONDS:
        if now - began >= len(memory):
            memory.append(places.memory(keeper.place.pid))
        if keeper.stored() >= count:
            return time.monotonic(), memory
        time.sleep(keeper.pause)
    return time.monotonic(), memory


def _rows(way: Way, folder: Path) -> tuple[int, int]:
    """Rows of the crowd, and how many of them differ, once nobody writes any more."""
    if way.store == "chdb":
        return _chdb_rows(folder)
    database = sqlite3.connect(folder / "x.db")
    try:
        if way.script:
            asked = "SELECT kind, device, sequence FROM readings WHERE device LIKE 'room%'"
        else:
            asked = " UNION ALL ".join(
                f"SELECT '{kind}', device_id, sequence FROM sensor_{kind}" for kind in KINDS
            )
        rows = database.execute(asked).fetchall()
    finally:
        database.close()
    return len(rows), len(set(rows))


def _chdb_rows(folder: Path) -> tuple[int, int]:
    """In a process of its own: one has one folder open."""
    parts = " UNION ALL ".join(
        f"SELECT '{kind}' AS kind, device_id, sequence FROM sensor_{kind}" for kind in KINDS
    )
    asked = f"SELECT count(), uniqExact(kind, device_id, sequence) FROM ({parts})"
    code = (
        "import clickhouse_connect, json, sys\n"
        "client = clickhouse_connect.get_client(interface='chdb', path=sys.argv[1])\n"
        "print(json.dumps([int(each) for each in client.query(sys.argv[2]).result_rows[0]]))\n"
    )
    words = [sys.executable, "-c", code, f"{folder}/chdb", asked]
    said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout
    rows, different = json.loads(said.splitlines()[-1])
    return rows, different


def run(options: Options) -> list[Result]:
    """Measure every way in turn, then 20,000 readings/s for some seconds."""
    ways = [way for way in WAYS if way.broker != "mosquitto" or places.has_mosquitto()]
    count = QUICK if options.quick else READINGS
    found: dict[Way, list[Outcome]] = {way: [] for way in ways}
    failures = dict.fromkeys(ways, 0)
    for number in range(options.rounds):
        for way in ways if number % 2 == 0 else reversed(ways):
            sys.stderr.write(f"climate_ingest, round {number + 1}: {way.label}\n")
            try:
                found[way].append(measure(way, count, 0.0))
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                sys.stderr.write(f"{way.label}: {error}\n")
                failures[way] += 1
    seconds = QUICK_SECONDS if options.quick else SUSTAINED_SECONDS
    sustained = measure(ways[0], int(WANTED * seconds), WANTED)
    return [_flat_out(found, failures, count), _sustained(sustained, seconds)]


def _flat_out(found: dict[Way, list[Outcome]], failures: dict[Way, int], count: int) -> Result:
    rows = {
        way: summarise(way, [each.reading for each in outcomes], failures[way])  # type: ignore[arg-type]
        for way, outcomes in found.items()
    }
    result = Result(
        "Climate, readings from a broker to rows on disk, QoS 1, flat out", unit="reading"
    )
    result.rows = list(rows.values())
    for way, row in rows.items():
        if way.ours:
            wanted = way.store == "sqlite"
            result.expect(
                f"readings/s, {way.label}",
                row.fps,
                f">= {WANTED:,.0f}" if wanted else "told",
                row.fps >= WANTED or not wanted,
            )
            kept = row.skipped == row.torn == 0
            result.expect(f"lost or twice, {way.label}", row.skipped + row.torn, "0", kept)
    first = rows[next(iter(rows))]
    for way, row in rows.items():
        if way.script and way.broker == "nats-server":
            ratio = paired_ratio(first.fps_rounds, row.fps_rounds)
            result.expect(f"beside {way.label}", first.fps, "told", True, row.fps, ratio)
    for way, outcomes in found.items():
        if outcomes:
            result.notes.append(f"{way.label}: {_costs(outcomes)}")
    result.notes.append(
        f"{count:,} readings of {DEVICES} devices, JSON with a sequence, over four connections "
        "with up to 1,000 unconfirmed; their packets are made before the clock starts. It stops "
        "when the last one is a row. Ours are on disk (fdatasync) before the broker is told, each "
        "kept once, with rollups, registry and triggers; the script has one table and one index. "
        "mosquitto runs with max_inflight_messages 0 and max_queued_messages 0."
    )
    result.notes.append(NOBODY)
    return result


def _costs(outcomes: list[Outcome]) -> str:
    def middle(name: str) -> float:
        return median(float(getattr(each, name)) for each in outcomes)

    return (
        f"{middle('backend'):.1f} us of processor time for each reading, the broker "
        f"{middle('broker'):.1f}, the generator {middle('generator'):.1f}; memory "
        f"{max(max(each.memory) for each in outcomes):.0f} MiB at most."
    )


def _sustained(outcome: Outcome, seconds: float) -> Result:
    result = Result(f"Climate, {WANTED:,.0f} readings/s for {seconds:.0f} s, QoS 1, SQLite")
    result.expect("lost or twice", float(outcome.lost + outcome.twice), "0", not outcome.lost)
    result.expect("seconds the last row came late", outcome.late, "< 5", outcome.late < 5)
    total = outcome.backend + outcome.broker + outcome.generator
    result.expect(
        "us of processor time for a reading", outcome.backend, "<= 25", outcome.backend <= 25
    )
    result.expect("the same with broker and sensors", total, "<= 100", total <= 100)
    memory = outcome.memory
    half = memory[len(memory) // 2] if memory else 0.0
    result.expect(
        "memory at the end, MiB, beside the middle",
        memory[-1],
        "<= 1.2 of it",
        memory[-1] <= 1.2 * half + 8,
        half,
    )
    result.notes.append(
        "memory in MiB, second by second: " + ", ".join(f"{each:.0f}" for each in memory)
    )
    return result


if __name__ == "__main__":
    sys.exit(main({"climate_ingest": run}))
