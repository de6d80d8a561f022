"""The ends of a link in processes of their own: a sender, workers, cameras.

``python -m benchmarks.scale.ends ROLE PLANE KIND FIRST COUNT``; the rest of the setup comes through
the environment, see ``benchmarks.stamps``. Members of one process are threads.
"""

import os
import signal
import sys
import threading
import time
from typing import Any

from benchmarks.pictures import Scene
from benchmarks.stamps import Control, Setup
from edgeflow.comms.brokers.base import Broker, Subscription
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS

__all__ = ["CODECS", "KIND", "SERVICE_SECONDS", "broker_of", "frame_of", "main", "pictures_of"]

SERVICE_SECONDS = 0.040
CODECS = {"raw": "raw", "jpeg": "jpeg:80", "decoded": "jpeg:80", "camera": "raw"}
"""Codec of the link by kind of frames; ``camera`` means that the camera itself makes JPEG."""
KIND = "EDGEFLOW_SCALE_KIND"
"""Variable that tells the gateway the kind of its frames."""
PICTURES = 4
GRACE_SECONDS = 3.0


def broker_of(plane: str, url: str, *, sends: bool) -> Broker:
    """Return the broker of a plane; ``url`` names its servers, or where the sender listens."""
    from edgeflow.comms import brokers

    if plane == "redis":
        return brokers.RedisBroker(url=url)
    if plane == "dual":
        control, data = url.split()
        return brokers.DualRedisBroker(url=control, data_url=data)
    if plane == "zenoh":
        here = f"tcp/{url}"
        own = [here] if sends else ["tcp/127.0.0.1:0"]
        return brokers.ZenohBroker([] if sends else [here], own)
    return brokers.ShmBroker()


def pictures_of(kind: str, shape: tuple[int, ...]) -> list[Any]:
    """Return some pictures as a camera gives them: arrays, or JPEG bytes."""
    scene = Scene(shape)
    pictures = [scene.next() for _ in range(PICTURES)]
    if kind != "camera":
        return pictures
    from edgeflow.web.images import encode_jpeg

    return [encode_jpeg(picture, 80, None) for picture in pictures]


def frame_of(picture: Any, topic: str, number: int, epoch: int) -> Frame:
    """Return a frame captured now."""
    meta = {"content_type": "image/jpeg"} if isinstance(picture, bytes) else {}
    return Frame(
        data=picture, id=number, sequence=number, epoch=epoch, topic=topic, source=topic,
        timestamp=time.time(), meta=meta,
    )  # fmt: skip


def _send(plane: str, kind: str, setup: Setup) -> None:
    control, broker = Control(setup.folder), broker_of(plane, setup.url, sends=True)
    wish = Subscription("frames", "workers", QoS.DURABLE, setup.capacity)
    publisher = broker.publisher("frames", [wish], codec=CODECS[kind])
    pictures, epoch, number = pictures_of(kind, setup.shape), time.time_ns(), 0
    while not control.stopped:
        frame = frame_of(pictures[number % PICTURES], "frames", number, epoch)
        number += publisher.publish(frame, 0.2)
    publisher.close()
    broker.close()


def _work(broker: Broker, setup: Setup, member: int) -> None:
    control, done = Control(setup.folder), 0
    wish = Subscription("frames", "workers", QoS.DURABLE, setup.capacity, str(member))
    subscriber = broker.subscriber([wish])
    while not control.stopped:
        delivery = subscriber.receive(0.2)
        if delivery is None:
            continue
        time.sleep(SERVICE_SECONDS)  # a model elsewhere
        subscriber.ack(delivery)
        done += 1
        control.count(member, done)
    subscriber.close()


def _film(kind: str, setup: Setup, camera: int, pictures: list[Any]) -> None:
    from edgeflow.comms.tcp import TcpBroker

    control, topic = Control(setup.folder), f"camera{camera}"
    broker = TcpBroker(*_address(setup.url))
    wish = Subscription(topic, "gateway")
    publisher = broker.publisher(topic, [wish], codec=CODECS[kind])
    period, epoch, number = 1 / (setup.fps or 1.0), time.time_ns(), 0
    due = time.monotonic() + period * camera / 64
    while not control.stopped:
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due + period, time.monotonic())
        publisher.publish(frame_of(pictures[number % PICTURES], topic, number, epoch))
        number += 1
    publisher.close()
    broker.close()


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.rpartition(":")
    return host, int(port)


def _members(role: str, plane: str, kind: str, setup: Setup, members: range) -> None:
    """Run members as threads until the harness says stop; does not wait for them for long."""
    broker = broker_of(plane, setup.url, sends=False) if role == "workers" else None
    pictures = pictures_of(kind, setup.shape) if broker is None else []
    threads = [
        threading.Thread(target=_work, args=(broker, setup, member), daemon=True)
        if broker is not None
        else threading.Thread(target=_film, args=(kind, setup, member, pictures), daemon=True)
        for member in members
    ]
    for thread in threads:
        thread.start()
    deadline = float("inf")
    control = Control(setup.folder)
    for thread in threads:
        while thread.is_alive() and time.monotonic() < deadline:
            thread.join(0.1)
            if control.stopped:
                deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
    if broker is not None:
        broker.close()


def main() -> None:
    role, plane, kind, first, count = sys.argv[1:6]
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    setup = Setup.from_environment()
    if role == "sender":
        _send(plane, kind, setup)
    else:
        _members(role, plane, kind, setup, range(int(first), int(first) + int(count)))


if __name__ == "__main__":
    main()
