"""iceoryx2: shared memory, lossless, an event service to wake the receiver."""

import ctypes
import hashlib
from typing import Any

import iceoryx2 as iox
import numpy as np

from benchmarks.stamps import Setup, blank, stamp

__all__ = ["receiver", "sender"]

_WAIT = 200


class _Ends:
    """Both services of a run. Both ends must open them with the same options."""

    def __init__(self, setup: Setup) -> None:
        iox.set_log_level(iox.LogLevel.Error)
        name = hashlib.sha1(setup.folder.encode(), usedforsecurity=False).hexdigest()
        self.node = iox.NodeBuilder.new().create(iox.ServiceType.Ipc)
        self.frames = (
            self.node.service_builder(iox.ServiceName.new(f"bench/{name}"))
            .publish_subscribe(iox.Slice[ctypes.c_uint8])
            .max_publishers(1)
            .max_subscribers(max(2, setup.receivers))
            .max_nodes(setup.receivers + 2)
            .subscriber_max_buffer_size(setup.capacity)
            .enable_safe_overflow(False)
            .open_or_create()
        )
        self.events = (
            self.node.service_builder(iox.ServiceName.new(f"bench/{name}/event"))
            .event()
            .max_listeners(max(2, setup.receivers))
            .max_nodes(setup.receivers + 2)
            .open_or_create()
        )


class _Sender:
    def __init__(self, setup: Setup) -> None:
        self._ends = _Ends(setup)
        self._setup = setup
        self._size = setup.size
        self._publisher = (
            self._ends.frames.publisher_builder()
            .initial_max_slice_len(setup.size)
            .backpressure_strategy(iox.BackpressureStrategy.RetryUntilDelivered)
            .create()
        )
        self._notifier = self._ends.events.notifier_builder().create()
        self._image = blank(setup.shape)
        self._address = self._image.ctypes.data
        self.send = self._send_in_place if setup.in_place else self._send_copy

    def _send_copy(self, sequence: int) -> None:
        stamp(self._image, self._size, sequence)
        sample = self._publisher.loan_slice_uninit(self._size)
        ctypes.memmove(sample.payload_ptr, self._address, self._size)
        sample.assume_init().send()
        self._notifier.notify()

    def _send_in_place(self, sequence: int) -> None:
        sample = self._publisher.loan_slice_uninit(self._size)
        image = np.frombuffer(sample.payload().as_memory_view(), np.uint8)
        stamp(image.reshape(self._setup.shape), self._size, sequence)
        sample.assume_init().send()
        self._notifier.notify()

    def close(self) -> None:
        pass


class _Receiver:
    def __init__(self, setup: Setup) -> None:
        self._ends = _Ends(setup)
        self._shape = setup.shape
        self._subscriber = self._ends.frames.subscriber_builder().create()
        self._listener = self._ends.events.listener_builder().create()
        self._timeout = iox.Duration.from_millis(_WAIT)
        self._sample: Any = None

    def receive(self) -> Any:
        self._sample = None
        sample = self._subscriber.receive()
        if sample is None:
            self._listener.timed_wait(self._timeout)
            sample = self._subscriber.receive()
            if sample is None:
                return None
        self._sample = sample
        view = sample.payload().as_memory_view()
        return np.frombuffer(view, np.uint8).reshape(self._shape)

    def close(self) -> None:
        pass


sender, receiver = _Sender, _Receiver
