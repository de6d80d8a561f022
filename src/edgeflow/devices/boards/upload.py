"""Put a model file into the slot that is not in use, over the wire, while the board serves."""

import time
from collections import deque
from concurrent.futures import Future
from struct import unpack
from typing import TYPE_CHECKING
from zlib import crc32

from edgeflow.devices.boards.base import BoardModel, OnProgress, SwapProgress
from edgeflow.devices.boards.calls import RefusedError
from edgeflow.devices.costs import check_run_time
from edgeflow.errors import (
    ConfigError,
    DeadlineError,
    EdgeFlowError,
    EngineError,
)
from edgeflow.protocols.model_file import ModelFile, parse_model
from edgeflow.protocols.uart import OVERHEAD, Status, Type

if TYPE_CHECKING:
    from edgeflow.devices.boards.serial import SerialBoard

__all__ = ["Upload"]

CONFIRM_MS = 10_000
"""Unless confirmed within this the board goes back by itself."""

OUTSTANDING = 2
"""Chunks under way at once; the rest of the window is for inference."""

CHUNK_SECONDS = 0.05
"""Time of a chunk on the line, which delays requests behind it."""

_CALL_SECONDS = 10.0
_END_SECONDS = 20.0
_MAX_REPEATS = 50


class Upload:
    """One swap.

    Args:
        board: where.
        file: EFM1 or LST0.
        model: under which id.
        tell: gets every step.
        deadline: monotonic seconds.
    """

    def __init__(
        self, board: "SerialBoard", file: bytes, model: int, tell: OnProgress, deadline: float
    ) -> None:
        self._board, self._file, self._id = board, file, model
        self._tell, self._deadline = tell, deadline
        self._started = time.monotonic()
        self._active = False

    def run(self) -> BoardModel:
        """Do it; whatever fails, the model before goes on answering.

        Raises:
            ConfigError: the file is no valid model, or does not fit the board.
            EngineError: the board refused it.
        """
        try:
            parsed = self._validate()
            try:
                return self._swap(parsed)
            except EdgeFlowError:
                self._undo()
                raise
        except EdgeFlowError as error:
            self._tell(SwapProgress("failed", error=str(error)))
            raise

    def _validate(self) -> ModelFile:
        self._say("validate", total=len(self._file))
        parsed = parse_model(self._file)
        check_run_time(parsed)
        info = self._board.info
        if not 0 <= self._id < info.model_ids:
            raise ConfigError(
                f"{self._board.name}: no model id {self._id}; it has {info.model_ids}"
            )
        self._file = self._file[: parsed.file_bytes]
        if len(self._file) > info.slot_bytes:
            raise ConfigError(
                f"{self._board.name}: the model has {len(self._file)} bytes",
                hint=f"a slot of the board takes {info.slot_bytes}",
            )
        return parsed

    def _swap(self, parsed: ModelFile) -> BoardModel:
        size = len(self._file)
        begin = size.to_bytes(4, "little") + crc32(self._file).to_bytes(4, "little")
        self._say("erase", total=size)
        reply = self._call(Type.UPLOAD_BEGIN, begin)
        self._write(self._chunk(int.from_bytes(reply[:4], "little")))
        self._say("verify", done=size, total=size)
        self._self_test(self._call(Type.UPLOAD_END, seconds=_END_SECONDS))
        self._say("activate", done=size, total=size)
        self._activate(parsed)
        answering = self._check(parsed)
        self._say("confirm", done=size, total=size)
        self._confirm()
        answering = self._board.refresh_one(self._id, self._left())
        seconds = time.monotonic() - self._started
        self._tell(
            SwapProgress(
                "done",
                size,
                size,
                f"slot {answering.slot} answers",
                detail={"slot": str(answering.slot), "seconds": round(seconds, 3)},
            )
        )
        return answering

    def _chunk(self, most: int) -> int:
        """Return bytes of a chunk: short on the line, and with room for requests in the window."""
        info = self._board.info
        share = info.window_bytes // (OUTSTANDING + 1) - OVERHEAD - 4
        return max(64, min(most, share, int(info.baud / 10 * CHUNK_SECONDS)) // 4 * 4)

    def _write(self, chunk: int) -> None:
        size, at, repeats, told = len(self._file), 0, 0, 0
        under_way: deque[Future[bytes]] = deque()
        while at < size or under_way:
            while at < size and len(under_way) < OUTSTANDING:
                piece = self._file[at : at + chunk]
                payload = at.to_bytes(4, "little") + piece
                under_way.append(
                    self._board.wire.start(
                        Type.UPLOAD_DATA, payload, model=self._id, timeout=self._left()
                    )
                )
                at += len(piece)
            try:
                written = int.from_bytes(self._result(under_way.popleft()), "little")
            except RefusedError as error:
                repeats += 1
                if error.status != Status.NOT_NOW or repeats > _MAX_REPEATS or error.detail > size:
                    raise
                self._settle(under_way)
                at = written = error.detail
            if written - told >= size // 50 or written == size:
                told = written
                self._say("write", done=written, total=size)

    def _settle(self, under_way: "deque[Future[bytes]]") -> None:
        """Wait for chunks that came in the wrong order, and are to be sent again."""
        while under_way:
            try:
                self._result(under_way.popleft())
            except RefusedError as error:
                if error.status != Status.NOT_NOW:
                    raise

    def _self_test(self, reply: bytes) -> None:
        if len(reply) != 16:
            raise EngineError(f"{self._board.name}: UPLOAD_END answered {len(reply)} bytes")
        has, error, tolerance, compute_us = unpack("<B3xffI", reply)
        if not has:
            self._say("self-test", text="the model has no self-test vector")
            return
        text = f"error {error:.3g}, allowed {tolerance:.3g}"
        detail = {"error": error, "tolerance": tolerance, "compute_ms": compute_us / 1e3}
        self._tell(SwapProgress("self-test", text=text, detail=detail))

    def _activate(self, parsed: ModelFile) -> None:
        self._active = True
        try:
            self._call(Type.ACTIVATE, CONFIRM_MS.to_bytes(4, "little"), repeat=False)
        except DeadlineError:
            # The answer may be what was lost: then the new model answers already.
            if self._board.refresh_one(self._id, self._left()).sha256 != parsed.sha256:
                raise

    def _check(self, parsed: ModelFile) -> BoardModel:
        answering = self._board.refresh_one(self._id, self._left())
        shape = (answering.steps, answering.features, answering.horizon, answering.hidden)
        wanted = (parsed.steps, parsed.features, parsed.horizon, parsed.hidden)
        if shape != wanted or answering.sha256 not in ("", parsed.sha256):
            raise EngineError(
                f"{self._board.name}: another model answers than the one that was written",
                hint=f"it has T, F, H, hidden {shape} instead of {wanted}",
            )
        return answering

    def _confirm(self) -> None:
        try:
            self._call(Type.CONFIRM)
        except RefusedError as error:
            state = self._board.refresh_one(self._id, self._left()).state
            if error.status != Status.NOT_NOW or state != "confirmed":
                raise

    def _undo(self) -> None:
        """Leave the board as it was; if it cannot be told, its own time limit does that."""
        kind = Type.ROLL_BACK if self._active else Type.UPLOAD_ABORT
        try:
            if self._active and self._board.refresh_one(self._id, 2.0).state != "trial":
                return
            self._board.wire.call(kind, model=self._id, timeout=2.0, repeat=False)
            self._board.refresh(2.0)
        except EdgeFlowError:
            return

    def _call(
        self,
        kind: int,
        payload: bytes = b"",
        *,
        seconds: float = _CALL_SECONDS,
        repeat: bool = True,
    ) -> bytes:
        timeout = min(seconds, self._left())
        return self._board.wire.call(kind, payload, model=self._id, timeout=timeout, repeat=repeat)

    def _result(self, future: "Future[bytes]") -> bytes:
        return self._board.wire.wait(future, self._left())

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise DeadlineError(f"{self._board.name}: the swap took too long")
        return left

    def _say(self, step: str, *, done: int = 0, total: int = 0, text: str = "") -> None:
        self._tell(SwapProgress(step, done, total, text))
