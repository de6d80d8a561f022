"""What is simulated, as plain data: a room, a radio link, and who is in the room doing what."""

import math
from dataclasses import dataclass, field
from typing import Literal

from edgeflow.errors import ConfigError

__all__ = [
    "Activity",
    "Board",
    "Breathing",
    "DoorMove",
    "Heart",
    "Kind",
    "Person",
    "Pet",
    "Point",
    "Radio",
    "Room",
    "Scenario",
]

MAX_SECONDS = 8 * 86400.0
MAX_ACTIVITIES = 20_000
NEAREST = 0.2

Point = tuple[float, float, float]
"""x, y, z in metres; the room's corner on the floor is the origin."""

Kind = Literal["walk", "stand", "sit", "lie", "squat", "bend", "fall", "enter", "leave", "away"]
"""What somebody does: ``walk`` about; ``stand``, ``sit``, ``lie``, ``squat`` and ``bend`` down
still (getting there first); ``fall`` and stay down (out of the walk, the chair or the stand
before); ``enter`` through the door, ``leave`` through it, be ``away``."""

Board = Literal["esp32", "esp32s3"]


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"simulation: {name} is {value}", hint=f"from {low} to {high}")


@dataclass(frozen=True, slots=True)
class Room:
    """A box with walls that reflect, and furniture that scatters.

    Attributes:
        size: width, depth and height in metres, each 2 to 30.
        door: where people come in, and where the door's hinge is.
        reflection: part of the amplitude that a wall gives back, 0 to 0.9.
        clutter: how many scatterers the furniture makes, at most 64.
        echo: power of the late echoes relative to the direct path.
        echo_ns: how long they last in the mean.
        drift: how far the channel of the empty room wanders within minutes, relative to it.
    """

    size: Point = (5.0, 4.4, 2.6)
    door: tuple[float, float] = (0.2, 1.0)
    reflection: float = 0.4
    clutter: int = 16
    echo: float = 0.35
    echo_ns: float = 28.0
    drift: float = 0.02

    def __post_init__(self) -> None:
        for side in self.size:
            _check("room.size", side, 2, 30)
        _check("room.reflection", self.reflection, 0, 0.9)
        _check("room.clutter", self.clutter, 0, 64)
        _check("room.echo", self.echo, 0, 10)
        _check("room.echo_ns", self.echo_ns, 1, 60)
        _check("room.drift", self.drift, 0, 1)
        _check("room.door", self.door[0], 0, self.size[0])
        _check("room.door", self.door[1], 0, self.size[1])


@dataclass(frozen=True, slots=True)
class Radio:
    """A link: a sender that is heard, and the node that hears it.

    Attributes:
        board: decides the order of the bins and the rubbish in the first word.
        transmitter, receiver: where the antennas are.
        channel: 1 to 13.
        rate_hz: nominal frames per second, 1 to 1000.
        extra_hz: frames per second of other traffic of the same sender.
        jitter_ms: mean lateness of a frame.
        stalls_hz, stall_ms: how often the medium is busy, and for how long in the mean; what waited
            then comes as a burst.
        loss: part of the frames that is lost.
        lengths: share of frames with 64, 128 and 192 bins.
        power_dbm: what the sender radiates.
        through_wall_db: loss on the way, for links that pass a wall or a closed door.
        noise_floor_dbm: what the receiver's own noise amounts to (not what the driver reports).
        distortion_db: error of sender and receiver relative to the signal, whatever its strength.
        interference: part of the frames that are disturbed, and have several times the noise.
        gain_steps: part of the frames whose gain is some decibels off.
        slope_jitter: deviation of the phase slope that the receiver leaves, rad per bin.
        strangers: part of the frames that somebody else sends, from another place.
    """

    board: Board = "esp32"
    transmitter: Point = (0.5, 2.2, 1.0)
    receiver: Point = (4.5, 2.4, 1.0)
    channel: int = 6
    rate_hz: float = 50.0
    extra_hz: float = 0.0
    jitter_ms: float = 2.0
    stalls_hz: float = 1.5
    stall_ms: float = 35.0
    loss: float = 0.02
    lengths: tuple[float, float, float] = (1.0, 0.0, 0.0)
    power_dbm: float = 10.0
    through_wall_db: float = 30.0
    noise_floor_dbm: float = -94.0
    distortion_db: float = -26.0
    interference: float = 0.08
    gain_steps: float = 0.25
    slope_jitter: float = 0.0025
    strangers: float = 0.0

    def __post_init__(self) -> None:
        _check("radio.channel", self.channel, 1, 13)
        _check("radio.rate_hz", self.rate_hz, 1, 1000)
        _check("radio.extra_hz", self.extra_hz, 0, 1000)
        _check("radio.jitter_ms", self.jitter_ms, 0, 1000)
        _check("radio.stalls_hz", self.stalls_hz, 0, 10)
        _check("radio.stall_ms", self.stall_ms, 0, 5000)
        for name in ("loss", "interference", "gain_steps", "strangers"):
            _check(f"radio.{name}", getattr(self, name), 0, 0.95)
        _check("radio.slope_jitter", self.slope_jitter, 0, 1)
        _check("radio.noise_floor_dbm", self.noise_floor_dbm, -200, 0)
        _check("radio.distortion_db", self.distortion_db, -200, 0)
        _check("radio.power_dbm", self.power_dbm, -40, 30)
        _check("radio.through_wall_db", self.through_wall_db, 0, 100)
        if self.board not in ("esp32", "esp32s3"):
            raise ConfigError(f"radio.board: no board {self.board!r}", hint="esp32 or esp32s3")
        if min(self.lengths) < 0 or not math.isclose(sum(self.lengths), 1.0, abs_tol=1e-6):
            raise ConfigError(
                f"radio.lengths: {self.lengths}", hint="three shares whose sum is one"
            )


@dataclass(frozen=True, slots=True)
class Breathing:
    """A chest that moves.

    Attributes:
        bpm: breaths per minute, 4 to 40.
        amplitude_mm: way of the chest's wall, 0 to 20; adults 4 to 12.
        variability: deviation of one breath's length from the next; 0.01 is paced, 0.06 natural.
        apneas: when it stops (seconds from the start) and for how long.
    """

    bpm: float = 15.0
    amplitude_mm: float = 8.0
    variability: float = 0.05
    apneas: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        _check("breathing.bpm", self.bpm, 4, 40)
        _check("breathing.amplitude_mm", self.amplitude_mm, 0, 20)
        _check("breathing.variability", self.variability, 0, 0.3)
        _check("breathing.apneas", len(self.apneas), 0, MAX_ACTIVITIES)
        for start, seconds in self.apneas:
            _check("breathing.apneas start", start, 0, MAX_SECONDS)
            _check("breathing.apneas seconds", seconds, 0, 600)


@dataclass(frozen=True, slots=True)
class Heart:
    """A chest that shakes: beats per minute, way in mm (0.2 to 0.5), deviation of one beat."""

    bpm: float = 68.0
    amplitude_mm: float = 0.3
    variability: float = 0.03

    def __post_init__(self) -> None:
        _check("heart.bpm", self.bpm, 30, 200)
        _check("heart.amplitude_mm", self.amplitude_mm, 0, 2)
        _check("heart.variability", self.variability, 0, 0.3)


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing that somebody does.

    Attributes:
        kind: see ``Kind``.
        seconds: how long, getting there included.
        place: where, for standing, sitting and lying; anywhere if None.
        speed: of walking in m/s.
        hasty: sits or lies down this many times faster than people do at leisure, 1 to 3.
    """

    kind: Kind
    seconds: float
    place: tuple[float, float] | None = None
    speed: float = 1.0
    hasty: float = 1.0

    def __post_init__(self) -> None:
        _check("activity.seconds", self.seconds, 0, MAX_SECONDS)
        _check("activity.speed", self.speed, 0.2, 3)
        _check("activity.hasty", self.hasty, 1, 3)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody.

    Attributes:
        activities: one after the other; the last one goes on to the end.
        breathing, heart: vital signs.
        height: in metres, 0.8 to 2.2.
        size: cross-section relative to an adult's.
        fidgets_per_min: small moves of somebody who sits or stands.
    """

    activities: tuple[Activity, ...] = (Activity("sit", 60.0),)
    breathing: Breathing = field(default_factory=Breathing)
    heart: Heart = field(default_factory=Heart)
    height: float = 1.72
    size: float = 1.0
    fidgets_per_min: float = 0.0

    def __post_init__(self) -> None:
        _check("person.height", self.height, 0.8, 2.2)
        _check("person.size", self.size, 0.1, 3)
        _check("person.fidgets_per_min", self.fidgets_per_min, 0, 60)
        _check("person.activities", len(self.activities), 1, MAX_ACTIVITIES)


@dataclass(frozen=True, slots=True)
class Pet:
    """An animal that runs about.

    Attributes:
        size: relative to an adult. height: in metres. restless: part of the time that it moves.
        jumps: part of its runs that end on furniture, or on the floor again.
    """

    size: float = 0.12
    height: float = 0.3
    restless: float = 0.3
    jumps: float = 0.0

    def __post_init__(self) -> None:
        _check("pet.size", self.size, 0.01, 1)
        _check("pet.height", self.height, 0.05, 1)
        _check("pet.restless", self.restless, 0, 1)
        _check("pet.jumps", self.jumps, 0, 1)


@dataclass(frozen=True, slots=True)
class DoorMove:
    """The door turns to an angle (degrees, 0 is shut) within some seconds."""

    at: float
    angle: float
    seconds: float = 1.2

    def __post_init__(self) -> None:
        _check("door.at", self.at, 0, MAX_SECONDS)
        _check("door.angle", self.angle, 0, 120)
        _check("door.seconds", self.seconds, 0.2, 60)


@dataclass(frozen=True, slots=True)
class Scenario:
    """All of it. The same scenario and seed give the same frames, bit by bit."""

    seconds: float = 60.0
    seed: int = 1
    room: Room = field(default_factory=Room)
    radio: Radio = field(default_factory=Radio)
    persons: tuple[Person, ...] = ()
    pets: tuple[Pet, ...] = ()
    door_moves: tuple[DoorMove, ...] = ()

    def __post_init__(self) -> None:
        _check("seconds", self.seconds, 0.1, MAX_SECONDS)
        _check("persons", len(self.persons), 0, 8)
        _check("pets", len(self.pets), 0, 8)
        _check("door_moves", len(self.door_moves), 0, 100_000)
        _check("seed", self.seed, 0, 2**63)
        for end in (self.radio.transmitter, self.radio.receiver):
            for axis in range(3):
                _check("position of an antenna", end[axis], 0, self.room.size[axis])
        if math.dist(self.radio.transmitter, self.radio.receiver) < NEAREST:
            raise ConfigError(
                "simulation: the antennas touch", hint=f"place them {NEAREST} m apart or more"
            )
        for place in (each.place for one in self.persons for each in one.activities):
            for axis, value in enumerate(place or ()):
                _check("place of an activity", value, 0, self.room.size[axis])
