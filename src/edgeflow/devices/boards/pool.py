"""Several boards with the same model as one."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from edgeflow.core.status import DeviceStatus
from edgeflow.devices.boards.base import (
    Board,
    BoardInfo,
    BoardModel,
    BoardState,
    Floats,
    Forecast,
    OnProgress,
    SwapProgress,
)
from edgeflow.devices.boards.calls import check_sample
from edgeflow.devices.boards.figures import model_status
from edgeflow.errors import ConfigError, EdgeFlowError, OverloadedError, UnreachableError

__all__ = ["BoardPool"]

_USABLE = (BoardState.READY, BoardState.SWAPPING)
_LONGEST = frozenset({"busiest_us", "uptime_us"})


class BoardPool(Board):
    """Gives each sample to the board with the fewest unanswered ones.

    Boards that are lost, or whose model takes or gives something else than that of the first
    board that answers, are left out until that changes. A sample whose board is lost under way
    goes to another one.

    Args:
        boards: at least one; closed with the pool.
        name: of the pool.
        now: monotonic seconds.
    """

    def __init__(
        self,
        boards: Sequence[Board],
        *,
        name: str = "pool",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if not boards:
            raise ConfigError(f"{name}: a pool needs at least one board")
        self.boards = tuple(boards)
        self.name = name
        self._now = now

    @property
    def state(self) -> BoardState:
        """The best state of any board."""
        states = {each.state for each in self.boards}
        order = (*_USABLE, BoardState.CONNECTING, BoardState.NO_MODEL)
        return next((each for each in order if each in states), BoardState.LOST)

    @property
    def last_error(self) -> str:
        """What the boards that are lost say."""
        return "; ".join(each.last_error for each in self.boards if each.last_error)

    @property
    def info(self) -> BoardInfo:
        """Of the first board that answers; the windows of all added up."""
        first = self._first()
        windows = sum(each.info.window for each in self._usable()) or 1
        return replace(first.info, window=windows)

    @property
    def models(self) -> tuple[BoardModel, ...]:
        """Of the first board that answers."""
        usable = self._usable()
        return (usable[0] if usable else self.boards[0]).models

    def refresh(self, timeout: float = 5.0) -> tuple[BoardModel, ...]:
        """Ask every board that answers."""
        for each in self._usable():
            each.refresh(timeout)
        return self.models

    def submit(self, sample: Floats, *, model: int = 0, timeout: float = 10.0) -> Future[Forecast]:
        """Queue one sample on the board that has the least to do."""
        outer: Future[Forecast] = Future()
        self._give(outer, sample, model, self._now() + timeout, frozenset())
        return outer

    def statistics(self, timeout: float = 5.0) -> dict[str, int]:
        """Return the counters of all boards added up; of times the longest."""
        total: dict[str, int] = {}
        for board in self._usable():
            for name, value in board.statistics(timeout).items():
                before = total.get(name, 0)
                total[name] = max(before, value) if name in _LONGEST else before + value
        return total

    def swap(
        self,
        file: bytes,
        *,
        model: int = 0,
        on_progress: OnProgress | None = None,
        timeout: float = 60.0,
    ) -> BoardModel:
        """Put a model on every board, one after the other; when one refuses, none keeps it."""
        tell = on_progress or _nobody
        until = self._now() + timeout
        done: list[Board] = []
        last: BoardModel | None = None
        for board in self.boards:
            try:
                last = board.swap(
                    file,
                    model=model,
                    on_progress=partial(_pass_on, tell, board.name),
                    timeout=max(0.1, until - self._now()),
                )
            except EdgeFlowError:
                _undo(done, model)
                raise
            done.append(board)
        if last is None:
            raise UnreachableError(f"{self.name}: no board")
        return last

    def roll_back(self, *, model: int = 0, timeout: float = 10.0) -> BoardModel:
        """Go back to the model before on every board."""
        return [each.roll_back(model=model, timeout=timeout) for each in self.boards][-1]

    def status(self) -> DeviceStatus:
        """Return the boards as one device; times are the worst board's."""
        each = [board.status() for board in self.boards]
        last = max(each, key=lambda status: status.last_seen)
        return DeviceStatus(
            name=self.name,
            state=str(self.state),
            port=", ".join(status.port for status in each),
            protocol=last.protocol,
            chip=last.chip,
            firmware=last.firmware,
            baud=last.baud,
            last_seen=last.last_seen,
            last_error=self.last_error,
            queue_depth=sum(status.queue_depth for status in each),
            queue_capacity=sum(status.queue_capacity for status in each),
            requests=sum(status.requests for status in each),
            errors=sum(status.errors for status in each),
            rate=sum(status.rate for status in each),
            wire_p50_ms=max(status.wire_p50_ms for status in each),
            compute_p50_ms=max(status.compute_p50_ms for status in each),
            p50_ms=max(status.p50_ms for status in each),
            p99_ms=max(status.p99_ms for status in each),
            models=[model_status(model) for model in self.models],
            last_input=last.last_input,
            last_forecast=last.last_forecast,
        )

    def queue_depth(self) -> int:
        """Requests that wait or are under way on any board."""
        return sum(each.queue_depth() for each in self.boards)

    def close(self) -> None:
        """Close every board."""
        with ThreadPoolExecutor(len(self.boards), "close-board") as workers:
            list(workers.map(lambda each: each.close(), self.boards))

    def _usable(self) -> list[Board]:
        return [each for each in self.boards if each.state in _USABLE and each.models]

    def _first(self) -> Board:
        usable = self._usable()
        if usable:
            return usable[0]
        raise UnreachableError(f"{self.name}: no board answers", hint=self.last_error)

    def _candidates(self, model: int) -> list[Board]:
        usable = [each for each in self._usable() if model < len(each.models)]
        if not usable:
            raise UnreachableError(f"{self.name}: no board answers", hint=self.last_error)
        shape = _shape(usable[0].models[model])
        same = [each for each in usable if _shape(each.models[model]) == shape]
        return sorted(same, key=lambda each: each.queue_depth())

    def _give(
        self,
        outer: "Future[Forecast]",
        sample: Floats,
        model: int,
        deadline: float,
        tried: frozenset[int],
    ) -> None:
        candidates = [each for each in self._candidates(model) if id(each) not in tried]
        check_sample(self.name, sample, self._first_model(candidates, model))
        problem: EdgeFlowError = UnreachableError(f"{self.name}: no board answers")
        for board in candidates:
            try:
                inner = board.submit(sample, model=model, timeout=max(0.0, deadline - self._now()))
            except (UnreachableError, OverloadedError) as error:
                problem = error
                continue
            outer.add_done_callback(partial(_cancel_too, inner))
            again = (sample, model, deadline, tried | {id(board)})
            inner.add_done_callback(partial(self._settle, outer, again))
            return
        raise problem

    def _first_model(self, candidates: Sequence[Board], model: int) -> BoardModel:
        if not candidates:
            raise UnreachableError(f"{self.name}: no other board answers", hint=self.last_error)
        return candidates[0].models[model]

    def _settle(
        self,
        outer: "Future[Forecast]",
        again: tuple[Floats, int, float, frozenset[int]],
        inner: "Future[Forecast]",
    ) -> None:
        if outer.done() or inner.cancelled():
            return
        error = inner.exception()
        if isinstance(error, UnreachableError):
            try:
                self._give(outer, *again)
            except EdgeFlowError as failure:
                error = failure
            else:
                return
        try:
            if error is None:
                outer.set_result(inner.result())
            else:
                outer.set_exception(error)
        except InvalidStateError:
            return


def _shape(model: BoardModel) -> tuple[int, int, int]:
    return model.steps, model.features, model.horizon


def _pass_on(tell: OnProgress, board: str, step: SwapProgress) -> None:
    tell(replace(step, detail={**step.detail, "board": board}))


def _cancel_too(inner: "Future[Forecast]", outer: "Future[Forecast]") -> None:
    if outer.cancelled():
        inner.cancel()


def _undo(boards: Sequence[Board], model: int) -> None:
    for board in boards:
        try:
            board.roll_back(model=model)
        except EdgeFlowError:
            continue


def _nobody(_: SwapProgress) -> None:
    """Take progress that nobody asked for."""
