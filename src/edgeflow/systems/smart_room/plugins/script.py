"""What happens in the virtual room: one script that all its devices follow."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edgeflow.devices.virtual.csi_node import Packet
from edgeflow.sensing.simulate.scenario import Activity, Breathing, Person, Radio, Scenario
from edgeflow.sensing.simulate.sending import node_packets
from edgeflow.sensing.simulate.world import Simulation

__all__ = ["DEFAULT", "Act", "Script"]

CHAIR = (2.0, 2.6)
SEED, BREATHS = 3, 14.0
RATE = 30.0
"""Frames a second of the radio link."""


Shown = Literal["somebody", "nobody", "covered"]


class Act(BaseModel):
    """A stretch of the script.

    Attributes:
        what: somebody is ``in`` the room, ``out``, or in it while the camera is ``covered``.
        seconds: how long.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: Literal["in", "out", "covered"]
    seconds: float = Field(gt=0, le=3600)

    @property
    def somebody(self) -> bool:
        """Whether somebody is in the room."""
        return self.what != "out"


DEFAULT = [
    Act(what="in", seconds=55),
    Act(what="out", seconds=40),
    Act(what="in", seconds=45),
    Act(what="covered", seconds=40),
]


@dataclass(frozen=True, slots=True)
class Script:
    """Acts that follow each other, again and again; at least one.

    Attributes:
        door: seconds through the door; no act is shorter than twice that.
    """

    acts: tuple[Act, ...]
    door: float = 5.0

    @property
    def seconds(self) -> float:
        """How long it takes, once."""
        return sum(act.seconds for act in self.acts)

    def at(self, seconds: float) -> Act:
        """Return the act at a time since the start."""
        return self.acts[self._place(seconds)[0]]

    def seen(self, seconds: float) -> Shown:
        """Return what the camera sees: who comes or goes takes a while through the door."""
        number, passed = self._place(seconds)
        act, before = self.acts[number], self.acts[number - 1]
        if act.what == "covered":
            return "covered"
        through = passed < self.door and before.somebody != act.somebody
        return "somebody" if act.somebody != through else "nobody"

    def _place(self, seconds: float) -> tuple[int, float]:
        """Return the number of an act, and how long it has lasted."""
        rest = seconds % self.seconds
        for number, act in enumerate(self.acts):
            if rest < act.seconds:
                return number, rest
            rest -= act.seconds
        return len(self.acts) - 1, rest

    def scenario(self) -> Scenario:
        """Return what the radio link hears of it, once."""
        person = Person(tuple(self._activities()), Breathing(BREATHS, 12.0))
        return empty_room(self.seconds, (person,))

    def packets(self) -> Iterator[Packet]:
        """Yield what the CSI node sends, script after script."""
        scenario = self.scenario()
        for turn in count():
            begin = round(turn * self.seconds * 1e6)
            for packet in node_packets(Simulation(scenario), gate_us=0):
                yield Packet(begin + packet.time_us, packet.data)

    def _activities(self) -> list[Activity]:
        found: list[Activity] = []
        for before, act in pairwise((self.acts[-1], *self.acts)):
            doors = self.door if before.somebody != act.somebody else 0.0
            stay = act.seconds - doors
            if act.somebody:
                found += [Activity("enter", doors)] * bool(doors)
                found.append(Activity("sit", stay, CHAIR))
            else:
                found += [Activity("leave", doors)] * bool(doors)
                found.append(Activity("away", stay))
        return found


def empty_room(seconds: float, persons: tuple[Person, ...] = ()) -> Scenario:
    """Return the room with its radio link, and nobody in it unless told."""
    return Scenario(seconds=seconds, seed=SEED, persons=persons, radio=Radio(rate_hz=RATE))
