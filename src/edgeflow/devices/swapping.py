"""A new model for a board, by whichever way the board offers; checked, verified, reversible."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import structlog

from edgeflow.devices.boards.base import Board, BoardModel, OnProgress, Slot, SwapProgress
from edgeflow.devices.boards.base import Protocol as WireProtocol
from edgeflow.devices.costs import check_run_time
from edgeflow.devices.flashing.model import (
    META_FILE,
    MODEL_FILE,
    FlashedModel,
    flash_model,
    restore_model,
)
from edgeflow.devices.flashing.previous import PreviousImages
from edgeflow.devices.flashing.tool import DEFAULT_BAUD
from edgeflow.errors import (
    CancelledError,
    ConfigError,
    EngineError,
    UnreachableError,
)
from edgeflow.protocols.model_file import ModelFile, check_meta, lstm_meta, parse_model

__all__ = ["Releasable", "Route", "check_files", "choose_route", "roll_back_model", "swap_model"]

log = structlog.get_logger(__name__)

Route: TypeAlias = Literal["auto", "slots", "flash"]
"""``slots``: over the wire, the board serves meanwhile; ``flash``: the partition ``model``."""

ANSWER_SECONDS = 30.0
_POLL = 0.2


@runtime_checkable
class Releasable(Protocol):
    """A board whose port can be lent to another program."""

    def release(self) -> AbstractContextManager[str]:
        """Close the port, which is given, while the context lasts; then find the board again."""
        ...


def swap_model(
    board: Board,
    file: bytes,
    meta: bytes | None = None,
    *,
    model: int = 0,
    route: Route = "auto",
    timeout: float = 60.0,
    baud: int = DEFAULT_BAUD,
    cancel: threading.Event | None = None,
    on_progress: OnProgress | None = None,
    previous: PreviousImages | None = None,
) -> BoardModel:
    """Put a model on a board and return it as the board describes it.

    The files are checked before anything is touched. By ``slots`` the old model serves until the
    new one passed its self-test; by ``flash`` the board restarts, and the old image is written back
    when the board does not answer with the new dimensions.

    Args:
        board: which; it has to answer for ``slots``, and to be ``Releasable`` for ``flash``.
        file: LST0 or EFM1; LST0 where the board speaks only the reference protocol.
        meta: ``model_meta.json``, checked against ``file``.
        model: model id; by ``flash`` 0.
        route: ``auto`` takes slots where the board has them.
        timeout: seconds for the upload by ``slots``.
        baud: while flashing.
        cancel: ends a flash when set.
        on_progress: told every step, in the calling thread.
        previous: where flashed images are kept for a roll-back; the user's cache if not given.

    Raises:
        ConfigError: the files are wrong or do not fit the board, or the route does not lead there.
        EngineError: the board refused the model, which leaves the old one in place.
        UnreachableError: the board or its port is gone.
        DeadlineError, CancelledError, MissingExtraError: as they say.
    """
    tell = on_progress or _nobody
    tell(SwapProgress("validate", total=len(file)))
    parsed = check_files(file, meta)
    if choose_route(board, route) == "slots":
        _check_slot(board, parsed)
        return board.swap(
            file[: parsed.file_bytes], model=model, on_progress=on_progress, timeout=timeout
        )
    _check_flash(board, parsed, model)
    files = {MODEL_FILE: file[: parsed.file_bytes], META_FILE: meta or lstm_meta(parsed)}
    kept = previous or PreviousImages()

    def write(port: str) -> FlashedModel:
        return flash_model(
            port, files, baud=baud, cancel=cancel, on_progress=on_progress, previous=kept
        )

    def put_back(port: str) -> FlashedModel:
        return restore_model(port, baud=baud, cancel=cancel, on_progress=on_progress, previous=kept)

    flashed = _lend(board, write)
    try:
        return _await_model(board, parsed, cancel)
    except (UnreachableError, EngineError) as error:
        if isinstance(error, CancelledError) or not flashed.restorable or not flashed.erased:
            raise
        log.warning("model_unanswered", board=board.name, error=error.message)
        _lend(board, put_back)
        raise EngineError(
            f"{board.name}: {error.message}; the model before was put back", hint=error.hint
        ) from error


def roll_back_model(
    board: Board,
    *,
    model: int = 0,
    route: Route = "auto",
    timeout: float = 30.0,
    baud: int = DEFAULT_BAUD,
    cancel: threading.Event | None = None,
    on_progress: OnProgress | None = None,
    previous: PreviousImages | None = None,
) -> BoardModel:
    """Go back to the model before, by the way it was replaced; arguments as ``swap_model``.

    Raises:
        EngineError: there is none.
        Others as ``swap_model``.
    """
    if choose_route(board, route) == "slots" and (route == "slots" or _has_before(board, model)):
        return board.roll_back(model=model, timeout=timeout)

    def put_back(port: str) -> FlashedModel:
        return restore_model(
            port, baud=baud, cancel=cancel, on_progress=on_progress, previous=previous
        )

    _lend(board, put_back)
    return _await_model(board, None, cancel)


def check_files(file: bytes, meta: bytes | None = None) -> ModelFile:
    """Read a model file and compare its meta with it.

    Raises:
        ConfigError: one of them is wrong, they contradict each other, or no board finishes a run.
    """
    parsed = parse_model(file)
    check_run_time(parsed)
    if meta is not None:
        check_meta(meta, parsed)
    return parsed


def choose_route(board: Board, route: Route) -> Literal["slots", "flash"]:
    """Return the way that will be taken.

    Raises:
        ConfigError: slots were asked for and the board has none.
        UnreachableError: slots were asked for and the board does not answer.
    """
    if route == "flash":
        return "flash"
    try:
        has_slots = "slots" in board.info.capabilities
    except UnreachableError:
        if route == "slots":
            raise
        has_slots = False
    if route == "slots" and not has_slots:
        raise ConfigError(
            f"{board.name} has no slots for models", hint="take the route 'flash' or 'auto'"
        )
    return "slots" if has_slots else "flash"


def _check_slot(board: Board, parsed: ModelFile) -> None:
    room = board.info.slot_bytes
    if parsed.file_bytes > room > 0:
        raise ConfigError(
            f"{board.name}: the model has {parsed.file_bytes} bytes, a slot holds {room}",
            hint="a smaller hidden width, or int8",
        )


def _check_flash(board: Board, parsed: ModelFile, model: int) -> None:
    if not parsed.reference and not _speaks_extended(board):
        raise ConfigError(
            f"{board.name}: its firmware takes a model_fp32.bin (LST0), no container (EFM1)",
            hint="boards with our firmware take both",
        )
    if model:
        raise ConfigError(f"{board.name}: a flashed model has the id 0, not {model}")


def _has_before(board: Board, model: int) -> bool:
    """True when a roll-back over the wire can lead somewhere; a flashed file may have none."""
    found = next((each for each in board.models if each.id == model), None)
    return found is None or found.slot is not Slot.FILE or found.previous is not Slot.NONE


def _speaks_extended(board: Board) -> bool:
    try:
        return board.info.protocol is WireProtocol.EXTENDED
    except UnreachableError:
        return False


def _lend(board: Board, work: Callable[[str], FlashedModel]) -> FlashedModel:
    if not isinstance(board, Releasable):
        raise ConfigError(f"{board.name} cannot be flashed: it gives its port to nobody")
    with board.release() as port:
        return work(port)


def _await_model(
    board: Board, parsed: ModelFile | None, cancel: threading.Event | None
) -> BoardModel:
    """Ask until the board answers with the model, or with any if none is given."""
    deadline = time.monotonic() + ANSWER_SECONDS
    last = "no answer"
    while time.monotonic() < deadline:
        if cancel is not None and cancel.is_set():
            raise CancelledError(f"{board.name}: waiting for the new model was cancelled")
        try:
            found = next((each for each in board.refresh(timeout=2.0) if each.id == 0), None)
        except (UnreachableError, EngineError) as error:
            last = error.message
        else:
            if found is not None and _is_it(found, parsed):
                return found
            last = "it has no model"
            if found is not None and found.slot is not Slot.NONE:
                last = f"it answers with another model ({found.slot.value})"
        time.sleep(_POLL)
    raise UnreachableError(
        f"the board did not answer with the model within {ANSWER_SECONDS:.0f} s after it was "
        f"flashed: {last}",
        hint="its firmware may not know this model; edgeflow devices monitor shows its log",
    )


def _is_it(found: BoardModel, parsed: ModelFile | None) -> bool:
    if parsed is None:
        return found.horizon > 0
    expected = (parsed.steps, parsed.features, parsed.horizon, parsed.hidden)
    if (found.steps, found.features, found.horizon, found.hidden) != expected:
        return False
    return found.sha256 in ("", parsed.sha256)


def _nobody(_step: SwapProgress) -> None:
    pass
