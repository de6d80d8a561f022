"""The inner loop of each kind of node. No copy of a payload is made here."""

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, cast

from edgeflow.comms.brokers.base import Delivery, Subscriber
from edgeflow.core.clock import Clock
from edgeflow.core.frame import Frame, Hop
from edgeflow.core.graph import NodeSpec, OnError, Role
from edgeflow.nodes.align import TimeAligner
from edgeflow.nodes.base import Node
from edgeflow.nodes.consumer import ConsumerNode
from edgeflow.nodes.fusion import FusionNode
from edgeflow.nodes.gateway.node import GatewayNode
from edgeflow.nodes.producer import ProducerNode
from edgeflow.nodes.sink import SinkNode
from edgeflow.runtime.emitter import Emitter, StoppedError, results
from edgeflow.runtime.reports import NodeStats

__all__ = ["LOOPS", "NodeCrashError", "RunningNode"]

RECEIVE_SECONDS = 0.5
DRAIN_SECONDS = 0.1
IDLE_SECONDS = 0.001


class NodeCrashError(Exception):
    """User code raised and the node is to be restarted or stopped; ``error`` is what it raised."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


class RunningNode(Protocol):
    """What a loop works with: one instance of a node, configured, with its links open.

    Attributes:
        draining: the end is near; what is still in the input is to be processed.
        finishing: set by a loop that ended of its own accord.
        channels: what a gateway calls its input topics.
    """

    spec: NodeSpec
    host: str
    clock: Clock
    node: Node | None
    emitter: Emitter | None
    subscriber: Subscriber | None
    stats: NodeStats
    stopping: threading.Event
    draining: bool
    finishing: bool
    has_consumers: bool
    channels: dict[str, str]

    @property
    def cut_off(self) -> bool:
        """True when waiting any longer is no use."""
        ...

    def clock_ahead_ns(self, host: str) -> int | None:
        """Return the clock of ``host`` minus ours; None when it is not known."""
        ...

    def user_error(self, error: BaseException) -> None:
        """Count and log an exception of user code."""
        ...


def _produce(run: RunningNode) -> None:
    node, emitter, stats = cast("ProducerNode", run.node), run.emitter, run.stats
    clock, stopping = run.clock, run.stopping
    assert emitter is not None  # noqa: S101 - a producer always has one
    monotonic_ns, add = clock.monotonic_ns, stats.process.add
    due_ns = monotonic_ns()
    while not stopping.is_set():
        entered = monotonic_ns()
        timestamp = clock.time()
        value = None
        try:
            value = node.produce()
            if value is not None:
                left = monotonic_ns()
                begun = min(node.received_ns or entered, left)
                add(left - begun)
                emitter.produced(value, timestamp, Hop(node.name, run.host, begun, left))
                stats.frames_out += 1
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever user code raises is handled
            _handle(run, error)
        due_ns = _pace(run, node.fps, due_ns) if node.fps or value is None else entered
    if not run.draining:
        run.finishing = True


def _pace(run: RunningNode, fps: float | None, due_ns: int) -> int:
    """Wait for the next tick of a fixed grid, so that the rate does not drift; return it.

    Without a rate, wait a moment: there was nothing to produce.
    """
    clock = run.clock
    if not fps:
        clock.wait(run.stopping, IDLE_SECONDS)
        return clock.monotonic_ns()
    period = int(1e9 / fps)
    now = clock.monotonic_ns()
    due_ns += period
    if due_ns < now - period:
        due_ns += (now - due_ns) // period * period
    if due_ns > now:
        clock.wait(run.stopping, (due_ns - now) / 1e9)
    return due_ns


def _handle(run: RunningNode, error: Exception) -> None:
    run.user_error(error)
    if run.spec.on_error is not OnError.SKIP:
        raise NodeCrashError(error) from error


def _next(run: RunningNode, subscriber: Subscriber, timeout: float) -> Delivery | None:
    """Receive; at the end only a whole time of silence counts, not a ``wake``."""
    begun_draining = run.draining
    since = time.monotonic() if begun_draining else 0.0
    delivery = subscriber.receive(DRAIN_SECONDS if begun_draining else timeout)
    if delivery is not None or not run.draining:
        return delivery
    over = (since if begun_draining else time.monotonic()) + DRAIN_SECONDS
    while delivery is None and (left := over - time.monotonic()) > 0:
        if run.stopping.is_set():
            break
        delivery = subscriber.receive(left)
    return delivery


def _receive(run: RunningNode) -> Delivery | None:
    subscriber = run.subscriber
    assert subscriber is not None  # noqa: S101 - whoever receives has one
    delivery = _next(run, subscriber, RECEIVE_SECONDS)
    if delivery is None:
        return None
    run.stats.frames_in += 1
    trace = delivery.frame.trace
    ahead_ns = run.clock_ahead_ns(trace[-1].host) if trace else None
    if ahead_ns is not None:
        counters = subscriber.links.get(delivery.subscription.topic)
        if counters is not None:
            way_ns = run.clock.monotonic_ns() + ahead_ns - trace[-1].left_ns
            counters.latency.add(max(0, way_ns))
    return delivery


def _each_delivery(run: RunningNode, work: Callable[[Frame], None]) -> None:
    """Feed every delivery to ``work``; acknowledge what succeeded, give back what did not."""
    subscriber = run.subscriber
    assert subscriber is not None  # noqa: S101 - whoever receives has one
    node, stopping = run.node, run.stopping
    assert node is not None  # noqa: S101 - the runner made it
    while not stopping.is_set():
        delivery = _receive(run)
        if delivery is None:
            if run.draining:
                return
            continue
        node.frame = delivery.frame
        try:
            work(delivery.frame)
        except StoppedError:
            subscriber.nack(delivery)
            raise
        except Exception as error:
            run.user_error(error)
            if run.spec.on_error is not OnError.SKIP:
                subscriber.nack(delivery)
                raise NodeCrashError(error) from error
        finally:
            node.frame = None
        del delivery.frame  # so that the end of a lease is told together with the acknowledgement
        subscriber.ack(delivery)
        if run.draining and run.cut_off:
            return
        del delivery  # an array may be a lease on the link's memory


def _consume(run: RunningNode) -> None:
    node, emitter, stats = cast("ConsumerNode", run.node), run.emitter, run.stats
    assert emitter is not None  # noqa: S101 - a consumer always has one
    monotonic_ns, add, name, host = run.clock.monotonic_ns, stats.process.add, node.name, run.host
    is_end = not run.has_consumers

    def work(frame: Frame) -> None:
        entered = monotonic_ns()
        value = node.process(frame.data)
        left = monotonic_ns()
        if value is not None:
            for result in results(value):
                left = monotonic_ns()
                emitter.processed(result, frame, Hop(name, host, entered, left))
                stats.frames_out += 1
        add(left - entered)
        if is_end:
            stats.finish(frame, Hop(name, host, entered, left))

    _each_delivery(run, work)


def _end_of_graph(run: RunningNode, take: Callable[[Frame], None]) -> None:
    stats, name, host = run.stats, run.spec.name, run.host
    monotonic_ns = run.clock.monotonic_ns

    def work(frame: Frame) -> None:
        entered = monotonic_ns()
        take(frame)
        left = monotonic_ns()
        stats.process.add(left - entered)
        stats.finish(frame, Hop(name, host, entered, left))

    _each_delivery(run, work)


def _sink(run: RunningNode) -> None:
    _end_of_graph(run, cast("SinkNode", run.node).write)


def _gateway(run: RunningNode) -> None:
    interfaces = cast("GatewayNode", run.node).interfaces
    channels = run.channels

    def show(frame: Frame) -> None:
        channel = channels.get(frame.topic)
        if channel is not None:
            frame = frame.replace(topic=channel)
        for interface in interfaces:
            interface.on_frame(frame)

    _end_of_graph(run, show)


def _fuse(run: RunningNode) -> None:
    """Align deliveries by capture time; each is acknowledged once its set is processed.

    What still waits for partners when the node crashes or is told to stop is not acknowledged.
    """
    node, emitter, stats = cast("FusionNode", run.node), run.emitter, run.stats
    subscriber = run.subscriber
    assert emitter is not None and subscriber is not None  # noqa: S101 - a fusion always has both
    topics = list(subscriber.links)
    held: dict[int, Delivery] = {}

    def done(delivery: Delivery) -> None:
        del held[id(delivery)]
        subscriber.ack(delivery)

    aligner: TimeAligner[Delivery] = TimeAligner(
        len(topics),
        node.slop,
        timestamp=lambda delivery: delivery.frame.timestamp,
        patience=max(node.patience, 2 * node.slop),
        partial_after=node.partial_after,
        on_drop=done,
    )
    monotonic_ns = run.clock.monotonic_ns
    while not run.stopping.is_set():
        delivery = _next(run, subscriber, DRAIN_SECONDS)
        if delivery is None:
            sets = aligner.poll(monotonic_ns() / 1e9)
        else:
            stats.frames_in += 1
            held[id(delivery)] = delivery
            index = topics.index(delivery.subscription.topic)
            sets = aligner.push(index, delivery, monotonic_ns() / 1e9)
        stats.late, stats.unmatched = aligner.late, aligner.unmatched
        for found in sets:
            deliveries = [delivery for delivery in found if delivery is not None]
            try:
                _fuse_set(run, found, deliveries[0].frame)
            except (StoppedError, NodeCrashError):
                _give_back(subscriber, deliveries, held)
                raise
            for each in deliveries:
                done(each)
        if run.draining and run.cut_off:
            return
        if run.draining and delivery is None:
            aligner.flush()
            stats.unmatched = aligner.unmatched
            return


def _fuse_set(run: RunningNode, found: list[Delivery | None], first: Frame) -> None:
    node, emitter = cast("FusionNode", run.node), run.emitter
    assert emitter is not None  # noqa: S101 - a fusion always has one
    entered = run.clock.monotonic_ns()
    try:
        node.frame = first
        frames = [delivery.frame if delivery else None for delivery in found]
        value = node.process(cast("Any", frames))
        left = run.clock.monotonic_ns()
        for result in results(value):
            emitter.processed(result, first, Hop(node.name, run.host, entered, left))
            run.stats.frames_out += 1
        run.stats.process.add(left - entered)
    except StoppedError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever user code raises is handled
        _handle(run, error)
    finally:
        node.frame = None
    if not run.has_consumers:
        run.stats.finish(first, Hop(node.name, run.host, entered, run.clock.monotonic_ns()))


def _give_back(subscriber: Subscriber, failed: list[Delivery], held: dict[int, Delivery]) -> None:
    """Refuse everything, so that the set that failed comes first again and alone."""
    for delivery in failed:
        del held[id(delivery)]
    for delivery in [*reversed(held.values()), *reversed(failed)]:
        subscriber.nack(delivery)


LOOPS: dict[Role, Callable[[RunningNode], None]] = {
    Role.PRODUCER: _produce,
    Role.CONSUMER: _consume,
    Role.FUSION: _fuse,
    Role.SINK: _sink,
    Role.GATEWAY: _gateway,
}
