"""Ends of a DURABLE flow in processes of their own, to be killed by tests.

``produce ENDPOINT APP SPOOL TOTAL``: continue the topic at ``next_id`` to TOTAL frames, and stay.
``consume ENDPOINT APP MEMBER SECONDS``: print "id redelivered" per frame once it is processed, each
taking SECONDS; print "began id" when it starts. ENDPOINT is where to connect.
"""

import sys
import time

import structlog

from edgeflow.comms.brokers import Subscription, ZenohBroker
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS

WISH = Subscription("t", "g", QoS.DURABLE, 64)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def produce(broker: ZenohBroker, total: int) -> None:
    publisher = broker.publisher("t", [WISH])
    epoch = time.time_ns()
    number = publisher.next_id()
    say(f"from {number}")
    sequence = 0
    while number < total:
        frame = Frame(data=b"%d" % number, id=number, sequence=sequence, epoch=epoch, topic="t")
        if publisher.publish(frame, 0.5):
            say(f"sent {number}")
            number += 1
            sequence += 1
    say("done")
    time.sleep(60)


def consume(broker: ZenohBroker, member: str, seconds: float) -> None:
    subscriber = broker.subscriber([Subscription("t", "g", QoS.DURABLE, 64, member)])
    say("ready")
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
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    role, endpoint, app, *rest = sys.argv[1:]
    spool = rest.pop(0) if role == "produce" else None
    broker = ZenohBroker([endpoint], ["tcp/127.0.0.1:0"], spool=spool or None)
    broker.open(app)
    if role == "produce":
        produce(broker, int(rest[0]))
    else:
        consume(broker, rest[0], float(rest[1]))


if __name__ == "__main__":
    main()
