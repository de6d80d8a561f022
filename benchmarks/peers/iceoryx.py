"""iceoryx2: shared memory; subscribers wait on its event service. Nothing is lost (blocking)."""

import ctypes
from pathlib import Path

import iceoryx2
import numpy as np

from benchmarks.case import Case
from benchmarks.peers import base

_BUFFER = 8


class _Port:
    def __init__(self, case: Case, folder: Path) -> None:
        iceoryx2.set_log_level(iceoryx2.LogLevel.Fatal)
        self.case = case
        self.node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)
        name = iceoryx2.ServiceName.new(folder.name)
        self.service = (
            self.node.service_builder(name)
            .publish_subscribe(iceoryx2.Slice[ctypes.c_uint8])
            .enable_safe_overflow(False)
            .subscriber_max_buffer_size(_BUFFER)
            .max_subscribers(32)
            .payload_alignment(iceoryx2.Alignment.new(64))
            .max_nodes(64)
            .open_or_create()
        )
        event = self.node.service_builder(iceoryx2.ServiceName.new(folder.name + "-event")).event()
        self.events = event.max_listeners(32).max_nodes(64).open_or_create()


class Sender(base.Sender):
    def __init__(self, case: Case, folder: Path) -> None:
        self._port = port = _Port(case, folder)
        self._size = case.size
        self._publisher = (
            port.service.publisher_builder()
            .initial_max_slice_len(case.size)
            .backpressure_strategy(iceoryx2.BackpressureStrategy.RetryUntilDelivered)
            .create()
        )
        self._notifier = port.events.notifier_builder().create()

    def loan(self) -> np.ndarray:
        self._sample = self._publisher.loan_slice_uninit(self._size)
        place = (ctypes.c_uint8 * self._size).from_address(self._sample.payload_ptr)
        return np.frombuffer(place, np.uint8)

    def commit(self) -> None:
        self._sample.assume_init().send()
        self._notifier.notify()

    def send(self, frame: np.ndarray) -> None:
        self.loan()[:] = frame
        self.commit()

    def close(self) -> None:
        del self._publisher, self._notifier


class Receiver(base.Receiver):
    def __init__(self, case: Case, folder: Path, index: int) -> None:
        self._port = port = _Port(case, folder)
        self._size = case.size
        self._subscriber = port.service.subscriber_builder().create()
        self._listener = port.events.listener_builder().create()
        self._sample = None

    def receive(self, timeout: float) -> np.ndarray | None:
        self._sample = self._subscriber.receive()
        while self._sample is None:
            if not self._listener.timed_wait(iceoryx2.Duration.from_secs_f64(timeout)):
                return None
            self._sample = self._subscriber.receive()
        place = (ctypes.c_uint8 * self._size).from_address(self._sample.payload_ptr)
        return np.frombuffer(place, np.uint8)

    def close(self) -> None:
        self._sample = None
        del self._subscriber, self._listener
