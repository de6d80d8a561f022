"""``ShmBroker``: frames between processes of one host, through shared memory, without a server."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeflow.comms.brokers.base import Broker, Subscription
from edgeflow.config import settings
from edgeflow.errors import ConfigError

if TYPE_CHECKING:
    from edgeflow.comms.shm.reader import ShmSubscriber
    from edgeflow.comms.shm.writer import ShmPublisher

__all__ = ["DEFAULT_BUDGET", "ShmBroker"]

DEFAULT_BUDGET = 512 << 20
"""Bytes of shared memory one publisher may use."""


class ShmBroker(Broker):
    """Shared-memory slots announced over unix sockets; Linux only.

    Publishers and subscribers that are alive at the same time find each other through the run
    folder. A DURABLE frame waits in the memory of its publisher and dies with it.

    Args:
        run_dir: folder of the sockets; default ``settings.RUN_DIR``.
        budget: bytes of shared memory one publisher may use. Four frames always fit.

    Raises:
        ConfigError: this is not Linux.
    """

    via = "shm"

    def __init__(self, run_dir: Path | str | None = None, *, budget: int = DEFAULT_BUDGET) -> None:
        if sys.platform != "linux":
            raise ConfigError("shared memory needs Linux", hint="use via='tcp' or a Redis broker")
        self._run_dir = Path(run_dir) if run_dir is not None else None
        self._budget = budget

    @property
    def run_dir(self) -> Path:
        """Folder of the sockets."""
        return self._run_dir if self._run_dir is not None else settings.RUN_DIR

    def publisher(
        self, topic: str, groups: Sequence[Subscription] = (), *, codec: str = "raw"
    ) -> "ShmPublisher":
        """Return a publisher. ``groups`` hold frames from now on, each under its own QoS."""
        from edgeflow.comms.shm.places import topic_folder
        from edgeflow.comms.shm.writer import ShmPublisher

        folder = topic_folder(self.run_dir, self.app, topic)
        return ShmPublisher(folder, topic, groups, codec, self._budget)

    def subscriber(self, subscriptions: Sequence[Subscription]) -> "ShmSubscriber":
        """Return a subscriber; it joins the publishers that exist, and later ones as they come."""
        from edgeflow.comms.shm.places import topic_folder
        from edgeflow.comms.shm.reader import ShmSubscriber

        run_dir = self.run_dir
        return ShmSubscriber(
            [(wish, topic_folder(run_dir, self.app, wish.topic)) for wish in subscriptions]
        )

    def topics(self, app: str | None = None) -> list[str]:
        """Return the topics of ``app`` (default: this broker's) that have a live publisher."""
        from edgeflow.comms.shm.places import live_topics

        return live_topics(self.run_dir, self.app if app is None else app)

    def close(self) -> None:
        """Nothing to do: publishers and subscribers own what there is."""
