"""A new model of 20 KB on a board: over the wire while it serves, or by flashing its partition."""

import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.harness import Reading, summarise
from benchmarks.mcu.boards import BoardProcess, container, model, sample
from benchmarks.report import Options, Result, main, paired_ratio
from edgeflow._native.model import NativeModel
from edgeflow.devices.boards.serial import SerialBoard
from edgeflow.devices.flashing.model import META_FILE, MODEL_FILE
from edgeflow.devices.flashing.previous import PreviousImages
from edgeflow.devices.flashing.tool import Esptool, Piece
from edgeflow.devices.swapping import swap_model
from edgeflow.errors import EdgeFlowError
from edgeflow.observe.logs import configure_logging
from edgeflow.protocols.model_file import lstm_meta, parse_model
from edgeflow.protocols.spiffs import pack

__all__ = ["run"]

BAUD = 921600
PARTITION_OFFSET, PARTITION_BYTES = 0x210000, 5 << 20
"""Where the reference firmware's table has the partition ``model``."""
MOST_ROUNDS = 5
TARGET_MS = 1000.0
OUTSTANDING = 4
ANSWER_SECONDS = 60.0
BEFORE_SECONDS = 0.5


@dataclass
class Found:
    """One swap.

    Attributes:
        ms: until the new model answered.
        answered, failed: requests meanwhile; ``silence`` is the longest time between two answers,
            ``pace`` the usual one before the swap.
        busy: processor seconds of this process.
    """

    ms: float
    answered: int = 0
    failed: int = 0
    silence: float = 0.0
    pace: float = 0.0
    busy: float = 0.0

    def reading(self) -> Reading:
        """Return it as others are reported."""
        percent = 1e5 * self.busy / self.ms
        return Reading(
            np.array([self.ms]), 1e3 / self.ms, 0, self.failed, percent, percent, 1e3 * self.busy
        )


@dataclass(frozen=True)
class Mover:
    """A way to change the model.

    Attributes:
        move: puts the model with that seed on the board behind a port.
        options: of the virtual board.
    """

    label: str
    ours: bool
    options: tuple[str, ...]
    move: Callable[[str, int], Found]


@dataclass
class Asker:
    """Asks a board all the time, from its entering to its leaving."""

    board: SerialBoard
    answered: int = 0
    failed: int = 0
    gaps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="bench-asker")

    def __enter__(self) -> "Asker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)

    def _ask(self) -> None:
        given, last = sample(), time.perf_counter()
        waiting = [self.board.submit(given) for _ in range(OUTSTANDING)]
        while waiting:
            try:
                waiting.pop(0).result(10)
                self.answered += 1
            except EdgeFlowError:
                self.failed += 1
            now = time.perf_counter()
            self.gaps.append(now - last)
            last = now
            if not self._over.is_set():
                with self._counting():
                    waiting.append(self.board.submit(given))

    @contextlib.contextmanager
    def _counting(self) -> Iterator[None]:
        try:
            yield
        except EdgeFlowError:
            self.failed += 1


def run(options: Options) -> list[Result]:
    """Change models to and fro, each way in turn."""
    configure_logging("warning")
    movers = _movers()
    found: dict[str, list[Found]] = {mover.label: [] for mover in movers}
    failures = dict.fromkeys(found, 0)
    with contextlib.ExitStack() as stack:
        boards = [stack.enter_context(BoardProcess(*each.options, baud=BAUD)) for each in movers]
        pairs = list(zip(movers, boards, strict=True))
        for number in range(min(MOST_ROUNDS, options.rounds)):
            for mover, board in pairs if number % 2 == 0 else reversed(pairs):
                sys.stderr.write(f"swap, round {number + 1}: {mover.label}\n")
                try:
                    found[mover.label].append(mover.move(board.port, 2 + number % 2))
                except (EdgeFlowError, RuntimeError, TimeoutError) as error:
                    sys.stderr.write(f"{error}\n")
                    failures[mover.label] += 1
    return [_result(movers, found, failures)]


def _result(movers: list[Mover], found: dict[str, list[Found]], failures: dict[str, int]) -> Result:
    rows = {
        each.label: summarise(
            each, [one.reading() for one in found[each.label]], failures[each.label]
        )
        for each in movers
    }
    result = Result("MCU, a new model of 20 KB at 921600 baud", list(rows.values()), unit="request")
    wire, flash, peer = (rows[each.label] for each in movers)
    if not all(row.readings for row in rows.values()):
        result.expect("ways that worked", 0.0, "all", met=False)
        return result
    swaps = found[movers[0].label]
    missed = sum(one.failed for one in swaps)
    ratio = paired_ratio(wire.p50_rounds, peer.p50_rounds)
    result.expect(
        "ms until the new model answers, over the wire", wire.p50, f"< {TARGET_MS:g}",
        wire.p50 < TARGET_MS, peer.p50, ratio,
    )  # fmt: skip
    result.expect("requests missed meanwhile", float(missed), "0", missed == 0)
    result.expect(
        "ms by flashing changed sectors", flash.p50, "less than the peer",
        flash.p50 < peer.p50, peer.p50, paired_ratio(flash.p50_rounds, peer.p50_rounds),
    )  # fmt: skip
    answered = sum(one.answered for one in swaps)
    silence, pace = median(one.silence for one in swaps), median(one.pace for one in swaps)
    result.notes.append(
        f"Over the wire {answered} requests were answered in {len(swaps)} swaps; the longest time "
        f"between two answers was {1e3 * silence:.0f} ms (median of swaps), beside "
        f"{1e3 * pace:.1f} ms between answers before the swap. Flashing stops the board: times are "
        "from the call to the first answer of the new model, its restart included. The reference "
        "way is esptool alone; idf.py builds before. A virtual board's flash takes the times "
        "of a data sheet: 45 ms to erase 4 KiB, 150 ms for 64 KiB, 0.4 ms to write 256 bytes."
    )
    return result


def _movers() -> list[Mover]:
    return [
        Mover("edgeflow, over the wire", True, (), _by_wire),
        Mover("edgeflow flash, changed sectors", True, _FLASHED, _by_sectors),
        Mover("esptool, whole partition", False, _FLASHED, _by_esptool),
    ]


_FLASHED = ("--reference", "--transport", "rfc2217")


def _by_wire(port: str, seed: int) -> Found:
    with SerialBoard(port, baud=BAUD, faster=()) as board:
        _await(board)
        with Asker(board) as asker:
            time.sleep(BEFORE_SECONDS)
            before, seen = asker.answered, len(asker.gaps)
            pace = median(asker.gaps[seen // 2 :])
            begun, busy = time.perf_counter(), time.process_time()
            board.swap(container(seed))
            took, busy = time.perf_counter() - begun, time.process_time() - busy
            answered, gaps = asker.answered - before, asker.gaps[seen:]
        _check(board, seed)
        return Found(1e3 * took, answered, asker.failed, max(gaps, default=0.0), pace, busy)


def _by_sectors(port: str, seed: int) -> Found:
    with (
        tempfile.TemporaryDirectory() as folder,
        SerialBoard(port, baud=BAUD, faster=()) as board,
    ):
        _await(board)
        begun, busy = time.perf_counter(), time.process_time()
        swap_model(
            board, model(seed), route="flash", baud=BAUD, previous=PreviousImages(Path(folder))
        )
        _check(board, seed)
        return Found(1e3 * (time.perf_counter() - begun), busy=time.process_time() - busy)


def _by_esptool(port: str, seed: int) -> Found:
    """Through the same bridge as ours: esptool is slow over RFC 2217 itself."""
    file = model(seed)
    begun = time.perf_counter()
    image = pack({MODEL_FILE: file, META_FILE: lstm_meta(parse_model(file))}, PARTITION_BYTES)
    with Esptool(port, BAUD, chip_name="esp32s3") as tool:
        tool.write([Piece(PARTITION_OFFSET, image)], "writing the partition")
    with SerialBoard(port, baud=BAUD, faster=()) as board:
        _await(board)
        _check(board, seed)
        return Found(1e3 * (time.perf_counter() - begun))


def _await(board: SerialBoard) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    while not (board.models and board.models[0].steps):
        if time.monotonic() > deadline:
            raise TimeoutError(board.last_error)
        time.sleep(0.02)


def _check(board: SerialBoard, seed: int) -> None:
    given = sample()
    if not np.allclose(board.infer(given).values, NativeModel(model(seed)).run(given), atol=1e-5):
        raise RuntimeError("another model answers")


if __name__ == "__main__":
    sys.exit(main({"mcu_swap": run}))
