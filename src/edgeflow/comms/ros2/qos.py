"""Quality of service of a topic, in the words of ROS 2."""

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["POLICIES", "TopicQos"]

BLOCKING_MS = 100
"""How long a reliable writer waits for room; what ROS 2 uses, too."""

POLICIES = {2: "durability", 11: "reliability", 23: "data representation", 24: "type definition"}
"""Policies of DDS that keep two sides apart, by their number."""


@dataclass(frozen=True, slots=True)
class TopicQos:
    """How messages of a topic travel.

    Attributes:
        reliability: ``reliable`` sends again what was lost; a ``best_effort`` subscriber hears
            both kinds of publishers, a reliable one only reliable publishers.
        durability: ``transient_local`` publishers give late subscribers their last messages.
        depth: messages kept for one that is slow, or late.
    """

    reliability: Literal["reliable", "best_effort"] = "reliable"
    durability: Literal["volatile", "transient_local"] = "volatile"
    depth: int = 10

    def policies(self, *, writing: bool) -> Any:
        """Return the ``Qos`` of a writer or reader of Cyclone DDS."""
        from cyclonedds.core import Policy, Qos
        from cyclonedds.util import duration

        reliable = Policy.Reliability.Reliable(duration(milliseconds=BLOCKING_MS))
        late = Policy.Durability.TransientLocal
        chosen = [
            reliable if self.reliability == "reliable" else Policy.Reliability.BestEffort,
            late if self.durability == "transient_local" else Policy.Durability.Volatile,
            Policy.History.KeepLast(self.depth),
            Policy.DataRepresentation(
                use_cdrv0_representation=True, use_xcdrv2_representation=not writing
            ),
        ]
        return Qos(*chosen)
