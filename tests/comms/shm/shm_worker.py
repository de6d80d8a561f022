"""What the second process of a test does: ``shm_worker.py VERB RUN_DIR [arguments]``."""

import sys
import time

import numpy as np

from edgeflow.comms.brokers import ShmBroker, Subscription
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS


def say(text: object) -> None:
    print(text, flush=True)


def check(run_dir: str, qos: str, count: str) -> None:
    """Receive until frame ``count``; every pixel of a frame must have one value."""
    subscriber = ShmBroker(run_dir).subscriber([Subscription("cam", "check", QoS(qos), 8)])
    torn = frames = 0
    last = -1
    say("up")
    while last < int(count) - 1:
        delivery = subscriber.receive(20)
        if delivery is None:
            break
        data = delivery.frame.data
        frames += 1
        torn += bool((data != data.flat[0]).any())
        assert delivery.frame.id > last, "out of order"
        last = delivery.frame.id
        subscriber.ack(delivery)
    say(f"{frames} {torn} {last}")
    subscriber.close()


def stick(run_dir: str, qos: str, keep: str, wait: str = "") -> None:
    """Receive ``keep`` frames, acknowledge all but the last, and hang; ``wait``: for a line."""
    if wait:
        say("up")
        sys.stdin.readline()
    subscriber = ShmBroker(run_dir).subscriber([Subscription("cam", "g", QoS(qos), 8)])
    held = []
    for number in range(int(keep)):
        delivery = subscriber.receive(20)
        assert delivery is not None
        held.append(delivery)
        if number < int(keep) - 1:
            subscriber.ack(delivery)
        say(delivery.frame.id)
    time.sleep(60)


def publish(run_dir: str, first: str) -> None:
    """Publish images without end."""
    broker = ShmBroker(run_dir)
    publisher = broker.publisher("cam", [Subscription("cam", "g", QoS.REALTIME)])
    number = int(first)
    say("up")
    while True:
        image = np.full((240, 320, 3), number % 256, np.uint8)
        publisher.publish(Frame(data=image, id=number, topic="cam"))
        number += 1
        time.sleep(0.002)


if __name__ == "__main__":
    {"check": check, "stick": stick, "publish": publish}[sys.argv[1]](*sys.argv[2:])
