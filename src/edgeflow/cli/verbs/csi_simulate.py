"""``csi simulate``: nodes that are only software, in rooms that are only software."""

import signal
import time
from collections.abc import Iterator
from itertools import takewhile
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from edgeflow.cli.terminal import JsonOption, narrate, write, write_json
from edgeflow.cli.verbs.csi_updates import modules_of, update_servers
from edgeflow.errors import ConfigError

if TYPE_CHECKING:
    from edgeflow.devices.virtual.csi_node import CsiFleet, Packet
    from edgeflow.sensing.simulate import Scenario

__all__ = ["simulate"]

OWN_ROOMS = 8
"""So many nodes hear frames of their own; more of them play those again and again."""
TAPE_SECONDS = 60.0
MOST_HZ = 50.0
"""What is heard more often is thinned as the firmware does it."""
MAX_FILE = 16 << 20
YEAR = 366 * 86400.0


def simulate(
    name: Annotated[
        str, typer.Argument(metavar="[SCENARIO]", help="Its name, or a JSON file of one.")
    ] = "breathing",
    *,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where to send.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="UDP port.")] = 5005,
    nodes: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="How many nodes send.")
    ] = 1,
    seconds: Annotated[
        float, typer.Option(metavar="S", min=0.1, max=8 * 86400, help="How long it lasts.")
    ] = 60.0,
    rate: Annotated[
        float | None, typer.Option(metavar="HZ", min=1, max=1000, help="Frames per second.")
    ] = None,
    tier: Annotated[
        int, typer.Option(metavar="N", min=0, max=2, help="1 and 2 send vitals, too.")
    ] = 0,
    compress: Annotated[
        bool | None,
        typer.Option(
            "--compress/--no-compress",
            help="Frames without loss, as the firmware sends them. Default: from tier 1 on.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another seed, another room.")] = 1,
    speed: Annotated[
        float, typer.Option(metavar="X", min=0.01, max=1000, help="How much faster than life.")
    ] = 1.0,
    loss: Annotated[
        float, typer.Option(metavar="P", min=0, max=1, help="Part of the datagrams to lose.")
    ] = 0.0,
    turns: Annotated[
        bool, typer.Option("--turns", help="Each node sends in its own turn (tdm_slot).")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a new capture instead of sending.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what is true, a JSON line a second.")
    ] = None,
    ota_port: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=65535, help="Nodes take updates, from this port on."),
    ] = None,
    ota_key: Annotated[
        str | None, typer.Option(metavar="SECRET", help="What an update has to show: env:NAME ...")
    ] = None,
    ota_public_key: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What signed it: file:KEY.pub.")
    ] = None,
    wasm_pubkey: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Nodes with --ota-port run modules that it signed."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Send what WiFi nodes would hear in a room with people in it.

    Scenarios: apnea, breathing, day, door, empty, falling, pet, three-persons, two-persons,
    walking. Frames are real packets on a real socket; nothing of this was received by an antenna.
    More than 8 nodes play the frames of the first 8 again and again.
    """
    scenario = _scenario(name, seed, seconds, rate)
    if truth is not None:
        _write_truth(scenario, truth)
    modules = []
    if wasm_pubkey is not None:
        if ota_port is None or out is not None:
            raise typer.BadParameter("--wasm-pubkey needs --ota-port, and no --out")
        modules = modules_of(scenario, nodes, ota_key, wasm_pubkey, compress=compress is not False)
    sources = [sent for _, sent in modules] or _sources(
        scenario, nodes, tier, compress=compress, whole=out is not None
    )
    if out is not None:
        count = _capture(out, sources)
        narrate(f"{out}: {count} datagrams")
        return 0
    from edgeflow.devices.virtual.csi_node import CsiFleet

    fleet = CsiFleet((host, port), sources, speed=speed, loss=loss, seed=seed, turns=turns)
    able = [each for each, _ in modules]
    with update_servers(nodes, ota_port, ota_key, ota_public_key, able):
        who = "1 node sends" if nodes == 1 else f"{nodes} nodes send"
        stopped = _send(fleet, seconds / speed, f"{who} to {host}:{port}")
    stats = fleet.stats
    if json:
        write_json({each: getattr(stats, each) for each in stats.__slots__})
    else:
        write(f"{stats.sent} datagrams sent, {stats.failed} not taken, {stats.skipped} too late")
    if stats.failed > stats.sent // 2:
        narrate(f"does anybody listen at {host}:{port}? edgeflow csi listen --port {port}")
    return 130 if stopped else 0


def _scenario(name: str, seed: int, seconds: float, rate: float | None) -> "Scenario":
    from dataclasses import replace

    import msgspec

    from edgeflow.sensing.simulate import Scenario, preset

    if name.endswith(".json"):
        try:
            with Path(name).open("rb") as file:
                text = file.read(MAX_FILE)
            made = msgspec.json.decode(text, type=Scenario)
        except OSError as error:
            raise ConfigError(f"{name} cannot be read: {error.strerror}") from None
        except msgspec.DecodeError as error:
            raise ConfigError(
                f"{name} is no scenario: {error}", hint="see docs/how-to/simulate-csi.md"
            ) from None
        made = replace(made, seed=seed, seconds=seconds)
    else:
        made = preset(name, seed=seed, seconds=seconds)
    return made if rate is None else replace(made, radio=replace(made.radio, rate_hz=rate))


def _sources(
    scenario: "Scenario", nodes: int, tier: int, *, compress: bool | None, whole: bool
) -> "list[Iterator[Packet]]":
    """What each node sends; a few nodes live, many from tapes."""
    from dataclasses import replace

    from edgeflow.devices.virtual.csi_node import GATE_US, Tape
    from edgeflow.sensing.simulate import Simulation, around
    from edgeflow.sensing.simulate.sending import node_packets

    short = scenario
    if nodes > OWN_ROOMS and not whole:
        short = replace(scenario, seconds=min(scenario.seconds, TAPE_SECONDS))
    rooms = around(short, min(nodes, OWN_ROOMS))
    gate_us = GATE_US if scenario.radio.rate_hz + scenario.radio.extra_hz > MOST_HZ else 0
    live = [
        node_packets(Simulation(room, node), tier=tier, compress=compress, gate_us=gate_us)
        for node, room in enumerate(rooms)
    ]
    if nodes <= OWN_ROOMS:
        return live
    tapes = [Tape(packets) for packets in live]
    end = scenario.seconds * 1e6
    return [
        takewhile(lambda packet: packet.time_us < end, tapes[i % OWN_ROOMS].play(i / nodes))
        for i in range(nodes)
    ]


def _send(fleet: "CsiFleet", seconds: float, title: str) -> bool:
    """Send to the end; whether somebody said stop."""
    from threading import Event

    from edgeflow.runtime.signals import stopping_on_signals

    stop = Event()
    with stopping_on_signals(stop) as caught, fleet:
        narrate(f"{title} for {seconds:g} s; Ctrl+C ends it")
        until = time.monotonic() + min(seconds * 2 + 60, YEAR)
        while not stop.is_set() and not fleet.wait(0.2) and time.monotonic() < until:
            pass
    return bool(caught and caught[0] == signal.SIGINT)


def _capture(path: Path, sources: "list[Iterator[Packet]]") -> int:
    """Write all packets in the order of time."""
    import heapq
    from contextlib import closing

    from edgeflow.devices.virtual.csi_node import numbered
    from edgeflow.sensing.captures import Datagram, open_capture

    streams = [
        ((packet.time_us, index, packet.data) for packet in numbered(source, index % 250 + 1))
        for index, source in enumerate(sources)
    ]
    with closing(open_capture(path)) as capture:
        for time_us, index, data in heapq.merge(*streams):
            capture.write(Datagram(time_us, data, f"127.0.77.{index // 250 + 1}", 5005))
        return capture.count


def _write_truth(scenario: "Scenario", path: Path) -> None:
    """One line a second of the scenario."""
    import msgspec
    import numpy as np

    from edgeflow.sensing.simulate import Simulation

    times = np.arange(0.0, scenario.seconds, 1.0)
    known = Simulation(scenario).truth(times)
    encode = msgspec.json.Encoder().encode
    with _created(path) as file:
        for index, at in enumerate(times.tolist()):
            line = {
                "t": at,
                "presence": bool(known.presence[index]),
                "motion": bool(known.motion[index]),
                "disturbed": bool(known.disturbed[index]),
                "persons": int(known.persons[index]),
                "breathing_bpm": _rates(known.breathing_bpm[index]),
                "heart_bpm": _rates(known.heart_bpm[index]),
                "fallen": bool(known.fallen[index]),
            }
            file.write(encode(line) + b"\n")


def _created(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _rates(values: "Iterator[float]") -> list[float | None]:
    return [None if isnan(value) else round(float(value), 2) for value in values]
