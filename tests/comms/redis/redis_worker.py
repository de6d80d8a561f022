"""Ends of a DURABLE flow in processes of their own, to be killed by tests.

``produce URL APP TOTAL``: continue the topic at ``next_id`` up to TOTAL frames.
``consume URL APP MEMBER SECONDS``: print "id redelivered" per frame once it is processed, each
taking SECONDS; print "began id" when it starts.
"""

import sys
import time

import structlog

from edgeflow.comms.brokers import RedisBroker, Subscription
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS

WISH = Subscription("t", "g", QoS.DURABLE, 64)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def produce(broker: RedisBroker, total: int) -> None:
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
    publisher.close()


def consume(broker: RedisBroker, member: str, seconds: float) -> None:
    wish = Subscription("t", "g", QoS.DURABLE, 64, member)
    subscriber = broker.subscriber([wish])
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
    role, url, app, *rest = sys.argv[1:]
    broker = RedisBroker(url=url)
    broker.open(app)
    if role == "produce":
        produce(broker, int(rest[0]))
    else:
        consume(broker, rest[0], float(rest[1]))


if __name__ == "__main__":
    main()
