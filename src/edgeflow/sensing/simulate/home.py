"""A home with three rooms, and somebody who walks, sits, sleeps, falls, goes out, has visitors."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

from edgeflow._native.csi import Calibration, CsiOptions, CsiProcessor
from edgeflow.devices.virtual.csi_node import Packet
from edgeflow.sensing.simulate.scenario import Activity, Breathing, Person, Scenario
from edgeflow.sensing.simulate.sending import node_packets
from edgeflow.sensing.simulate.world import Simulation, around

__all__ = ["HOME", "HomeNode", "empty_rooms", "home_nodes"]

DOOR = 12.0
"""Seconds from the door to where somebody is going."""
ROUNDS = 6
EMPTY_SECONDS = 32.0

Stay = tuple[str, tuple[Activity, ...]]

HOME = {"living room": (4, 3), "kitchen": (8, 2), "bedroom": (5, 3)}
"""Rooms with their seeds, and how many nodes hang in each."""


@dataclass(frozen=True, slots=True)
class HomeNode:
    """A node of the home: the room it hangs in, and what it hears there for half an hour."""

    room: str
    scenario: Scenario

    def calibration(self) -> Calibration | None:
        """Return what the node knows of its room when nobody is there."""
        processor = CsiProcessor(CsiOptions())
        empty = replace(self.scenario, persons=(), seconds=EMPTY_SECONDS)
        for frame in Simulation(empty):
            processor.push(frame.time_us, frame.pairs)
        return processor.calibration

    def packets(self) -> Iterator[Packet]:
        """Return what it sends, again and again."""
        for turn in count():
            begin = round(turn * self.scenario.seconds * 1e6)
            for time_us, data in node_packets(Simulation(self.scenario), gate_us=0):
                yield Packet(begin + time_us, data)


def home_nodes(nodes: int = 8) -> list[HomeNode]:
    """Return the first so many nodes of the home, room by room in turn."""
    found: dict[str, list[HomeNode]] = {}
    for room, (seed, places) in HOME.items():
        persons = _persons(room)
        seconds = sum(activity.seconds for activity in persons[0].activities)
        scenario = Scenario(seconds=seconds, seed=seed, persons=persons)
        found[room] = [HomeNode(room, each) for each in around(scenario, places)]
    turns = (list(each) for each in found.values())
    mixed = [node for turn in _in_turn(list(turns)) for node in turn]
    return mixed[:nodes]


def empty_rooms(nodes: list[HomeNode]) -> dict[int | None, Calibration]:
    """Return what nodes 1 and following know of their rooms when nobody is there."""
    learnt = {number: node.calibration() for number, node in enumerate(nodes, 1)}
    return {number: known for number, known in learnt.items() if known is not None}


def _in_turn(lists: list[list[HomeNode]]) -> Iterator[list[HomeNode]]:
    for index in range(max(map(len, lists))):
        yield [each[index] for each in lists if index < len(each)]


def _persons(room: str) -> tuple[Person, ...]:
    resident = Person(_in_room(room, _resident()), Breathing(14.0, 10.0))
    if room != "living room":
        return (resident,)
    return resident, Person(_in_room(room, _visitor()), Breathing(19.0, 10.0))


def _resident() -> Iterator[Stay]:
    """Where somebody is who lives there, stay after stay."""
    for turn in range(ROUNDS):
        yield "living room", (Activity("walk", 20), Activity("sit", 80), Activity("walk", 10))
        fallen = (Activity("fall", 30), Activity("stand", 10)) if turn % 3 == 1 else ()
        yield "kitchen", (Activity("walk", 30), *fallen, Activity("stand", 30))
        yield "bedroom", (Activity("walk", 6), Activity("lie", 80), Activity("walk", 6))
        yield "outside", (Activity("away", 20),)


def _visitor() -> Iterator[Stay]:
    """Every other time somebody sits there, too."""
    for turn, (room, activities) in enumerate(_resident()):
        if room == "living room" and turn % 8 == 4:
            stay = sum(activity.seconds for activity in activities)
            yield room, (Activity("sit", stay),)
        else:
            yield "outside", (Activity("away", _length(room, activities)),)


def _in_room(room: str, stays: Iterator[Stay]) -> tuple[Activity, ...]:
    """Return what is seen in one room: who is in another one is away."""
    seen: list[Activity] = []
    for place, activities in stays:
        if place == room:
            seen += [Activity("enter", DOOR), *activities, Activity("leave", DOOR)]
        else:
            seen.append(Activity("away", _length(place, activities)))
    return tuple(seen)


def _length(place: str, activities: tuple[Activity, ...]) -> float:
    doors = 0.0 if place == "outside" else 2 * DOOR
    return doors + sum(activity.seconds for activity in activities)
