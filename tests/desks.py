"""A desk on a host that is fed by hand with the frames of simulated rooms."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.sensing.captures import Datagram
from edgeflow.sensing.desk import Desk, with_rooms
from edgeflow.sensing.host import SensingHost
from edgeflow.sensing.rooms import Rooms
from edgeflow.sensing.simulate import Radio, Simulation, preset
from edgeflow.sensing.tracking import TrackOptions

HOST, PORT = "127.0.77.1", 4242
NAME = f"7@{HOST}:{PORT}"


@contextmanager
def desk_of(
    file: Path | None = None, module_key: bytes | None = None
) -> Iterator[tuple[SensingHost, Desk]]:
    rooms = Rooms(file)
    options = with_rooms(TrackOptions(), rooms)
    with SensingHost(port=0, options=options, module_key=module_key) as host:
        desk = Desk(host, rooms)
        yield host, desk
        desk.close()


def datagrams(
    name: str, seconds: float, *, ago: float, port: int = PORT, radio: Radio | None = None
) -> list[Datagram]:
    """What node 7 sends from a simulated room; the first of it came so many seconds ago."""
    begin = time.monotonic_ns() // 1000 - round(ago * 1e6)
    return [
        Datagram(
            begin + frame.time_us,
            RawFrame(7, number, 2412, frame.rssi, frame.noise_floor, frame.payload).encode(),
            HOST,
            port,
        )
        for number, frame in enumerate(Simulation(preset(name, seconds=seconds, radio=radio)))
    ]


def feed(host: SensingHost, sent: list[Datagram]) -> None:
    for datagram in sent:
        host.take(datagram)
