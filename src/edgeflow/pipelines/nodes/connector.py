"""A connector as a producer: its messages become frames for the pipelines of their route."""

import itertools
from collections import deque
from typing import Any

from edgeflow.nodes.output import Output
from edgeflow.nodes.producer import ProducerNode
from edgeflow.pipelines.declaration import ConnectorPlan
from edgeflow.pipelines.envelopes import MessageFrame, as_data
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.nodes.feed import Feed
from edgeflow.pipelines.session import Session

__all__ = ["ConnectorNode"]

WAIT_SECONDS = 0.2


class ConnectorNode(ProducerNode):
    """Sends each message to its pipelines as ``Output(pipeline, frame)``.

    Attributes:
        plan: the connector.
        session: what the flow shares.
    """

    fps = None
    plan: ConnectorPlan
    session: Session

    def configure(self) -> None:
        """Start the connector."""
        self._numbers = itertools.count(max(1, self.next_id))
        self._pending: deque[Output] = deque()
        metrics = self.session.metrics
        self._ingress = {name: metrics.ingress.labels(name) for name in self.plan.pipelines}
        self._count = metrics.messages.labels(self.plan.name)
        self.session.connectors[self.plan.name] = self._feed = Feed(self.plan, self.session)
        self._feed.start()

    def produce(self) -> Output | None:
        """Return the next frame, or None after a moment without one."""
        if self._pending:
            return self._pending.popleft()
        message = self._feed.inbox.get(WAIT_SECONDS)
        if message is not None:
            self.received_ns = int(message.received * 1e9)
            return self._send(message)
        if self._feed.ended:
            self._feed.check()
            self.log.info("connector_ended")
            self.stop()
        return None

    def teardown(self) -> None:
        """Stop the connector."""
        feed = getattr(self, "_feed", None)
        if feed is not None:
            feed.stop()

    def _send(self, message: EdgeMessage) -> Output | None:
        self._count.inc()
        targets = self._targets(message)
        receipt = self._feed.issue(message, max(1, len(targets)))
        if not targets:
            if receipt is not None:
                receipt.done()
            return None
        frame = MessageFrame(
            data=as_data(message.payload),
            id=next(self._numbers),
            timestamp=message.timestamp,
            source=self.name,
            meta=_meta(message),
            message=message,
            receipt=receipt,
        )
        for target in targets:
            self._ingress[target].inc()
            self.session.note_sender(target, self.plan.name, message.sensor_id)
            self._pending.append(Output(target, frame))
        self.log.debug("message_received", sensor=message.sensor_id, pipelines=targets)
        return self._pending.popleft()

    def _targets(self, message: EdgeMessage) -> list[str]:
        wanted = message.pipeline_override or self.plan.ordinary
        known = [name for name in dict.fromkeys(wanted) if name in self.plan.pipelines]
        if len(known) < len(wanted) or not known:
            self.session.metrics.drop("", "unmapped")
            self.log.debug("message_unmapped", sensor=message.sensor_id, pipelines=wanted)
        return known


def _meta(message: EdgeMessage) -> dict[str, Any]:
    meta = {**message.metadata, "sensor": message.sensor_id}
    if message.encoding:
        meta["encoding"] = message.encoding
    return meta
