"""Turns what user code returns into frames and hands them to the links."""

import time
from collections.abc import Callable, Iterator
from types import GeneratorType
from typing import Any

import numpy as np

from edgeflow.core.frame import Frame, Hop
from edgeflow.errors import NodeError, PayloadError, did_you_mean
from edgeflow.nodes.output import Output
from edgeflow.runtime.planes import Route

__all__ = ["Emitter", "StoppedError", "results"]

_PAYLOADS = (np.ndarray, bytes, str, dict, list, bytearray, memoryview)
_RETRY_SECONDS = 0.2


class StoppedError(Exception):
    """The node was told to end while a full link held it back."""


def results(value: Any) -> Iterator[Any]:
    """Yield the single results in what ``process`` returned."""
    if value is None:
        return
    if isinstance(value, list | GeneratorType):
        for item in value:
            if item is not None:
                yield item
    else:
        yield value


class Emitter:
    """Numbers, stamps and publishes the frames of one node instance.

    Args:
        node: name of the node.
        host: name of this host.
        routes: topics and their publishers.
        cancelled: asked while a full DURABLE link holds the node back.
    """

    def __init__(
        self, node: str, host: str, routes: list[Route], cancelled: Callable[[], bool]
    ) -> None:
        self.node = node
        self.host = host
        self.routes = routes
        self.publishers = [publisher for route in routes for _, publisher in route.publishers]
        self.epoch = time.time_ns()
        self.next_id = max((p.next_id() for p in self.publishers), default=0)
        self._sequence = 0
        self._outputs = frozenset(route.output for route in routes if route.output is not None)
        self._cancelled = cancelled

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> "np.ndarray[Any, Any]":
        """Return a writable array in the memory of the first link."""
        if not self.publishers:
            return np.empty(shape, dtype)
        return self.publishers[0].allocate(shape, np.dtype(dtype))

    def produced(self, value: Any, timestamp: float, hop: Hop) -> None:
        """Publish what ``produce`` returned."""
        meta: dict[str, Any] = {}
        value, output = self._unwrap(value)
        if isinstance(value, Frame):
            self._publish(self._complete(value, timestamp), hop, output)
            return
        if type(value) is tuple:
            value, meta = _data_and_meta(value)
        frame = Frame(
            data=_sealed(value),
            id=self.next_id,
            timestamp=timestamp,
            source=self.node,
            topic=self.node,
            sequence=self._sequence,
            epoch=self.epoch,
            meta=meta,
            trace=(hop,),
        )
        self._send(frame, output)
        self.next_id += 1

    def _complete(self, frame: Frame, timestamp: float) -> Frame:
        frame = frame.replace(
            id=frame.id or self.next_id,
            timestamp=frame.timestamp or timestamp,
            source=frame.source or self.node,
        )
        self.next_id = max(self.next_id, frame.id + 1)
        return frame

    def processed(self, value: Any, origin: Frame, hop: Hop) -> None:
        """Publish one result of ``process`` that was made from ``origin``."""
        meta = origin.meta
        value, output = self._unwrap(value)
        if isinstance(value, Frame):
            base = value.replace(
                id=value.id or origin.id,
                timestamp=value.timestamp or origin.timestamp,
                source=value.source or origin.source,
                meta={**meta, **value.meta} if value.meta is not meta else meta,
                trace=value.trace or origin.trace,
                redelivered=value.redelivered or origin.redelivered,
            )
            self._publish(base, hop, output)
            return
        if type(value) is tuple:
            value, extra = _data_and_meta(value)
            meta = {**meta, **extra} if extra else meta
        self._send(
            Frame(
                data=_sealed(value),
                id=origin.id,
                timestamp=origin.timestamp,
                source=origin.source,
                topic=self.node,
                sequence=self._sequence,
                epoch=self.epoch,
                meta=meta,
                trace=(*origin.trace, hop),
                redelivered=origin.redelivered,
            ),
            output,
        )

    def _unwrap(self, value: Any) -> tuple[Any, str | None]:
        """Return what is to be sent, and the output it is for."""
        if not isinstance(value, Output):
            return value, None
        if self._outputs and value.name not in self._outputs:
            raise NodeError(
                f"node {self.node!r} has no link with output={value.name!r}",
                hint=did_you_mean(value.name, sorted(self._outputs)),
            )
        return value.value, value.name

    def _publish(self, frame: Frame, hop: Hop, output: str | None) -> None:
        self._send(
            frame.replace(
                data=_sealed(frame.data),
                topic=self.node,
                sequence=self._sequence,
                epoch=self.epoch,
                trace=(*frame.trace, hop),
            ),
            output,
        )

    def _send(self, frame: Frame, output: str | None) -> None:
        for route in self.routes:
            if route.output is not None and route.output != output:
                continue
            if route.topic != frame.topic:
                frame = frame.replace(topic=route.topic)
            for _, publisher in route.publishers:
                while not publisher.publish(frame, _RETRY_SECONDS):
                    if self._cancelled():
                        raise StoppedError
        self._sequence += 1

    def close(self) -> None:
        """Close every publisher."""
        for publisher in self.publishers:
            publisher.close()


def _sealed(data: Any) -> Any:
    """Return the payload, an array marked read-only."""
    if isinstance(data, np.ndarray):
        data.setflags(write=False)
    elif not isinstance(data, _PAYLOADS):
        raise PayloadError(
            f"a value of type {type(data).__name__} cannot travel",
            hint="return an ndarray, bytes, str, dict or Frame",
        )
    return data


def _data_and_meta(value: tuple[Any, ...]) -> tuple[Any, dict[str, Any]]:
    if len(value) == 2 and isinstance(value[1], dict):
        return value[0], value[1]
    raise PayloadError(
        f"a tuple of {len(value)} values is not (data, meta)",
        hint="return (data, {...}), or a list for several results",
    )
