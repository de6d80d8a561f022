"""What a message costs in each MQTT client for Python, read at QoS 1 from one broker."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.climate import places
from benchmarks.harness import Reading, summarise
from benchmarks.inference.environments import python_of
from benchmarks.report import Options, Result, main, paired_ratio

__all__ = ["run"]

MESSAGES, QUICK = 50_000, 5_000
PEER = Path(__file__).parent / "peers" / "mqtt_reader.py"


class Way:
    """A client, in an environment of its own if it is none of ours."""

    def __init__(self, name: str, label: str, environment: str = "") -> None:
        self.name, self.label, self.environment = name, label, environment
        self.ours = name.startswith("edgeflow")

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(python_of(self.environment)) if self.environment else sys.executable


WAYS = (
    Way("edgeflow", "edgeflow, batches"),
    Way("edgeflow-singly", "edgeflow, one by one"),
    Way("paho", "paho-mqtt"),
    Way("gmqtt", "gmqtt", "gmqtt"),
    Way("aiomqtt", "aiomqtt", "aiomqtt"),
)


def measure(way: Way, count: int) -> Reading:
    """Read so many messages that come as fast as the broker passes them on."""
    with places.broker("nats-server") as broker:
        words = [way.python, str(PEER), way.name, str(broker.port), str(count)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as reader:
            try:
                assert reader.stdout is not None
                if reader.stdout.readline() != "ready\n":
                    raise RuntimeError(f"{way.label} did not subscribe")
                with places.crowd(broker.port, count, 0.0) as crowd:
                    crowd.begin()
                    said = json.loads(reader.stdout.readline())
            finally:
                reader.kill()
    return Reading(
        fps=said["seen"] / said["seconds"],
        cpu_percent=100.0 * said["busy"] / said["seconds"],
        sender_percent=100.0 * said["busy"] / said["seconds"],
        cpu_ms_per_frame=1e3 * said["busy"] / said["seen"],
    )


def run(options: Options) -> list[Result]:
    """Measure each client in turn."""
    count = QUICK if options.quick else MESSAGES
    found: dict[Way, list[Reading]] = {way: [] for way in WAYS}
    failures = dict.fromkeys(WAYS, 0)
    for number in range(options.rounds):
        for way in WAYS if number % 2 == 0 else reversed(WAYS):
            sys.stderr.write(f"climate_clients, round {number + 1}: {way.label}\n")
            try:
                found[way].append(measure(way, count))
            except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
                sys.stderr.write(f"{way.label}: {error}\n")
                failures[way] += 1
    rows = [summarise(way, found[way], failures[way]) for way in WAYS]  # type: ignore[arg-type]
    result = Result("Climate, MQTT clients reading at QoS 1", rows, unit="reading")
    costs = {way: [each.cpu_ms_per_frame for each in found[way]] for way in WAYS}
    for way, row in zip(WAYS[1:], rows[1:], strict=True):
        ratio = paired_ratio(costs[WAYS[0]], costs[way])
        result.expect(
            f"CPU ms/message beside {way.label}", rows[0].cpu_ms_per_frame, "told", True,
            row.cpu_ms_per_frame, ratio,
        )  # fmt: skip
    result.notes.append(
        f"{count:,} messages of 66 bytes from nats-server, confirmed and thrown away; processor "
        "time is that of the client's process alone."
    )
    return [result]


if __name__ == "__main__":
    sys.exit(main({"climate_clients": run}))
