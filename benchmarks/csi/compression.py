"""What lossless compression saves of each recording, beside zlib, zstd and the reference's XOR+RLE.

``python -m benchmarks.csi.compression`` prints the table of docs/explanation/csi-accuracy.md. Each
datagram stands alone, but for what a keyframe a second or the frame before gives it.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.csi.material import DATA
from benchmarks.report import Options, Result, main
from edgeflow.protocols.csi_compressed import Compressor, Decoder, Decompressed
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.recordings import Recording

__all__ = ["run", "table"]

NAMES = (
    "resp_6rpm.csv.xz",
    "resp_puerta_6rpm_b.csv.xz",
    "resp_vacio.csv.xz",
    "mov_01.csv.xz",
    "vacio_01.csv.xz",
    "example_100hz_pitraffic.csv",
    "ruview_pretrain-1775182186.csi.jsonl.xz",
)
QUICK = 300
OWN_HEADER, RAW_HEADER, XOR_HEADER = 32, 20, 10
KEY_US = 1_000_000
WANTED = 0.2


@dataclass
class Saved:
    """Parts of the payload that are saved, 0 to 1; ``datagram`` with headers."""

    name: str
    frames: int
    ours: float
    datagram: float
    zlib: float
    zlib_before: float
    zstd: float
    xor: float
    entropy: float


def _frames(name: str, most: int | None) -> Iterator[CsiFrame]:
    count = 0
    for item in Recording(DATA / name):
        if isinstance(item, CsiFrame):
            yield item
            count += 1
            if count == most:
                return


def _ours(frames: list[CsiFrame]) -> int:
    """Return the bytes of all datagrams' data, each compared after its way back."""
    compressors: dict[int, Compressor] = {}
    decoder = Decoder()
    total = 0
    for number, frame in enumerate(frames):
        compressor = compressors.setdefault(frame.node, Compressor(KEY_US))
        raw = RawFrame(frame.node, number, 2412, frame.rssi, -90, frame.payload)
        packet = compressor.compress(raw, frame.time_us, frame.source)
        back = decoder.expand(packet)
        assert isinstance(back, Decompressed) and back.frame.payload == frame.payload
        total += len(packet.data)
    return total


def _zlib(frames: list[CsiFrame]) -> int:
    return sum(len(zlib.compress(frame.payload, 9, wbits=-15)) for frame in frames)


def _zlib_before(frames: list[CsiFrame]) -> int:
    """With the frame before as a dictionary; a loss then spoils all that follow."""
    total, before = 0, {}
    for frame in frames:
        key = (frame.node, frame.source, len(frame.payload))
        known = before.get(key)
        packer = zlib.compressobj(9, wbits=-15, **({"zdict": known} if known else {}))
        total += len(packer.compress(frame.payload)) + len(packer.flush())
        before[key] = frame.payload
    return total


def _zstd(frames: list[CsiFrame]) -> int:
    import pyarrow as pa

    codec = pa.Codec("zstd", compression_level=19)
    return sum(len(codec.compress(frame.payload, asbytes=True)) for frame in frames)


def _xor(frames: list[CsiFrame]) -> int:
    """The reference's: runs of the XOR with the frame before, sent only where that is shorter."""
    total, before = 0, {}
    for frame in frames:
        known = before.get(frame.node)
        before[frame.node] = frame.payload
        size = len(frame.payload)
        total += min(size, _runs(known, frame.payload)) if known else size
    return total


def _runs(before: bytes, now: bytes) -> int:
    if len(before) != len(now):
        return len(now)
    rest = np.frombuffer(before, np.uint8) ^ np.frombuffer(now, np.uint8)
    ends = np.flatnonzero(np.diff(rest)) + 1
    lengths = np.diff(np.concatenate([[0], ends, [len(rest)]]))
    return XOR_HEADER - RAW_HEADER + 2 * int(np.ceil(lengths / 255).sum())


def _entropy(frames: list[CsiFrame]) -> float:
    """Bytes of an ideal code of each difference to the pair before, each part for itself."""
    counts = np.zeros((2, 256), np.int64)
    for frame in frames:
        pairs = frame.pairs[(frame.pairs != 0).any(axis=1)]
        rest = np.diff(pairs.astype(np.int16), axis=0, prepend=np.zeros((1, 2), np.int16)) & 0xFF
        for part in (0, 1):
            counts[part] += np.bincount(rest[:, part], minlength=256)
    bits = 0.0
    for part in counts:
        used = part[part > 0]
        bits -= float((used * np.log2(used / used.sum())).sum())
    return bits / 8


def measure(name: str, most: int | None = None) -> Saved:
    """Measure one recording."""
    frames = [*_frames(name, most)]
    payload = sum(len(frame.payload) for frame in frames)
    ours = _ours(frames)
    part: Callable[[float], float] = lambda size: 1 - size / payload  # noqa: E731 - in a table
    return Saved(
        name.partition(".")[0],
        len(frames),
        part(ours),
        1 - (ours + OWN_HEADER * len(frames)) / (payload + RAW_HEADER * len(frames)),
        part(_zlib(frames)),
        part(_zlib_before(frames)),
        part(_zstd(frames)),
        part(_xor(frames)),
        part(_entropy(frames)),
    )


def table(found: list[Saved]) -> str:
    """Return Markdown."""
    heads = ["recording", "frames", "ours", "datagram", "zlib", "zlib, frame before", "zstd"]
    heads += ["reference's XOR+RLE", "by entropy"]
    lines = [heads, ["---"] * len(heads)]
    for each in found:
        parts = (each.ours, each.datagram, each.zlib, each.zlib_before, each.zstd, each.xor)
        cells = [f"{part:.1%}" for part in (*parts, each.entropy)]
        lines.append([f"`{each.name}`", f"{each.frames:,}", *cells])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def run(options: Options) -> list[Result]:
    """Measure every recording; the table is a note."""
    found = []
    for name in NAMES:
        sys.stderr.write(f"csi_compression: {name}\n")
        found.append(measure(name, QUICK if options.quick else None))
    result = Result("CSI, part of the payload that compression saves")
    for each in found:
        wanted = f">= {WANTED}"
        result.expect(f"saved, {each.name}", each.ours, wanted, each.ours >= WANTED)
    result.notes.append(table(found))
    result.notes.append(
        "A keyframe a second, every frame compared after its way back. datagram: headers included "
        "(ours 32 bytes, raw 20). zlib and zstd: each payload alone, at their highest level; with "
        "the frame before, a loss spoils what follows, as with XOR+RLE, which is only sent where "
        "it is shorter. By entropy: of the differences of neighbouring pairs, one ideal code for a "
        "recording; a code that adapts can do a little better."
    )
    return [result]


if __name__ == "__main__":
    sys.exit(main({"csi_compression": run}))
