"""EdgeFlow's bare ``ShmBroker``, without nodes and runtime: shows what those cost."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.stamps import Setup, blank, stamp
from edgeflow.comms.brokers.base import Subscription
from edgeflow.comms.brokers.shm import ShmBroker
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS

__all__ = ["receiver", "sender"]


def _wish(setup: Setup, index: int) -> Subscription:
    return Subscription("frames", f"receiver{index}", QoS(setup.qos), setup.capacity)


class _Sender:
    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._size = setup.size
        wishes = [_wish(setup, index) for index in range(setup.receivers)]
        self._publisher = ShmBroker(Path(setup.folder) / "run").publisher("frames", wishes)
        self._image = blank(setup.shape)
        self._epoch = time.time_ns()

    def send(self, sequence: int) -> None:
        if self._setup.in_place:
            image = self._publisher.allocate(self._setup.shape, np.dtype(np.uint8))
        else:
            image = self._image.view()
        stamp(image, self._size, sequence)
        frame = Frame(data=image, id=sequence, sequence=sequence, epoch=self._epoch, topic="frames")
        self._publisher.publish(frame, 0.2)

    def close(self) -> None:
        self._publisher.close()


class _Receiver:
    def __init__(self, setup: Setup) -> None:
        broker = ShmBroker(Path(setup.folder) / "run")
        self._subscriber = broker.subscriber([_wish(setup, setup.index)])
        self._delivery: Any = None

    def receive(self) -> Any:
        if self._delivery is not None:
            self._subscriber.ack(self._delivery)
            self._delivery = None
        delivery = self._subscriber.receive(0.2)
        if delivery is None:
            return None
        self._delivery = delivery
        return delivery.frame.data

    def close(self) -> None:
        self._subscriber.close()


sender, receiver = _Sender, _Receiver
