import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from edgeflow.core.clock import ManualClock
from edgeflow.errors import DeadlineError, EdgeFlowError
from edgeflow.inference.engines.callable import CallableEngine
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.scheduling.counters import Counters
from edgeflow.inference.scheduling.job import Job
from edgeflow.inference.scheduling.lane import Lane, LaneOptions
from edgeflow.inference.scheduling.pace import QUICK_SECONDS, Pace
from edgeflow.inference.scheduling.workers import Crew

LONG = 20.0


class Bench:
    """A lane that tells which thread computed; its time is what ``takes`` says."""

    def __init__(self, cores: int, **options: Any) -> None:
        self.clock = ManualClock()
        self.takes = 0.0
        self.interrupt = False
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.crew = Crew(cores, now=self.now)
        self.counters = Counters(self.now)
        self.threads: list[threading.Thread] = []
        engine = CallableEngine(
            self.double, inputs="x: float32[?]", outputs="y: float32[?]", parallel=True
        )
        chosen = LaneOptions(**{"inline": True, **options})
        self.lane = Lane("m", "1", engine, self.crew, chosen, counters=self.counters, now=self.now)

    def now(self) -> float:
        return self.clock.monotonic_ns() / 1e9

    def double(self, inputs: dict[str, Any]) -> Any:
        self.threads.append(threading.current_thread())
        self.entered.release()
        self.clock.advance(self.takes)
        assert self.gate.wait(LONG)
        if self.interrupt:
            raise KeyboardInterrupt
        if (inputs["x"] < 0).any():
            raise ValueError("negative")
        return inputs["x"] * 2

    def ask(
        self, size: int = 2, value: float = 1.0, wait: bool = True, **fields: Any
    ) -> list[InferResponse | EdgeFlowError]:
        outcome: list[InferResponse | EdgeFlowError] = []
        told = threading.Event()

        def done(result: InferResponse | EdgeFlowError) -> None:
            outcome.append(result)
            told.set()

        job = Job(InferRequest("m", {}, **{"inline": True, **fields}), done, self.now())
        job.inputs = {"x": np.full(size, value, np.float32)}
        assert self.lane.submit(job)
        assert not wait or told.wait(LONG)
        return outcome

    @property
    def was_inline(self) -> bool:
        return self.threads[-1] is threading.current_thread()

    def learn(self) -> None:
        for _ in range(8):
            self.ask()

    def rest(self) -> None:
        """Wait until the crew has put everything away."""
        end = time.monotonic() + LONG
        while not self.lane.is_idle(0.0):
            assert time.monotonic() < end
            time.sleep(0.001)


@pytest.fixture
def make() -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def build(*, cores: int = 1, **options: Any) -> Bench:
        benches.append(Bench(cores, **options))
        return benches[-1]

    yield build
    for bench in benches:
        bench.gate.set()
        bench.lane.abort()
        assert bench.crew.close()


Make = Callable[..., Bench]


def test_a_model_known_to_be_quick_is_computed_by_who_asks(make: Make) -> None:
    bench = make()
    bench.learn()
    assert not bench.was_inline
    bench.rest()
    (answer,) = bench.ask(value=3.0, wait=False)
    assert bench.was_inline
    assert isinstance(answer, InferResponse)
    assert answer.first.tolist() == [6.0, 6.0]
    assert (bench.counters.requests, bench.counters.total.count) == (9, 9)
    bench.ask(inline=False)
    assert not bench.was_inline


def test_a_slow_call_and_a_larger_input_go_to_the_crew(make: Make) -> None:
    bench = make()
    bench.learn()
    bench.rest()
    bench.ask(size=3)
    assert not bench.was_inline
    bench.rest()
    bench.takes = QUICK_SECONDS * 2
    bench.ask()
    assert bench.was_inline
    bench.takes = 0.0
    bench.ask()
    assert not bench.was_inline


def test_an_error_of_the_model_is_told_and_counted(make: Make) -> None:
    bench = make()
    bench.learn()
    bench.rest()
    (error,) = bench.ask(value=-1.0, wait=False)
    assert bench.was_inline
    assert "negative" in str(error)
    assert bench.counters.errors == 1
    assert bench.lane.is_idle(0.0)


def test_calls_that_fail_tell_nothing_of_how_long_one_takes(make: Make) -> None:
    bench = make()
    for _ in range(12):
        bench.ask(value=-1.0)
        bench.rest()
    bench.ask()
    assert threading.current_thread() not in bench.threads


def test_a_guest_that_is_interrupted_gives_its_core_back(make: Make) -> None:
    bench = make()
    bench.learn()
    bench.rest()
    bench.interrupt = True
    with pytest.raises(KeyboardInterrupt):
        bench.ask(wait=False)
    bench.interrupt = False
    assert bench.lane.is_idle(0.0)
    (answer,) = bench.ask(inline=False)
    assert isinstance(answer, InferResponse)


def test_nobody_is_overtaken(make: Make) -> None:
    bench = make(cores=2, instances=1)
    bench.learn()
    bench.rest()
    bench.gate.clear()
    while bench.entered.acquire(blocking=False):
        pass
    bench.ask(inline=False, wait=False)
    assert bench.entered.acquire(timeout=LONG)
    first = bench.ask(inline=False, wait=False)
    second = bench.ask(wait=False)  # an instance is busy, and somebody waits
    assert (first, second) == ([], [])
    bench.gate.set()
    bench.rest()
    assert len(first) == len(second) == 1
    assert threading.current_thread() not in bench.threads


def test_cores_in_use_are_not_exceeded(make: Make) -> None:
    bench = make(cores=2, instances=2, threads=2)
    bench.learn()
    bench.rest()
    bench.gate.clear()
    while bench.entered.acquire(blocking=False):
        pass
    bench.ask(inline=False, wait=False)
    assert bench.entered.acquire(timeout=LONG)
    assert bench.ask(wait=False) == []
    bench.gate.set()
    bench.rest()
    assert threading.current_thread() not in bench.threads


def test_while_a_guest_computes_others_wait_for_its_core_and_then_go_on(make: Make) -> None:
    bench = make(cores=1)
    bench.learn()
    bench.rest()
    bench.gate.clear()
    while bench.entered.acquire(blocking=False):
        pass
    guest = threading.Thread(target=bench.ask)
    guest.start()
    assert bench.entered.acquire(timeout=LONG)
    assert bench.threads[-1] is guest
    other = bench.ask(wait=False)
    assert other == []
    bench.gate.set()
    guest.join(LONG)
    bench.rest()
    assert len(other) == 1


def test_a_late_request_is_not_computed(make: Make) -> None:
    bench = make()
    bench.learn()
    bench.rest()
    count = len(bench.threads)
    (late,) = bench.ask(deadline=bench.now())
    assert isinstance(late, DeadlineError)
    assert len(bench.threads) == count


@pytest.mark.parametrize("options", [{"inline": False}, {"max_batch": 4}])
def test_lanes_that_may_not_never_do(make: Make, options: dict[str, Any]) -> None:
    bench = make(**options)
    for _ in range(12):
        bench.ask()
        bench.rest()
    assert threading.current_thread() not in bench.threads


def test_a_retired_lane_ends_when_its_guest_has_gone(make: Make) -> None:
    bench = make()
    bench.learn()
    bench.rest()
    bench.gate.clear()
    while bench.entered.acquire(blocking=False):
        pass
    guest = threading.Thread(target=bench.ask)
    guest.start()
    assert bench.entered.acquire(timeout=LONG)
    bench.lane.retire()
    assert not bench.lane.has_ended
    bench.gate.set()
    guest.join(LONG)
    assert bench.lane.has_ended


def test_pace_trusts_only_what_it_has_seen_often() -> None:
    pace = Pace()
    for _ in range(8):
        assert not pace.is_quick(10)
        pace.note(10, QUICK_SECONDS)
    assert pace.is_quick(10)
    assert not pace.is_quick(11)
    pace.note(20, QUICK_SECONDS)
    assert pace.is_quick(20)
    pace.note(1, QUICK_SECONDS, failed=True)
    assert pace.is_quick(1)
    pace.note(1, QUICK_SECONDS * 1.1, failed=True)
    assert not pace.is_quick(1)
