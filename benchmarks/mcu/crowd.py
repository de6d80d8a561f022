"""1, 4 and 16 boards behind one server: samples per second, and how soon it answers GET /health."""

import contextlib
import http.client
import io
import json
import multiprocessing
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from benchmarks.harness import Reading, Summary, summarise
from benchmarks.machine import cpu_ns
from benchmarks.mcu.boards import EDGEFLOW, BoardProcess, sample
from benchmarks.report import Options, Result, main

__all__ = ["run"]

BOARDS = (1, 4, 16)
PER_PROCESS = 4
CLIENTS = 2
"""That ask each board; each sends its next request when it has its answer."""
SAMPLES = 32
"""Of one request."""
WARM_SECONDS = 1.0
PROBE_SECONDS = 0.01
TARGET_MS = 20.0
READY_SECONDS = 30.0
SPREAD_SECONDS = 0.6
"""Over which clients begin, about as long as a request takes; strangers do not ask in step."""
PATH = "/v2/infer_npy"


class Crowd:
    """A number of boards; a row of the table."""

    ours = True

    def __init__(self, count: int, *, busy: bool = True) -> None:
        self.count, self.busy = count, busy
        self.label = f"{count} board{'' if count == 1 else 's'}{'' if busy else ', idle'}"

    def measure(self, seconds: float) -> Reading:
        """Keep all boards busy; the latencies are those of GET /health."""
        with contextlib.ExitStack() as stack:
            ports: list[str] = []
            while len(ports) < self.count:
                group = BoardProcess(count=min(PER_PROCESS, self.count - len(ports)))
                ports += stack.enter_context(group).ports
            port, pid = stack.enter_context(_server(ports))
            names = [f"b{index}" for index in range(self.count)]
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(1, context))
            begin = time.monotonic() + WARM_SECONDS + 0.5
            load = pool.submit(_load, port, names if self.busy else [], begin + seconds)
            time.sleep(begin - time.monotonic())
            busy = cpu_ns([pid])
            latencies = _probe(port, names, begin + seconds)
            busy = cpu_ns([pid]) - busy
            ends, failed = load.result(60)
        done = SAMPLES * sum(begin <= end < begin + seconds for end in ends)
        percent = 100 * busy / 1e9 / seconds
        per_sample = busy / 1e6 / max(1, done)
        return Reading(np.array(latencies), done / seconds, 0, failed, percent, percent, per_sample)


def run(options: Options) -> list[Result]:
    """Measure each number of boards in turn."""
    crowds = [*(Crowd(count) for count in BOARDS), Crowd(max(BOARDS), busy=False)]
    readings: dict[str, list[Reading]] = {crowd.label: [] for crowd in crowds}
    for number in range(options.rounds):
        for crowd in crowds if number % 2 == 0 else reversed(crowds):
            sys.stderr.write(f"round {number + 1}: {crowd.label}\n")
            readings[crowd.label].append(crowd.measure(options.latency_seconds))
    rows = [summarise(crowd, readings[crowd.label]) for crowd in crowds]
    return [_result(rows[:-1], rows[-1], readings)]


def _result(rows: list[Summary], idle: Summary, readings: dict[str, list[Reading]]) -> Result:
    result = Result("MCU, boards behind one server", [*rows, idle], unit="request")
    said = []
    for row in rows:
        met = row.p99 < TARGET_MS
        result.expect(
            f"p99 ms of GET /health, {row.label}", row.p99, f"< {TARGET_MS:g}", met,
            idle.p99, row.p99 / TARGET_MS,
        )  # fmt: skip
        pooled = np.concatenate([each.latencies_ms for each in readings[row.label]])
        said.append(f"{row.label} {pooled.max():.1f} ms of {len(pooled)}")
    least = min(row.fps / crowd for row, crowd in zip(rows, BOARDS, strict=True))
    result.notes.append(
        "requests/s and CPU count samples, in requests of "
        f"{SAMPLES} over HTTP, {CLIENTS} clients a board; latencies are of GET /health meanwhile, "
        f"the longest: {'; '.join(said)}. The peer of the targets is the same with idle boards, "
        "which shows what the machine itself adds. Boards start at 115,200 baud and are switched "
        f"to 921,600, where compute bounds each to 109 samples/s; the least was {least:.1f}."
    )
    return result


@contextlib.contextmanager
def _server(ports: list[str]) -> Iterator[tuple[int, int]]:
    """Run a server of these boards; yield its port and process."""
    words = [f"--port=b{index}={port}" for index, port in enumerate(ports)]
    process = subprocess.Popen(
        [EDGEFLOW, "mcu", "serve", "--http-port", "0", "--json", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(json.loads(process.stdout.readline())["port"])
        _await_ready(port)
        yield port, process.pid
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait(5)


def _await_ready(port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while _get(http.client.HTTPConnection("127.0.0.1", port, timeout=5), "/readyz") != 200:
        if time.monotonic() > deadline:
            raise RuntimeError("the boards are not ready")
        time.sleep(0.1)


def _get(connection: http.client.HTTPConnection, path: str) -> int:
    connection.request("GET", path)
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


def _probe(port: int, names: list[str], until: float) -> list[float]:
    """Return milliseconds of GET /health, asked on one connection all the time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    latencies: list[float] = []
    while (begun := time.monotonic()) < until:
        if _get(connection, f"/health?device={names[len(latencies) % len(names)]}") != 200:
            raise RuntimeError("a board is not healthy")
        latencies.append(1e3 * (time.monotonic() - begun))
        time.sleep(PROBE_SECONDS)
    connection.close()
    return latencies


def _load(port: int, names: list[str], until: float) -> tuple[list[float], int]:
    """Ask every board until then; return when requests were answered, and how many failed."""
    ends: list[float] = []
    failures: list[int] = []

    def client(name: str, offset: float) -> None:
        body = _form(name)
        time.sleep(offset)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.monotonic() < until:
            connection.request("POST", PATH, body, {"content-type": _TYPE})
            with connection.getresponse() as answer:
                answer.read()
                (ends.append(time.monotonic()) if answer.status == 200 else failures.append(1))
        connection.close()

    everybody = names * CLIENTS
    threads = [
        threading.Thread(target=client, args=(name, SPREAD_SECONDS * index / len(everybody)))
        for index, name in enumerate(everybody)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return ends, len(failures)


_TYPE = "multipart/form-data; boundary=sample"


def _form(device: str) -> bytes:
    npy = io.BytesIO()
    np.save(npy, np.stack([sample(seed) for seed in range(SAMPLES)]))
    head = b'--sample\r\nContent-Disposition: form-data; name="device"\r\n\r\n' + device.encode()
    file = b'\r\n--sample\r\nContent-Disposition: form-data; name="input_npy"; filename="x.npy"'
    return head + file + b"\r\n\r\n" + npy.getvalue() + b"\r\n--sample--\r\n"


if __name__ == "__main__":
    sys.exit(main({"mcu_boards": run}))
