"""A climate system in processes of its own that tests kill and start again, and a load on it."""

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from begun_models import begin_with_model
from climate_load import bare_value
from edgeflow.store.tables import TableStore
from servers import _die_with_parent

__all__ = ["Load", "Served", "Tally", "tally", "until"]

LOAD = Path(__file__).with_name("climate_load.py")
READY_SECONDS = 120.0
TABLES = {"t": "sensor_temperature", "a": "sensor_audio"}


def until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)


class Served:
    """``edgeflow climate serve`` as a process.

    Args:
        broker, store: URLs. folder: of its spool and models. roles: what runs in it.

    Attributes:
        metrics: URL of its page of numbers, once it works.
    """

    metrics = ""

    def __init__(self, broker: str, store: str, folder: Path, *roles: str) -> None:
        program = str(Path(sys.executable).with_name("edgeflow"))
        self._command = [program, "climate", "serve", "--broker", broker, "--store", store]
        self._command += ["--folder", str(folder), "--metrics-port", "0"]
        for role in roles:
            self._command += ["--role", role]
        begin_with_model(folder)
        self._process: subprocess.Popen[str] | None = None
        self._said: deque[str] = deque(maxlen=50)
        self._begun = threading.Event()
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    def begin(self) -> None:
        """Start it, and do not wait."""
        self._process = subprocess.Popen(
            self._command,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - it only calls prctl
        )
        self._said.clear()
        self._begun = threading.Event()
        self._reader = threading.Thread(
            target=self._listen, args=(self._process, self._begun), daemon=True
        )
        self._reader.start()

    def wait_ready(self) -> None:
        """Wait until it works; one that ended is started again, as a supervisor would."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready:
            assert time.monotonic() < deadline, self.said
            if self._process is None or self._process.poll() is not None:
                self.kill()
                time.sleep(0.5)
                self.begin()
            self._begun.wait(1.0)

    @property
    def is_ready(self) -> bool:
        """True while it hears its broker and has its store."""
        process = self._process
        if process is None or process.poll() is not None or not self._begun.is_set():
            return False
        try:
            with urllib.request.urlopen(self.metrics.replace("/metrics", "/readyz"), timeout=10):
                return True
        except OSError:
            time.sleep(0.1)
            return False

    def start(self) -> None:
        """Start it, and wait until it works."""
        self.begin()
        self.wait_ready()

    @property
    def said(self) -> str:
        """The last lines of its log."""
        return "\n".join(self._said)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def stop(self) -> float:
        """Ask it to end (SIGTERM); return how many seconds that took."""
        began = time.monotonic()
        if self._process is not None:
            self._process.terminate()
            self._end()
        return time.monotonic() - began

    def _end(self) -> None:
        assert self._process is not None
        assert self._reader is not None
        self._process.wait(60)
        self._reader.join(10)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process = None

    def _listen(self, process: "subprocess.Popen[str]", begun: threading.Event) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._said.append(line.rstrip())
            if line.startswith("Metrics"):
                self.metrics = line.split()[1]
                begun.set()


class Load:
    """``climate_load.py`` as a process."""

    def __init__(self, broker: str, log: Path, **options: float) -> None:
        self.log = log
        command = [sys.executable, str(LOAD), broker, str(log)]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - it only calls prctl
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_over(self) -> bool:
        """True when it has ended."""
        return self._process.poll() is not None

    @property
    def confirmed(self) -> int:
        """Readings that the broker has confirmed, as far as is written down."""
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0

    def finish(self, seconds: float) -> dict[str, Any]:
        """Let it end, and return what it told."""
        self.log.with_suffix(".stop").touch()
        told, _ = self._process.communicate(timeout=seconds)
        assert self._process.returncode == 0
        found: dict[str, Any] = json.loads(told.splitlines()[-1])  # its log comes first
        return found

    def kill(self) -> None:
        """End it at once. Idempotent."""
        self._process.kill()
        self._process.communicate()


@dataclass
class Tally:
    """Rows beside confirmed readings.

    Attributes:
        confirmed, rows: counted readings. twice, lost: of them, more or fewer rows than one.
        bare, bare_rows: readings without a sequence. redelivered: rows that came again.
        bare_lost: of them.
    """

    confirmed: int
    rows: int
    twice: int
    lost: int
    bare: int
    bare_rows: int
    redelivered: int
    bare_lost: int

    @property
    def missing(self) -> int:
        """Readings that were confirmed and have no row."""
        return self.lost + self.bare_lost

    @property
    def complaints(self) -> list[str]:
        """What must not be; empty when all is well."""
        found = []
        if self.missing:
            found.append(f"{self.lost} counted and {self.bare_lost} bare readings were lost")
        if self.twice or self.rows != self.confirmed:
            found.append(f"{self.rows} rows of {self.confirmed} readings, {self.twice} twice")
        return found


def tally(log: Path, store: TableStore) -> Tally:
    """Compare what was confirmed with what a store holds."""
    said = [line.split() for line in log.read_text().splitlines()]
    wanted = {(kind, f"load-{room}", int(number)) for kind, room, number in said if kind != "h"}
    bare = {(f"load-{room}", bare_value(int(number))) for kind, room, number in said if kind == "h"}
    rooms = {f"load-{room}" for _, room, _ in said}
    kept: Counter[tuple[str, str, int]] = Counter()
    for kind, table in TABLES.items():
        for room in rooms:
            kept.update((kind, room, row["sequence"]) for row in _all(store, table, room))
    heard: Counter[tuple[str, float]] = Counter()
    for room in rooms:
        heard.update((room, row["value"]) for row in _all(store, "sensor_humidity", room))
    return Tally(
        confirmed=len(wanted),
        rows=kept.total(),
        twice=sum(count > 1 for count in kept.values()),
        lost=len(wanted - kept.keys()),
        bare=len(bare),
        bare_rows=heard.total(),
        redelivered=heard.total() - len(heard),
        bare_lost=len(bare - heard.keys()),
    )


def _all(store: TableStore, table: str, room: str) -> list[dict[str, Any]]:
    return store.rows(table, device=room, limit=1_000_000)
