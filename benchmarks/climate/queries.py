"""The query of each dashboard panel over ten million rows, on chdb.

``python -m benchmarks.climate.queries FOLDER ROWS TIMES`` fills a store and prints, as JSON, the
milliseconds that each query took, again and again.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from statistics import median
from typing import Any

from benchmarks.report import Options, Result, main

__all__ = ["run"]

ROWS, QUICK = 10_000_000, 200_000
DEVICES = 100
DAYS = 7
TIMES = 5
WANTED_MS = 1000.0
SPANS = {"6h": 21_600.0, "24h": 86_400.0}
# Shares of all rows, and what stands in a table's own columns for row `number` of device `d`.
SHARES: dict[str, tuple[float, dict[str, str]]] = {
    "sensor_temperature": (0.4, {"value": "20 + 5 * sin(number / 9000) + d / 50"}),
    "sensor_humidity": (0.4, {"value": "50 + 20 * cos(number / 9000)"}),
    "sensor_audio": (0.14, {"sound_volume": "-60 + number % 40"}),
    "window_actions": (
        0.02,
        {
            "position": "number % 101",
            "confidence": "0.5 + (number % 50) / 100",
            "temperature": "20 + number % 10",
            "humidity": "40 + number % 30",
            "sound_volume": "-60 + number % 40",
            "correlation_id": "toString(number)",
        },
    ),
    "ml_predictions": (
        0.02,
        {
            "prediction": "number % 101",
            "confidence": "0.5 + (number % 50) / 100",
            "inference_time_ms": "1 + number % 7",
            "model_version": "concat('v', toString(1 + number % 3))",
            "correlation_id": "toString(number)",
        },
    ),
    "inference_history": (
        0.02,
        {"trigger_reason": "'temperature'", "correlation_id": "toString(number)"},
    ),
}


def fill(client: Any, rows: int) -> int:
    """Let the engine make the rows itself: a week of a hundred devices, evenly."""
    total = 0
    for table, (share, columns) in SHARES.items():
        count = int(rows * share)
        step = DAYS * 86_400 * 1000 * DEVICES // count
        names = ", ".join(("device_id", "timestamp", *columns))
        values = ", ".join(columns.values())
        client.command(
            f"INSERT INTO {table} ({names}) WITH number % {DEVICES} AS d SELECT "
            f"concat('room', toString(d)), now64(3) - toIntervalMillisecond("
            f"intDiv(number, {DEVICES}) * {step}), {values} FROM numbers({count})"
        )
        total += count
    client.command(
        "INSERT INTO device_registry (device_id, name, location, kind, registered_at, last_seen, "
        "is_active, config) SELECT concat('room', toString(number)), 'room', 'home', 'mqtt', "
        f"now64(3) - toIntervalDay(7), now64(3), true, '{{}}' FROM numbers({DEVICES})"
    )
    return total


def expanded(query: str, seconds: float) -> str:
    """A query with the macros of Grafana's plugin replaced."""
    until = time.time()
    first, last = (
        f"fromUnixTimestamp64Milli({round(each * 1000)})" for each in (until - seconds, until)
    )
    query = re.sub(r"\$__timeFilter_ms\(([\w.]+)\)", rf"\1 >= {first} AND \1 <= {last}", query)
    query = re.sub(
        r"\$__timeInterval\(([\w.]+)\)",
        rf"toStartOfInterval(toDateTime(\1), INTERVAL {int(seconds / 1000)} second)",
        query,
    )
    return query.replace("${device:sqlstring}", "'room7'")


def ask(folder: str, rows: int, times: int) -> dict[str, Any]:
    """Fill a store, and run every query so often."""
    import clickhouse_connect

    from benchmarks.climate.places import memory
    from edgeflow.deploy.grafana.writing import DASHBOARDS
    from edgeflow.store.catalogue import TABLES
    from edgeflow.store.opening import open_tables

    store = open_tables(f"chdb:///{folder}")
    store.create(list(TABLES.values()))
    client = clickhouse_connect.get_client(interface="chdb", path=folder)
    began = time.perf_counter()
    total = fill(client, rows)
    filled = time.perf_counter() - began
    took: dict[str, list[float]] = {}
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            for number, query in enumerate(panel.queries):
                name = f"{dashboard.file}: {panel.title}" + (f" ({number + 1})" if number else "")
                took[name] = []
                for _ in range(times):
                    began = time.perf_counter()
                    client.query(expanded(query, SPANS[dashboard.since]))
                    took[name].append(1e3 * (time.perf_counter() - began))
    found = {"rows": total, "filled": filled, "took": took, "memory": memory(os.getpid())}
    client.close()
    store.close()
    return found


def run(options: Options) -> list[Result]:
    """Ask in a process of its own: chdb keeps what memory it took."""
    rows, times = (QUICK, 2) if options.quick else (ROWS, max(2, min(TIMES, options.rounds)))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        words = [sys.executable, "-m", "benchmarks.climate.queries", f"{folder}/data"]
        ran = subprocess.run(
            [*words, str(rows), str(times)], capture_output=True, text=True, check=False
        )
    if ran.returncode:
        raise RuntimeError(ran.stderr[-2000:])
    found = json.loads(ran.stdout.splitlines()[-1])
    took: dict[str, list[float]] = found["took"]
    result = Result(f"Climate, queries of the dashboards over {found['rows']:,} rows, chdb")
    middle = {name: median(each) for name, each in took.items()}
    result.expect("queries", float(len(took)), "told", True)
    result.expect("ms, median of all queries", median(middle.values()), "told", True)
    slowest = max(middle.values())
    result.expect("ms, slowest query", slowest, f"< {WANTED_MS:g}", slowest < WANTED_MS)
    lines = ["| query | median ms | worst ms |", "| --- | --- | --- |"]
    for name in sorted(middle, key=lambda each: -middle[each]):
        lines.append(f"| {name} | {middle[name]:.1f} | {max(took[name]):.1f} |")
    result.notes.append("\n".join(lines))
    result.notes.append(
        f"A week of {DEVICES} devices, made within the engine in {found['filled']:.0f} s; {times} "
        f"times each, the first not apart. {found['memory']:.0f} MiB resident at the end."
    )
    return [result]


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[2].isdigit():
        print(json.dumps(ask(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
        sys.exit(0)
    sys.exit(main({"climate_queries": run}))
