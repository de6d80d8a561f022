"""Frames a second of one core: decoding, tier 1, tier 2, and the host's whole way.

In processor time, so a busy machine changes little; the contenders take turns.
"""

import sys
from collections.abc import Callable

from benchmarks.csi.material import SUBCARRIERS, Stopwatch, Way, datagrams, reading
from benchmarks.harness import Reading, summarise
from benchmarks.report import Options, Result, main
from edgeflow._native.csi import CsiOptions, CsiProcessor
from edgeflow.protocols.csi import decode
from edgeflow.protocols.csi_batch import decode_raw_batch
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.sensing.captures import Datagram
from edgeflow.sensing.nodes import Nodes
from edgeflow.sensing.tracking import TrackOptions

__all__ = ["run"]

Fed = list[tuple[int, bytes]]
FRAMES, QUICK = 60_000, 6_000
WANTED = 50_000.0
BATCH = 256


def _decoding(fed: Fed) -> None:
    for _, data in fed:
        decode(data)


def _batches(fed: Fed) -> None:
    data = [each for _, each in fed]
    for at in range(0, len(data), BATCH):
        decode_raw_batch(data[at : at + BATCH])


def _core(tier: int) -> Callable[[Fed], None]:
    def feed(fed: Fed) -> None:
        processor = CsiProcessor(CsiOptions(tier=tier))
        for at, data in fed:
            packet = decode(data)
            assert isinstance(packet, RawFrame)
            processor.push(at, packet.payload, rssi=packet.rssi)
            if at % 1_000_000 < 20_000:
                processor.vitals(at)

    return feed


def _host(tier: int) -> Callable[[Fed], None]:
    def feed(fed: Fed) -> None:
        nodes = Nodes(TrackOptions(csi=CsiOptions(tier=tier)), lambda _: None)
        for at, data in fed:
            nodes.receive(Datagram(at + 1, data, "192.168.4.20", 4000))

    return feed


WAYS: dict[Way, Callable[[Fed], None]] = {
    Way("decode, one by one"): _decoding,
    Way(f"decode, batches of {BATCH}"): _batches,
    Way("decode + tier 1"): _core(1),
    Way("decode + tier 2"): _core(2),
    Way("host: decode, loss, events, tier 1"): _host(1),
    Way("host: decode, loss, events, tier 2"): _host(2),
}


def run(options: Options) -> list[Result]:
    """Measure each way."""
    fed = datagrams(QUICK if options.quick else FRAMES)
    found: dict[Way, list[Reading]] = {way: [] for way in WAYS}
    for number in range(options.rounds):
        for way in list(WAYS) if number % 2 == 0 else reversed(list(WAYS)):
            sys.stderr.write(f"csi_core, round {number + 1}: {way.label}\n")
            with Stopwatch() as watch:
                WAYS[way](fed)
            found[way].append(reading(len(fed), watch.seconds))
    rows = [summarise(way, readings) for way, readings in found.items()]  # type: ignore[arg-type]
    result = Result(f"CSI core, {SUBCARRIERS} subcarriers, one core, processor time", rows)
    for row in (rows[3], rows[5]):
        met = row.fps >= WANTED
        result.expect(f"frames/s, {row.label}", row.fps, f">= {WANTED:,.0f}", met)
    result.notes.append("A walking person at 50 frames/s; vitals are asked for once a second.")
    return [result]


if __name__ == "__main__":
    sys.exit(main({"csi_core": run}))
