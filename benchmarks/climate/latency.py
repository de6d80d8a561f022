"""From a request for a decision to the window's position, beside 10, 100 and 1,000 devices."""

import asyncio
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.climate import places
from benchmarks.report import Options, Result, main
from edgeflow.climate.probing import Load, load

__all__ = ["run"]

CROWDS = (10, 100, 1000)
ASKED_EVERY = 5.0
"""Seconds between requests of one device: what the trigger allows at most."""
SECONDS, QUICK_SECONDS = 8.0, 2.0
LEAST_RATE = 20.0
WANTED_MS = 100.0


def measure(devices: int, seconds: float) -> Load:
    """Let devices speak once a second, and ask for as many decisions as they may."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        places.broker("nats-server") as broker,
        places.backend(broker.port, f"sqlite:///{folder}/x.db", Path(folder)),
        places.crowd(broker.port, int(devices * (seconds + 4)), devices, devices) as crowd,
    ):
        url = f"mqtt://127.0.0.1:{broker.port}"
        asyncio.run(load(url, rate=LEAST_RATE, seconds=1.0))
        crowd.begin()
        rate = max(LEAST_RATE, devices / ASKED_EVERY)
        return asyncio.run(load(url, rate=rate, seconds=seconds))


def run(options: Options) -> list[Result]:
    """Measure each crowd in turn."""
    seconds = QUICK_SECONDS if options.quick else SECONDS
    found: dict[int, list[Load]] = {devices: [] for devices in CROWDS}
    for number in range(options.rounds):
        for devices in CROWDS if number % 2 == 0 else reversed(CROWDS):
            sys.stderr.write(f"climate_latency, round {number + 1}: {devices} devices\n")
            found[devices].append(measure(devices, seconds))
    result = Result("Climate, from request to control")
    for devices, loads in found.items():
        p50, p99 = (median(getattr(each, name) for each in loads) for name in ("p50_ms", "p99_ms"))
        result.expect(f"p50 ms, {devices} devices", p50, "told", True)
        result.expect(f"p99 ms, {devices} devices", p99, f"< {WANTED_MS:g}", p99 < WANTED_MS)
        missing = sum(each.sent - each.answered for each in loads)
        result.expect(f"not answered, {devices} devices", float(missing), "0", missing == 0)
    result.notes.append(
        f"{seconds:g} s each, open loop: every device publishes one reading a second, and is asked "
        f"for every {ASKED_EVERY:g} s ({LEAST_RATE:g} requests/s at least). From publishing the "
        "request to hearing the control, both at QoS 1: broker, backend with SQLite, model, "
        "sensors and the one who asks on this machine."
    )
    return [result]


if __name__ == "__main__":
    sys.exit(main({"climate_latency": run}))
