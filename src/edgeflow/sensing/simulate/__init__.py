"""Rooms that are only software: WiFi channel state as an ESP32 would see it, with the truth."""

from edgeflow.sensing.simulate.acting import Fall
from edgeflow.sensing.simulate.presets import (
    FAST_LINK,
    MIXED_LINK,
    PRESETS,
    day,
    preset,
    scene,
)
from edgeflow.sensing.simulate.scenario import (
    Activity,
    Breathing,
    DoorMove,
    Heart,
    Person,
    Pet,
    Radio,
    Room,
    Scenario,
)
from edgeflow.sensing.simulate.world import Block, Frame, Simulation, Truth, around

__all__ = [
    "FAST_LINK",
    "MIXED_LINK",
    "PRESETS",
    "Activity",
    "Block",
    "Breathing",
    "DoorMove",
    "Fall",
    "Frame",
    "Heart",
    "Person",
    "Pet",
    "Radio",
    "Room",
    "Scenario",
    "Simulation",
    "Truth",
    "around",
    "day",
    "preset",
    "scene",
]
