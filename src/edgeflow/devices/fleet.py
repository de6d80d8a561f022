"""The boards of one system by name, and the swaps that run on them."""

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import msgspec
import structlog

from edgeflow.core.status import Activity, DeviceStatus
from edgeflow.devices.boards.base import Board, BoardModel, OnProgress, SwapProgress
from edgeflow.errors import ConfigError, EdgeFlowError, OverloadedError, did_you_mean
from edgeflow.observe.activity import ActivityBook, activities

__all__ = ["Fleet", "RollBack", "Swap", "Swapper"]

Swapper: TypeAlias = Callable[[Board, bytes, bytes | None, int, OnProgress], BoardModel]
"""Puts a model file, perhaps with its meta, under a model id of a board."""
RollBack: TypeAlias = Callable[[Board, int, OnProgress], BoardModel]
"""Goes back to the model before."""

MAX_STEPS = 512
MAX_SWAPS = 256
"""Kept by id; more than there are boards, so that none under way is forgotten."""
CLOSE_SECONDS = 2.0
_ENDS = frozenset({"done", "failed"})

log = structlog.get_logger(__name__)


class Swap:
    """One change of a board's model, under way or over. Any thread may read it.

    Attributes:
        id: of this process.
        device, model: where it happens.
        kind: ``swap`` or ``roll-back``.
        result: the model that answers since; None until it is over, or if it failed.
        error: why it failed.
    """

    def __init__(self, number: int, device: str, model: int, kind: str) -> None:
        self.id = f"{kind}-{number}"
        self.device = device
        self.model = model
        self.kind = kind
        self.result: BoardModel | None = None
        self.error: EdgeFlowError | None = None
        self.started = time.monotonic()
        self.seconds = 0.0
        self._steps: list[SwapProgress] = []
        self._over = threading.Event()
        self._lock = threading.Lock()

    @property
    def over(self) -> bool:
        """Whether it has ended, well or not."""
        return self._over.is_set()

    def steps(self, after: int = 0) -> list[SwapProgress]:
        """Return the steps so far but the first ``after``."""
        with self._lock:
            return self._steps[after:]

    def wait(self, timeout: float) -> bool:
        """Wait for its end; False when it has not come."""
        return self._over.wait(timeout)

    def add(self, step: SwapProgress) -> None:
        """Note a step. A step that only grows is noted anew until there are ``MAX_STEPS``.

        Steps that tell the end are left out: ``end`` tells it, when the next swap may begin.
        """
        if step.step in _ENDS:
            return
        with self._lock:
            if len(self._steps) >= MAX_STEPS and step.step == self._steps[-1].step:
                self._steps[-1] = step
            else:
                self._steps.append(step)

    def end(self, result: BoardModel | None, error: EdgeFlowError | None) -> None:
        """Note how it ended."""
        self.result, self.error = result, error
        self.seconds = time.monotonic() - self.started
        last = SwapProgress("failed", error=str(error))
        if error is None:
            name = result.name if result is not None else ""
            detail = {"seconds": round(self.seconds, 3)}
            last = SwapProgress("done", text=f"{name or 'the model'} answers", detail=detail)
        with self._lock:
            self._steps.append(last)
            self._over.set()


class Fleet:
    """Boards by name; a ``DeviceView``. Any thread may call it.

    Args:
        boards: all of them; names are unique. The fleet closes them.
        swap: how a model is put on one of them.
        roll_back: how one goes back.
        book: where changes are told.
    """

    def __init__(
        self,
        boards: Sequence[Board],
        swap: Swapper,
        roll_back: RollBack,
        book: ActivityBook = activities,
    ) -> None:
        self._boards: Mapping[str, Board] = {board.name: board for board in boards}
        if len(self._boards) < len(boards):
            raise ConfigError("two boards have the same name", hint="name them NAME=PORT")
        self._swap = swap
        self._roll_back = roll_back
        self._book = book
        self._swaps: OrderedDict[str, Swap] = OrderedDict()
        self._latest: dict[str, Swap] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._crew = ThreadPoolExecutor(max(1, len(boards)), "edgeflow-swap")

    @property
    def boards(self) -> tuple[Board, ...]:
        """All of them, in the order given."""
        return tuple(self._boards.values())

    def find(self, name: str = "") -> Board:
        """Return a board; the first one for an empty name.

        Raises:
            ConfigError: there is none of that name.
        """
        if not name and self._boards:
            return next(iter(self._boards.values()))
        found = self._boards.get(name)
        if found is None:
            hint = did_you_mean(name, list(self._boards))
            raise ConfigError(f"there is no device {name!r}", hint=hint, code="EF-DEVICE-404")
        return found

    def devices(self) -> list[DeviceStatus]:
        """Return every board as it is now. Never waits for a wire."""
        return [self.status_of(board) for board in self.boards]

    def status_of(self, board: Board) -> DeviceStatus:
        """Return one board as it is now, with its last swap."""
        latest = self._latest.get(board.name)
        steps = latest.steps() if latest is not None else []
        if latest is None or not steps:
            return board.status()
        told = {name: getattr(steps[-1], name) for name in ("step", "done", "total", "text")}
        swap = {"id": latest.id, "model": latest.model, "error": steps[-1].error, **told}
        return msgspec.structs.replace(board.status(), swap=swap)

    def start_swap(
        self, device: str, file: bytes, meta: bytes | None = None, model: int = 0
    ) -> Swap:
        """Begin to put a model on a board.

        Raises:
            ConfigError: no such board.
            OverloadedError: its model is being changed already.
        """
        board = self.find(device)
        return self._start(
            board, model, "swap", lambda told: self._swap(board, file, meta, model, told)
        )

    def start_roll_back(self, device: str, model: int = 0) -> Swap:
        """Begin to go back to the model before, likewise."""
        board = self.find(device)
        return self._start(
            board, model, "roll-back", lambda told: self._roll_back(board, model, told)
        )

    def swap(self, device: str, file: bytes, model: int = 0) -> None:
        """Begin to put a model on a board; its status tells how far it is."""
        self.start_swap(device, file, model=model)

    def roll_back(self, device: str, model: int = 0) -> None:
        """Begin to go back to the model before, likewise."""
        self.start_roll_back(device, model)

    def change(self, number: str) -> Swap | None:
        """Return a swap or roll-back by its id, if it is still remembered."""
        return self._swaps.get(number)

    def close(self) -> None:
        """Close every board, which ends what runs on them. Idempotent."""
        closing = [
            threading.Thread(target=board.close, name="edgeflow-close", daemon=True)
            for board in self.boards
        ]
        for thread in closing:
            thread.start()
        over = time.monotonic() + CLOSE_SECONDS
        for thread in closing:
            thread.join(max(0.0, over - time.monotonic()))
        self._crew.shutdown(wait=False, cancel_futures=True)

    def _start(
        self, board: Board, model: int, kind: str, work: Callable[[OnProgress], BoardModel]
    ) -> Swap:
        with self._lock:
            running = self._latest.get(board.name)
            if running is not None and not running.over:
                raise OverloadedError(
                    f"{board.name}: {running.id} changes its model already",
                    hint="wait for it to end",
                    code="EF-DEVICE-409",
                )
            swap = Swap(next(self._numbers), board.name, model, kind)
            try:
                self._crew.submit(self._run, swap, work)
            except RuntimeError:
                raise OverloadedError(f"{board.name}: the boards are being closed") from None
            self._latest[board.name] = self._swaps[swap.id] = swap
            while len(self._swaps) > MAX_SWAPS:
                self._swaps.popitem(last=False)
        return swap

    def _run(self, swap: Swap, work: Callable[[OnProgress], BoardModel]) -> None:
        result: BoardModel | None = None
        error: EdgeFlowError | None = None
        try:
            result = work(swap.add)
        except EdgeFlowError as raised:
            error = raised
        except Exception as raised:  # whatever a driver raises must not leave the swap open
            log.exception("swap_failed", device=swap.device)
            error = EdgeFlowError(f"{swap.device}: {type(raised).__name__}: {raised}")
        swap.end(result, error)
        self._tell(swap)

    def _tell(self, swap: Swap) -> None:
        what = "went back to the model before" if swap.kind == "roll-back" else "has a new model"
        text = f"{swap.device} {what}" if swap.error is None else f"{swap.device}: {swap.error}"
        level = "info" if swap.error is None else "error"
        took = swap.seconds * 1e3
        log.info("model_swapped", device=swap.device, kind=swap.kind, ok=swap.error is None)
        self._book.add(
            Activity(
                kind="model",
                level=level,
                text=text,
                target=swap.device,
                ok=swap.error is None,
                latency_ms=took,
            )
        )
