"""What the nodes of one running flow share: the event loop, the models, the numbers, time."""

import threading
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from edgeflow.comms.event_loop import EventLoopThread
from edgeflow.core.status import Activity
from edgeflow.inference.service import InferenceService
from edgeflow.observe.activity import ActivityBook, activities
from edgeflow.pipelines.declaration import Declaration
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.metrics import Metrics
from edgeflow.runtime.emitter import StoppedError

if TYPE_CHECKING:
    from edgeflow.pipelines.nodes.feed import Feed

__all__ = ["Session", "age_s"]

PLAUSIBLE_AGE_S = 3600.0
"""A sensor whose clock says more than this is not believed."""

LINGER_SECONDS = 0.8
MAX_SENDERS = 1024
SLICE_SECONDS = 0.2

T = TypeVar("T")


class Session:
    """One generation of a flow, from start to stop or reload.

    Args:
        declaration: what is run.
        service: runs the models; not closed by the session.
        metrics: counted into.
        book: where alerts and actions are told.
        clock: monotonic seconds.
        now: seconds since the Unix epoch.

    Attributes:
        loop: runs connectors, agents and dispatchers.
        closing: set once the flow is told to end.
        connectors: those that run, by name.
    """

    def __init__(
        self,
        declaration: Declaration,
        service: InferenceService,
        metrics: Metrics | None = None,
        *,
        book: ActivityBook = activities,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.declaration = declaration
        self.service = service
        self.metrics = metrics or Metrics()
        self.clock = clock
        self.now = now
        self.loop = EventLoopThread()
        self.closing = threading.Event()
        self.log = structlog.get_logger("edgeflow.pipelines")
        self.connectors: dict[str, Feed] = {}
        self._senders: dict[tuple[str, str], dict[str, None]] = {}
        self._book = book
        self._linger_until: float | None = None

    @property
    def live(self) -> bool:
        """True until the flow is told to end."""
        return not self.closing.is_set()

    def tell(self, kind: str, text: str, **particulars: Any) -> None:
        """Add to the book of what happened (see ``Activity``)."""
        self._book.add(Activity(kind=kind, text=text, **particulars))

    def age(self, message: EdgeMessage) -> float:
        """Return the age of a message in seconds."""
        return age_s(message, now=self.now(), monotonic=self.clock())

    def note_sender(self, pipeline: str, connector: str, sensor: str) -> None:
        """Remember who feeds a pipeline; called from the connector's thread only."""
        senders = self._senders.setdefault((pipeline, connector), {})
        senders.pop(sensor, None)
        if len(senders) >= MAX_SENDERS:
            del senders[next(iter(senders))]
        senders[sensor] = None

    def senders(self, pipeline: str) -> list[tuple[str, str]]:
        """Return (connector, sensor) of those that feed a pipeline, per connector latest last."""
        return [
            (connector, sensor)
            for (name, connector), sensors in list(self._senders.items())
            if name == pipeline
            for sensor in list(sensors)
        ]

    def linger(self) -> float:
        """Return the seconds left to wait for what is under way while the flow ends."""
        if self._linger_until is None:
            self._linger_until = time.monotonic() + LINGER_SECONDS
        return max(0.0, self._linger_until - time.monotonic())

    @property
    def is_over(self) -> bool:
        """True when the flow ends and what was under way has had its time."""
        return self.closing.is_set() and self.linger() <= 0

    def run(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run ``work`` on the event loop and wait, though not beyond the end of the flow.

        Raises:
            TimeoutError: it took longer than ``timeout`` seconds, or raised this itself.
            StoppedError: the flow has ended meanwhile.
        """
        call = self.loop.begin(work)
        due = time.monotonic() + timeout
        while not call.wait(min(SLICE_SECONDS, max(0.0, due - time.monotonic()))):
            if self.is_over:
                call.cancel()
                raise StoppedError
            if time.monotonic() >= due:
                call.cancel()
                raise TimeoutError(f"no answer within {timeout:g} s")
        return call.result()

    def start(self) -> None:
        """Start the event loop."""
        self.loop.start()

    def close(self) -> None:
        """End the event loop and forget the user's modules; the nodes have ended before."""
        self.closing.set()
        if not self.loop.close():
            self.log.warning("loop_stuck", hint="a connector, agent or action does not return")
        self.declaration.plugins.close()


def age_s(message: EdgeMessage, *, now: float, monotonic: float) -> float:
    """Return the seconds since the sensor's own time stamp.

    A stamp in the future, or more than an hour old, tells of a wrong clock rather than of a slow
    way: then the time since reception counts, which is the least it can be in any case.
    """
    since_reception = max(0.0, monotonic - message.received)
    own = now - message.timestamp
    return max(own, since_reception) if 0 <= own <= PLAUSIBLE_AGE_S else since_reception
