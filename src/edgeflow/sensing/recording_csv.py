"""The CSV of ESP32-CSI-Tool, with or without its header, and of Espressif's own receiver.

One line is one frame: fields between commas, then the numbers in brackets, imaginary part first.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgeflow.sensing.clocks import Unwrapped
from edgeflow.sensing.frames import CsiFrame, source_of
from edgeflow.sensing.recording_lines import Damage, lines_of

__all__ = ["csv_frames", "looks_like_csv"]

COLUMNS = (
    *("type", "role", "mac", "rssi", "rate", "sig_mode", "mcs", "bandwidth", "smoothing"),
    *("not_sounding", "aggregation", "stbc", "fec_coding", "sgi", "noise_floor", "ampdu_cnt"),
    *("channel", "secondary_channel", "local_timestamp", "ant", "sig_len", "rx_state"),
    *("real_time_set", "real_timestamp", "len", "CSI_DATA"),
)
"""Of ESP32-CSI-Tool where no header says otherwise."""
NEEDED = ("mac", "rssi", "noise_floor", "channel", "local_timestamp")
PRINTED = 128
"""Numbers that the tool prints at most, whatever ``len`` says."""
MAX_NUMBERS = 1024
MAX_SENDERS = 4096

_PLAIN, _POSITIVE = b"0123456789- ", bytes(range(128))
_BYTES = {str(value).encode(): value & 0xFF for value in range(-128, 128)}


def looks_like_csv(line: bytes) -> bool:
    """Tell whether this first line is one of ours."""
    return line.startswith((b"CSI_DATA,", b"type,"))


def csv_frames(path: Path, damage: Damage, node: int = 1) -> Iterator[CsiFrame]:
    """Yield the frames of a file; damaged lines are counted and left out.

    Raises:
        StoreError: it cannot be read.
    """
    reader = _Reader(list(COLUMNS), node)
    for number, line in lines_of(path, damage):
        try:
            if line.startswith(b"type,"):
                reader = _Reader(_columns(line), node)
            else:
                yield reader.frame(line)
        except ValueError as error:
            damage.add(number, str(error))


def _columns(line: bytes) -> list[str]:
    columns = [name.strip() for name in line.decode("ascii", "replace").split(",")]
    if missing := [name for name in NEEDED if name not in columns]:
        raise ValueError(f"the header has no column {', '.join(missing)}")
    return columns


class _Reader:
    """Reads lines of one order of columns."""

    def __init__(self, columns: list[str], node: int) -> None:
        self._fields = len(columns) - 1
        self._at = [columns.index(name) for name in NEEDED]
        self._length = columns.index("len") if "len" in columns else None
        self._clock = Unwrapped()
        self._sources: dict[bytes, int] = {}
        self._node = node

    def frame(self, line: bytes) -> CsiFrame:
        """Return the frame of a line.

        Raises:
            ValueError: the line is damaged; says how.
        """
        head, bracket, rest = line.partition(b"[")
        fields = head.split(b",")
        if not bracket or len(fields) != self._fields + 1 or fields[0] != b"CSI_DATA":
            raise ValueError(f"no line of {self._fields + 1} fields with numbers in brackets")
        numbers, closed, _ = rest.partition(b"]")
        if not closed:
            raise ValueError("the numbers end without a bracket")
        payload = _payload(numbers)
        self._check(payload, fields)
        mac, rssi, noise, channel, ticks = (fields[place] for place in self._at)
        time = self._clock.at(_integer("local_timestamp", ticks, 0, 2**32 - 1))
        return CsiFrame(
            time,
            payload,
            _integer("rssi", rssi, -128, 127),
            _integer("noise_floor", noise, -128, 127),
            _integer("channel", channel, 0, 255),
            self._source(mac),
            self._node,
        )

    def _check(self, payload: bytes, fields: list[bytes]) -> None:
        count = len(payload)
        if count == 0 or count % 2 or count > MAX_NUMBERS:
            raise ValueError(f"{count} numbers, which are no pairs of a frame")
        if self._length is not None:
            stated = _integer("len", fields[self._length], 0, 65535)
            if count != stated and not (count == PRINTED and stated > PRINTED):
                raise ValueError(f"{count} numbers where len says {stated}")

    def _source(self, mac: bytes) -> int:
        known = self._sources.get(mac)
        if known is None:
            known = source_of(mac)
            if len(self._sources) < MAX_SENDERS:
                self._sources[mac] = known
        return known


def _payload(numbers: bytes) -> bytes:
    if b"," in numbers:
        numbers = numbers.replace(b",", b" ")
    numbers = numbers.strip()
    payload = _plain(numbers)
    if payload is not None:
        return payload
    try:
        return bytes(map(_BYTES.__getitem__, numbers.split()))
    except KeyError as error:
        raise ValueError(f"{error.args[0][:20].decode('ascii', 'replace')!r} is no i8") from None


def _plain(numbers: bytes) -> bytes | None:
    """Return numbers with a single space between them, twice as fast; None for anything else."""
    if numbers.translate(None, _PLAIN) or b"  " in numbers:
        return None
    try:
        wide = np.fromstring(numbers, np.int64, sep=" ")  # too large a number becomes the largest
    except (ValueError, DeprecationWarning):  # how numpy tells that it stopped
        return None
    narrow = wide.astype(np.int8)
    payload = narrow.tobytes()
    signs = len(payload.translate(None, _POSITIVE))  # numpy takes a lone sign for 0
    as_written = len(wide) == numbers.count(b" ") + 1 and signs == numbers.count(b"-")
    return payload if as_written and narrow.astype(np.int64).tobytes() == wide.tobytes() else None


def _integer(name: str, text: bytes, low: int, high: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise ValueError(f"{name} is {text[:20].decode('ascii', 'replace')!r}")
    return value
