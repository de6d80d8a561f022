"""The simulation itself: blocks of frames and what is true about them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeflow.sensing.simulate.acting import Fall, perform
from edgeflow.sensing.simulate.bodies import Animal, Door, Human, Points
from edgeflow.sensing.simulate.channel import Channel, Complexes
from edgeflow.sensing.simulate.receiver import REPORTED_NOISE, Receiver
from edgeflow.sensing.simulate.scenario import Scenario
from edgeflow.sensing.simulate.tracks import Floats
from edgeflow.sensing.simulate.traffic import arrivals, lengths
from edgeflow.sensing.simulate.vital import Chest

__all__ = ["Block", "Frame", "Simulation", "Truth", "around"]

BLOCK_FRAMES = 2000
OWN, STRANGER = 1, 2


def around(scenario: Scenario, count: int) -> list[Scenario]:
    """The scenario as heard from several places: its own receiver, and others along the walls."""
    width, depth, _ = scenario.room.size
    height = scenario.radio.receiver[2]
    places = [scenario.radio.receiver]
    for number in range(1, count):
        turn = 2 * np.pi * number / count
        x, y = width * (0.5 + 0.45 * np.cos(turn)), depth * (0.5 + 0.45 * np.sin(turn))
        places.append((float(x), float(y), height))
    return [replace(scenario, radio=replace(scenario.radio, receiver=place)) for place in places]


class _Thing(Protocol):
    def points(self, times: Floats) -> Points: ...
    def moving(self, times: Floats) -> NDArray[np.bool_]: ...


class Frame(NamedTuple):
    """One frame as a node has it; the fields of ``ef_csi_frame``, and the number on the wire.

    Attributes:
        time_us: from the start of the simulation.
        pairs: i8[2 * subcarriers], imaginary part first.
        source: 1 the own sender, 2 somebody else.
        sequence: rises by one with every frame sent; a lost frame leaves a gap.
    """

    time_us: int
    pairs: NDArray[np.int8]
    subcarriers: int
    rssi: int
    noise_floor: int
    channel: int
    source: int
    sequence: int

    @property
    def payload(self) -> bytes:
        """The pairs as they travel in a raw packet."""
        return self.pairs.tobytes()


@dataclass(frozen=True, slots=True)
class Block:
    """Frames in a row. Frame i has ``pairs[i, : 2 * subcarriers[i]]``; the rest is zero.

    Attributes:
        time_us: u64[frames], rising.
        pairs: i8[frames, 2 * longest].
        subcarriers: u16[frames].
        rssi: i8[frames].
        source: u8[frames].
        sequence: u32[frames].
    """

    time_us: NDArray[np.uint64]
    pairs: NDArray[np.int8]
    subcarriers: NDArray[np.uint16]
    rssi: NDArray[np.int8]
    source: NDArray[np.uint8]
    sequence: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.time_us)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true at some times.

    Attributes:
        persons: u8[times], in the room.
        presence: bool[times], anybody in the room.
        motion: bool[times], somebody in the room moves more than the chest.
        disturbed: bool[times], a pet or the door moves.
        breathing_bpm, heart_bpm: f64[times, persons of the scenario], cycles of the last 30 s; NaN
            while that person is not in the room.
        moving: bool[times, persons].
        fallen: bool[times], somebody fell within the last 10 s.
    """

    persons: NDArray[np.uint8]
    presence: NDArray[np.bool_]
    motion: NDArray[np.bool_]
    disturbed: NDArray[np.bool_]
    breathing_bpm: Floats
    heart_bpm: Floats
    moving: NDArray[np.bool_]
    fallen: NDArray[np.bool_]


class Simulation:
    """A scenario, ready to be listened to. Iterate for frames, or take ``blocks()`` for speed.

    Every iteration starts anew and gives the same frames. Blocks do not depend on each other, so
    days can be simulated without keeping them.

    Args:
        scenario: what to simulate.
        node: several nodes hear the same people, each with its own noise, losses and echoes; see
            ``around`` for where they are.
    """

    def __init__(self, scenario: Scenario, node: int = 0) -> None:
        self.scenario, self._node = scenario, node
        radio, room, seconds = scenario.radio, scenario.room, scenario.seconds
        self._channel = Channel(self._stream(1), room, radio, radio.transmitter, seconds)
        self._receiver = Receiver(self._stream(2), radio)
        rng = np.random.default_rng((scenario.seed, 0))
        self._humans = [
            Human(
                rng,
                perform(rng, person, room, seconds),
                Chest(rng, person.breathing, person.heart, seconds),
                person,
                (np.array(radio.transmitter) + np.array(radio.receiver)) / 2,
            )
            for person in scenario.persons
        ]
        self._animals = [Animal(rng, pet, room, seconds) for pet in scenario.pets]
        self._doors = [Door(scenario.door_moves, room)] if scenario.door_moves else []
        beside = (radio.transmitter[0], radio.transmitter[1] + 0.06, radio.transmitter[2])
        self._second = (
            Channel(self._stream(3), room, radio, beside, seconds) if radio.lengths[2] else None
        )
        away = tuple(self._stream(4).uniform((0.5, 0.5, 1.0), np.array(room.size) - 0.4))
        self._stranger = (
            Channel(self._stream(5), room, radio, away, seconds) if radio.strangers else None
        )

    @property
    def falls(self) -> list[tuple[int, Fall]]:
        """Falls within the scenario: (number of the person, when)."""
        return [
            (number, fall)
            for number, human in enumerate(self._humans)
            for fall in human.script.falls
            if fall.start < self.scenario.seconds
        ]

    def __iter__(self) -> Iterator[Frame]:
        channel = self.scenario.radio.channel
        for block in self.blocks():
            rows = zip(
                block.time_us.tolist(),
                block.subcarriers.tolist(),
                block.rssi.tolist(),
                block.source.tolist(),
                block.sequence.tolist(),
                block.pairs,
                strict=True,
            )
            for time_us, count, rssi, source, sequence, pairs in rows:
                yield Frame(
                    time_us,
                    pairs[: 2 * count],
                    count,
                    rssi,
                    REPORTED_NOISE,
                    channel,
                    source,
                    sequence,
                )

    def blocks(self) -> Iterator[Block]:
        """All frames, some seconds at a time."""
        radio = self.scenario.radio
        width = max(1.0, BLOCK_FRAMES / (radio.rate_hz + radio.extra_hz))
        sent = 0
        for number in range(int(np.ceil(self.scenario.seconds / width))):
            rng = self._stream(10 + number)
            end = min((number + 1) * width, self.scenario.seconds)
            times, lost = arrivals(rng, radio, number * width, end)
            sequence = np.arange(sent, sent + len(times), dtype=np.int64) & 0xFFFFFFFF
            sent += len(times)
            times, sequence = times[~lost], sequence[~lost]
            if len(times):
                yield self._block(rng, times, sequence.astype(np.uint32))

    def truth(self, times: Floats) -> Truth:
        """What is true at these times (seconds, f64[times])."""
        shape = (len(times), len(self._humans))
        inside, moving = np.zeros(shape, bool), np.zeros(shape, bool)
        breathing, heart = np.full(shape, np.nan), np.full(shape, np.nan)
        for number, human in enumerate(self._humans):
            there = human.present(times)
            inside[:, number], moving[:, number] = there, human.moving(times)
            breathing[there, number] = human.chest.breaths.bpm(times[there])
            heart[there, number] = human.chest.beats.bpm(times[there])
        disturbed = np.zeros(len(times), bool)
        others: tuple[_Thing, ...] = (*self._animals, *self._doors)
        for thing in others:
            disturbed |= thing.moving(times)
        fallen = np.zeros(len(times), bool)
        for _, fall in self.falls:
            fallen |= (times >= fall.start) & (times < fall.end + 10)
        return Truth(
            inside.sum(axis=1).astype(np.uint8),
            inside.sum(axis=1) > 0,
            moving.sum(axis=1) > 0,
            disturbed,
            breathing,
            heart,
            moving,
            fallen,
        )

    def _stream(self, number: int) -> np.random.Generator:
        return np.random.default_rng((self.scenario.seed, number, self._node))

    def _block(
        self, rng: np.random.Generator, times: Floats, sequence: NDArray[np.uint32]
    ) -> Block:
        radio = self.scenario.radio
        counts = lengths(rng, radio, len(times))
        strange = rng.random(len(times)) < radio.strangers
        pairs = np.zeros((len(times), 2 * int(counts.max())), dtype=np.int8)
        rssi = np.zeros(len(times), dtype=np.int8)
        for channel, chosen in ((self._channel, ~strange), (self._stranger, strange)):
            if channel is None or not chosen.any():
                continue
            coefficients = np.zeros((len(times), channel.basis.shape[0]), dtype=np.complex64)
            coefficients[chosen] = self._listen(channel, times[chosen])
            for length in (64, 128, 192):
                rows = chosen & (counts == length)
                if rows.any():
                    second = (
                        self._listen(self._second, times[rows])
                        if length == 192 and self._second
                        else None
                    )
                    heard, strength = self._receiver.hear(
                        rng, coefficients[rows], second, channel.basis, length
                    )
                    pairs[rows, : 2 * length], rssi[rows] = heard, strength
        return Block(
            np.rint(times * 1e6).astype(np.uint64),
            pairs,
            counts,
            rssi,
            np.where(strange, STRANGER, OWN).astype(np.uint8),
            sequence,
        )

    def _listen(self, channel: Channel, times: Floats) -> Complexes:
        coefficients = channel.empty(times)
        things: tuple[_Thing, ...] = (*self._humans, *self._animals, *self._doors)
        for thing in things:
            coefficients += channel.scattered(thing.points(times))
        return coefficients
