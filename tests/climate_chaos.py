"""A climate system under load whose parts are killed one after another; every reading counts."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import mqtt_brokers
from climate_processes import Load, Served, Tally, tally
from edgeflow.errors import StoreError
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables
from edgeflow.store.tables import TableStore
from servers import free_port

__all__ = ["STORES", "Report", "chaos"]

STORES = ("clickhouse", "sqlite", "alone")
"""``alone`` is SQLite with the broker that the system itself runs, in one process group."""
CATCH_UP_SECONDS = 180.0
STOP_SECONDS = 30.0
DOWN_SECONDS = (0.2, 2.0)


@dataclass
class Report:
    """What came of it. ``complaints`` is empty when all is well."""

    store: str
    kills: Counter[str] = field(default_factory=Counter)
    tally: Tally | None = None
    seconds: float = 0.0
    caught_up: float = 0.0
    complaints: list[str] = field(default_factory=list)

    @property
    def row(self) -> list[str]:
        """Of a table: store, kills, readings, rows, lost, twice, bare, redelivered."""
        killed = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        found = self.tally
        if found is None:
            return [self.store, f"{self.seconds:.0f}", killed, *["?"] * 6]
        lost = found.lost + found.bare_lost
        numbers = (found.confirmed, found.rows, found.twice, found.bare, found.redelivered, lost)
        return [self.store, f"{self.seconds:.0f}", killed, *map(str, numbers)]


class System:
    """Broker, store and climate processes, each of which can be killed and come back."""

    def __init__(self, folder: Path, store: str) -> None:
        self.parts: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {}
        self.served: list[Served] = []
        if store == "alone":
            port = free_port()
            self.broker, own_broker = f"mqtt://127.0.0.1:{port}", f"mqtt://embedded?port={port}"
        else:
            broker = mqtt_brokers.make("nats", folder / "broker")
            self.parts["broker"] = (broker.kill, broker.start)
            self.broker = own_broker = broker.url
        if store == "clickhouse":
            from clickhouse_facade import Facade

            facade = Facade(folder / "data", free_port())
            self.url = facade.url
            self.parts["store"] = (facade.kill, facade.start)
            roles = [("backend",), ("ml",)]
        else:
            self.url = f"sqlite:///{folder}/climate.db"
            roles = [("backend", "ml")]
        for own in roles:
            made = Served(own_broker, self.url, folder / "climate", *own)
            self.served.append(made)
            # With SQLite, store, spool and model live and die in one process.
            name = own[0] if len(own) == 1 else "system"
            self.parts[name] = (made.kill, made.begin)

    @contextmanager
    def running(self) -> Iterator["System"]:
        """Run for the time of a block."""
        try:
            for name, (_, start) in self.parts.items():
                if name in ("broker", "store"):
                    start()
            for each in self.served:
                each.begin()
            self.wait_ready()
            yield self
        finally:
            for kill, _ in reversed(self.parts.values()):
                kill()

    def wait_ready(self) -> None:
        """Wait until all climate processes work."""
        for each in self.served:
            each.wait_ready()


def chaos(
    folder: Path,
    store: str,
    seconds: float,
    *,
    rate: float = 300.0,
    devices: int = 10,
    victims: Sequence[str] = (),
    seed: int = 1,
) -> Report:
    """Kill parts under load: those that are named in turn, evenly, or else any at random."""
    report, system = Report(store), System(folder, store)
    with system.running():
        began = time.monotonic()
        load = Load(system.broker, folder / "load", devices=devices, rate=rate, seconds=1e6)
        try:
            if victims:
                _kill_in_turn(system, victims, seconds, report)
            else:
                _kill_at_random(system, random.Random(seed), began + seconds, report)
            system.wait_ready()
            with _opened(system.url) as tables:
                _await_decision(report, tables, time.time())
                told = load.finish(CATCH_UP_SECONDS)
                report.seconds = time.monotonic() - began
                _await_rows(report, load, tables)
                _stop(system, report)
                report.tally = tally(load.log, tables)
        finally:
            load.kill()
    report.complaints += report.tally.complaints
    if told["sent"] != told["confirmed"]:
        report.complaints.append(f"not all of the load was confirmed: {told}")
    return report


def _kill_in_turn(system: System, victims: Sequence[str], seconds: float, report: Report) -> None:
    pause = seconds / (len(victims) + 1)
    for name in victims:
        time.sleep(0.7 * pause)
        _kill(system, name, 0.3 * pause, report)
    time.sleep(pause)


def _kill_at_random(system: System, chance: random.Random, end: float, report: Report) -> None:
    while time.monotonic() < end:
        time.sleep(chance.uniform(1.0, 10.0))
        count = min(len(system.parts), chance.choice((1, 1, 1, 2)))
        names = chance.sample(sorted(system.parts), count)
        for name in names:
            system.parts[name][0]()
        time.sleep(chance.uniform(*DOWN_SECONDS))
        for name in names:
            system.parts[name][1]()
            report.kills[name] += 1
        if chance.random() < 0.5:
            # Who finds no store when it starts has ended; a supervisor starts it again.
            system.wait_ready()


def _kill(system: System, name: str, down: float, report: Report) -> None:
    kill, start = system.parts[name]
    kill()
    time.sleep(down)
    start()
    report.kills[name] += 1


@contextmanager
def _opened(url: str) -> Iterator[TableStore]:
    tables = open_tables(url)
    try:
        tables.create(list(TABLES.values()))
        yield tables
    finally:
        tables.close()


def _await_decision(report: Report, tables: TableStore, since: float) -> None:
    """Windows are told where to be again, after all kills."""
    if not _comes_true(lambda: bool(tables.rows("window_actions", since=since, limit=1))):
        report.complaints.append("no decision after the last kill")


def _await_rows(report: Report, load: Load, tables: TableStore) -> None:
    began = time.monotonic()
    if not _comes_true(lambda: not tally(load.log, tables).missing):
        report.complaints.append(f"not all there after {CATCH_UP_SECONDS:g} s")
    report.caught_up = time.monotonic() - began


def _comes_true(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while time.monotonic() < deadline:
        with suppress(StoreError):
            if true():
                return True
        time.sleep(0.3)
    return False


def _stop(system: System, report: Report) -> None:
    for each in system.served:
        took = each.stop()
        if took > STOP_SECONDS:
            report.complaints.append(f"it took {took:.1f} s to stop")
