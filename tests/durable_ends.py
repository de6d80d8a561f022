"""Ends of a DURABLE flow in processes of their own, to be killed by tests.

``BROKER PLACE APP produce SPOOL TOTAL``: continue the topic at ``next_id`` up to TOTAL frames, and
stay. SPOOL is a folder, or empty.
``BROKER PLACE APP consume MEMBER SECONDS``: print "id redelivered" per frame once it is processed,
each taking SECONDS; print "began id" when it starts.
BROKER is ``redis`` or ``zenoh``, PLACE its URL or the endpoint to connect to.
"""

import subprocess
import sys
import threading
import time

import structlog

from edgeflow.comms.brokers import RedisBroker, Subscription, ZenohBroker
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS

__all__ = ["WISH", "Worker", "check_complete"]

WISH = Subscription("t", "g", QoS.DURABLE, 64)


class Worker:
    """Such a process and what it has said so far."""

    def __init__(self, *arguments: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def kill9(self) -> None:
        """Kill it, and read what it had said."""
        self.process.kill()
        self.process.wait(10)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def processed(self) -> list[tuple[int, bool]]:
        """Ids of the frames it has processed, and whether they were marked as redelivered."""
        pairs = [line.split() for line in self.lines if line[:1].isdigit()]
        return [(int(number), again == "1") for number, again in pairs]


def check_complete(runs: list[list[tuple[int, bool]]], total: int) -> None:
    """Every frame arrived, and only marked frames came twice."""
    everything = [number for run in runs for number, _ in run]
    assert sorted(set(everything)) == list(range(total))
    fresh = [number for run in runs for number, again in run if not again]
    assert len(fresh) == len(set(fresh))


def say(line: str) -> None:
    """Tell the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def produce(broker: RedisBroker | ZenohBroker, total: int) -> None:
    """Send what is missing, and stay: some brokers need the sender for what is under way."""
    publisher = broker.publisher("t", [WISH])
    epoch = time.time_ns()
    number = publisher.next_id()
    say(f"from {number}")
    sequence = 0
    while number < total:
        frame = Frame(data=b"%d" % number, id=number, sequence=sequence, epoch=epoch, topic="t")
        if publisher.publish(frame, 0.5):
            number += 1
            sequence += 1
    say("done")
    time.sleep(60)


def consume(broker: RedisBroker | ZenohBroker, member: str, seconds: float) -> None:
    """Process what comes, for ever."""
    subscriber = broker.subscriber([Subscription("t", "g", QoS.DURABLE, 64, member)])
    while True:
        delivery = subscriber.receive(0.5)
        if delivery is None:
            continue
        if seconds:
            say(f"began {delivery.frame.id}")
            time.sleep(seconds)
        say(f"{delivery.frame.id} {int(delivery.frame.redelivered)}")
        subscriber.ack(delivery)


def main() -> None:
    """Be one end."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    kind, place, app, role, first, second = sys.argv[1:]
    broker: RedisBroker | ZenohBroker
    if kind == "redis":
        broker = RedisBroker(url=place)
    else:
        spool = first if role == "produce" and first else None
        broker = ZenohBroker([place], ["tcp/127.0.0.1:0"], spool=spool)
    broker.open(app)
    if role == "produce":
        produce(broker, int(second))
    else:
        consume(broker, first, float(second))


if __name__ == "__main__":
    main()
