"""What three hosts go through, and what came of it.

``python scenario.py redis|dual|zenoh FOLDER`` runs it alone, and says the figures.
"""

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from namespaces import Host, Network, wait_for_port

from servers import Valkey

__all__ = ["Outcome", "through"]

PROGRAM = Path(__file__).with_name("three_hosts.py")
RELAY = Path(__file__).parents[1] / "relay.py"
PARTITION_SECONDS = 10.0
LINES = {"redis": (6379,), "dual": (6379, 6380), "zenoh": (7447,)}
"""Ports of the gateway's host that the camera's host reaches through the relay."""

AHEAD_SECONDS = 5000
"""By which the camera's host has run longer than the others."""

LATENCY = ("--latency", "0.02", "--jitter", "0.005", "--loss", "0.01")


@dataclass
class Outcome:
    """Figures of one run.

    Attributes:
        made: ids of the frames that the camera made. got: lines of the ledger: id, time, whether
            it was marked as redelivered, worker.
        healed: seconds from the moment a fault was over to the next new frame in the ledger.
        shares: frames of each worker while two ran undisturbed, at first and after the host that
            they ran on was killed and brought back.
        shown: frames per second that the gateway's page told, of camera and worker.
        path_ms: median from the camera's host to the gateway's, whose clocks differ.
        codes: exit statuses of all programs at the end.
    """

    made: list[int] = field(default_factory=list)
    got: list[tuple[int, float, bool, str]] = field(default_factory=list)
    healed: dict[str, float] = field(default_factory=dict)
    shares: list[dict[str, int]] = field(default_factory=list)
    shown: dict[str, float] = field(default_factory=dict)
    path_ms: float = float("nan")
    codes: list[int] = field(default_factory=list)

    @property
    def lost(self) -> list[int]:
        """Frames made that never came."""
        there = {number for number, *_ in self.got}
        return [number for number in self.made if number not in there]

    @property
    def unmarked(self) -> list[int]:
        """Frames of which more than one copy does not say that it may be one."""
        originals = Counter(number for number, _, marked, _ in self.got if not marked)
        return [number for number, copies in originals.items() if copies > 1]


class _Run:
    def __init__(self, broker: str, folder: Path, network: Network) -> None:
        self.broker, self.folder = broker, folder
        self.gateway, self.worker = network.host("gateway"), network.host("worker")
        self.camera = network.host("camera", clock=AHEAD_SECONDS)
        self.between = network.host("between")
        self.outcome = Outcome()

    def begin(self) -> None:
        self.serve()
        for port in (*LINES[self.broker], 8080):
            command = [sys.executable, RELAY, f"0.0.0.0:{port}", f"{self.gateway.address}:{port}"]
            self.between.start([*command, *LATENCY], {}, stdin=-1)
        self.start(self.gateway, "gateway", "ledger")
        wait_for_port(self.gateway, 8000)
        self.start_worker()
        self.start(self.camera, "camera", through=self.between)

    def serve(self) -> None:
        """Start what the broker needs on the gateway's host."""
        if self.broker == "zenoh":
            return
        for port in LINES[self.broker]:
            data = self.folder / f"server{port}"
            data.mkdir(exist_ok=True)
            server = Valkey(data, persistent=True)
            server.host, server.port = "0.0.0.0", port
            options = ["--protected-mode", "no"]
            with (data / "log").open("ab") as log:
                self.gateway.start([*server.command(), *options], {}, stdout=log, stderr=log)
            wait_for_port(self.gateway, port)

    def start(self, host: Host, *nodes: str, through: Host | None = None) -> None:
        server = (through or self.gateway).address
        for node in nodes:
            environment = {
                "BROKER": self.broker, "LEDGERS": str(self.folder), "HOSTNAME": host.name,
                "REDIS_HOST": server, "DATA_REDIS_HOST": server, "GATEWAY_HOST": server,
                "EDGEFLOW_BIND": "0.0.0.0", "EDGEFLOW_TOKEN": "hosts",
                "PYTHONPATH": str(PROGRAM.parents[1]),
                **self.zenoh(host, node, server),
            }  # fmt: skip
            host.python(PROGRAM, "--node", node, log=self.folder / f"{node}.log", **environment)

    def zenoh(self, host: Host, node: str, server: str) -> dict[str, str]:
        if self.broker != "zenoh":
            return {}
        spool = self.folder / "spool" / node
        port = 7447 if node == "gateway" else 0
        connect = {} if node == "gateway" else {"EDGEFLOW_ZENOH_CONNECT": f"tcp/{server}:7447"}
        return {
            "EDGEFLOW_ZENOH_LISTEN": f"tcp/{host.address}:{port}",
            "EDGEFLOW_ZENOH_SPOOL": str(spool), **connect,
        }  # fmt: skip

    def start_worker(self) -> None:
        self.start(self.worker, "worker", "worker")

    def lines(self, name: str) -> list[list[str]]:
        file = self.folder / name
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def read(self) -> None:
        self.outcome.made = sorted({int(line[0]) for line in self.lines("made")})
        self.outcome.got = [
            (int(line[0]), float(line[1]), line[2] == "1", line[3])
            for line in self.lines("got")
            if len(line) == 4
        ]

    def await_frames(self, more: int, seconds: float) -> None:
        """Wait for so many more frames in the ledger."""
        until, goal = time.monotonic() + seconds, len(self.lines("got")) + more
        while len(self.lines("got")) < goal:
            assert time.monotonic() < until, self.told()
            time.sleep(0.05)

    def told(self) -> str:
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text()[-1500:]}" for log in logs)

    def heal(self, what: str, when: float) -> None:
        """Note when the first new frame came after a fault was over."""
        highest = max((int(line[0]) for line in self.lines("got")), default=-1)
        until = time.monotonic() + 30
        while True:
            times = [
                float(line[1])
                for line in self.lines("got")
                if len(line) == 4 and int(line[0]) > highest and float(line[1]) > when
            ]
            if times:
                self.outcome.healed[what] = min(times) - when
                return
            assert time.monotonic() < until, f"no frame after {what}\n{self.told()}"
            time.sleep(0.05)

    def partition(self, host: Host) -> None:
        host.unplug()
        time.sleep(PARTITION_SECONDS)
        when = time.time()
        host.plug()
        self.heal(f"partition of {host.name}", when)

    def settle(self) -> None:
        """Wait until the ledger has what the camera made, or nothing comes any more."""
        still, last = time.monotonic() + 5, -1
        while time.monotonic() < still:
            self.read()
            if not self.outcome.lost:
                return
            if len(self.outcome.got) != last:
                still, last = time.monotonic() + 5, len(self.outcome.got)
            time.sleep(0.1)

    def share(self) -> None:
        """Count what each worker does of the next frames."""
        begun = len(self.lines("got"))
        self.await_frames(60, 30)
        workers = [line[3] for line in self.lines("got")[begun:] if len(line) == 4]
        self.outcome.shares.append({each: workers.count(each) for each in set(workers)})

    def look(self) -> None:
        """Ask the gateway's page, from the gateway's own host."""
        self.outcome.shown = self._ask("/api/fps")
        paths = {tuple(each["path"]): each["p50_ms"] for each in self._ask("/api/trace")["paths"]}
        self.outcome.path_ms = paths.get(("camera", "gateway"), float("nan"))

    def _ask(self, path: str) -> Any:
        script = (
            f"import urllib.request as u; r = u.Request('http://127.0.0.1:8000{path}',"
            "headers={'Authorization': 'Bearer hosts'});"
            "print(u.urlopen(r, timeout=5).read().decode())"
        )
        asked = self.gateway.start([sys.executable, "-c", script], {}, stdout=-1)
        return json.loads(asked.communicate(timeout=20)[0])


def through(broker: str, folder: Path) -> Outcome:
    """Run the flow over three hosts and a slow line; take hosts away and give them back."""
    with Network() as network:
        run = _Run(broker, folder, network)
        run.begin()
        run.await_frames(60, 40)
        run.share()
        run.look()
        run.partition(run.worker)
        run.partition(run.camera)
        run.worker.pull_power()
        time.sleep(3)
        when = time.time()
        run.start_worker()
        run.heal("power of worker", when)
        run.share()
        (folder / "enough").touch()
        run.settle()
        for host in (run.camera, run.worker, run.gateway):
            run.outcome.codes += host.stop()[-2:]
        run.read()
        return run.outcome


def main() -> None:
    """Run one scenario."""
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    found = through(sys.argv[1], folder)
    print("made", len(found.made), "lost", found.lost, "unmarked", found.unmarked)
    print(found.healed, found.shares, found.shown, found.path_ms, found.codes)


if __name__ == "__main__":
    main()
