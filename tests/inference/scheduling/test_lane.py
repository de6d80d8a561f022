import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from edgeflow.core.clock import ManualClock
from edgeflow.errors import (
    CancelledError,
    DeadlineError,
    EdgeFlowError,
    EngineError,
    OverloadedError,
)
from edgeflow.inference.engines.callable import CallableEngine
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.scheduling.counters import Counters
from edgeflow.inference.scheduling.job import Job
from edgeflow.inference.scheduling.lane import Lane, LaneOptions
from edgeflow.inference.scheduling.workers import Crew

LONG = 20.0


class Bench:
    """A lane over a function that waits until it is let go; outcomes by request id."""

    def __init__(self, crew: Crew, clock: ManualClock, shape: str = "?, 2", **options: Any) -> None:
        self.clock = clock
        self.crew = crew
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.computed: list[list[float]] = []
        self.outcomes: dict[str, InferResponse | EdgeFlowError] = {}
        self.order: list[str] = []
        self.changed = threading.Condition()
        self.counters = Counters(self.now)
        self.engine = CallableEngine(
            self.double,
            inputs=f"x: float32[{shape}]",
            outputs=f"y: float32[{shape}]",
            parallel=True,
        )
        self.lane = Lane(
            "m", "1", self.engine, crew, LaneOptions(**options),
            counters=self.counters, now=self.now,
        )  # fmt: skip

    def now(self) -> float:
        return self.clock.monotonic_ns() / 1e9

    def double(self, inputs: dict[str, Any]) -> Any:
        self.computed.append(inputs["x"][:, 0].tolist())
        self.entered.release()
        if not self.gate.wait(LONG):
            raise RuntimeError("never let go")
        if (inputs["x"] < 0).any():
            raise ValueError("negative")
        return inputs["x"] * 2

    def send(self, name: str, value: float = 1.0, rows: int = 1, **fields: Any) -> Job:
        def done(outcome: InferResponse | EdgeFlowError) -> None:
            with self.changed:
                assert name not in self.outcomes, "told twice"
                self.outcomes[name] = outcome
                self.order.append(name)
                self.changed.notify_all()

        job = Job(InferRequest("m", {}, request_id=name, **fields), done, self.now())
        job.inputs = {"x": np.full((rows, 2), value, np.float32)}
        assert self.lane.submit(job)
        return job

    def wait(self, *names: str) -> list[InferResponse | EdgeFlowError]:
        with self.changed:
            assert self.changed.wait_for(lambda: all(n in self.outcomes for n in names), LONG)
        return [self.outcomes[name] for name in names]

    def occupy(self, name: str = "first") -> None:
        """Keep one instance busy until the gate opens."""
        self.send(name)
        assert self.entered.acquire(timeout=LONG)


Make = Callable[..., Bench]


@pytest.fixture
def make() -> Iterator[Make]:
    benches: list[Bench] = []

    def build(*, cores: int = 1, **options: Any) -> Bench:
        clock = ManualClock()
        crew = Crew(cores, now=lambda: clock.monotonic_ns() / 1e9)
        benches.append(Bench(crew, clock, **options))
        return benches[-1]

    yield build
    for bench in benches:
        bench.gate.set()
        bench.lane.abort()
        assert bench.crew.close()


def test_a_flood_of_one_client_does_not_delay_another(make: Make) -> None:
    bench = make(capacity=100)
    bench.occupy()
    names = [f"flood{n}" for n in range(20)]
    for name in names:
        bench.send(name, client="flood")
    bench.send("other", client="other")
    bench.gate.set()
    bench.wait(*names, "other")
    assert bench.order.index("other") <= 2


def test_higher_priority_is_computed_first(make: Make) -> None:
    bench = make()
    bench.occupy()
    bench.send("low", priority=-1)
    bench.send("normal")
    bench.send("high", priority=9)
    bench.gate.set()
    bench.wait("low", "normal", "high")
    assert bench.order == ["first", "high", "normal", "low"]


def test_a_late_request_is_answered_and_not_computed(make: Make) -> None:
    bench = make()
    bench.occupy()
    bench.send("late", 7.0, deadline=bench.now() + 0.1)
    bench.send("in time", 8.0, deadline=bench.now() + 60.0)
    bench.clock.advance(0.2)
    bench.gate.set()
    late, in_time = bench.wait("late", "in time")
    assert isinstance(late, DeadlineError)
    assert isinstance(in_time, InferResponse)
    assert bench.computed == [[1.0], [8.0]]
    assert (bench.counters.late, bench.counters.requests) == (1, 3)


def test_a_cancelled_request_is_not_computed(make: Make) -> None:
    bench = make()
    bench.occupy()
    job = bench.send("left", 7.0)
    job.cancel()
    job.cancel()
    assert isinstance(bench.outcomes["left"], CancelledError)
    bench.gate.set()
    bench.wait("first")
    assert bench.computed == [[1.0]]
    assert bench.counters.cancelled == 1


def test_cancelling_what_is_being_computed_changes_nothing(make: Make) -> None:
    bench = make()
    job = bench.send("running")
    assert bench.entered.acquire(timeout=LONG)
    job.cancel()
    bench.gate.set()
    assert isinstance(bench.wait("running")[0], InferResponse)


def test_reject_answers_the_newest_of_the_greediest_client(make: Make) -> None:
    bench = make(capacity=3)
    bench.occupy()
    for name in "abc":
        bench.send(name, client="flood")
    bench.send("d", client="flood")
    assert isinstance(bench.outcomes["d"], OverloadedError)
    bench.send("e", client="other")
    assert isinstance(bench.outcomes["c"], OverloadedError)
    assert bench.lane.depth == 3
    bench.gate.set()
    assert all(isinstance(each, InferResponse) for each in bench.wait("a", "b", "e"))
    assert bench.counters.rejected == 2


def test_drop_oldest_keeps_the_newest(make: Make) -> None:
    bench = make(capacity=2, policy="drop_oldest")
    bench.occupy()
    for number in range(6):
        bench.send(str(number))
    bench.gate.set()
    bench.wait("4", "5")
    assert [isinstance(bench.outcomes[str(n)], OverloadedError) for n in range(4)] == [True] * 4
    assert all(isinstance(bench.outcomes[n], InferResponse) for n in "45")


def test_block_tells_the_sender_to_pause_and_is_still_bounded(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeflow.inference.scheduling.lane.HELD", 2)
    bench = make(capacity=2, policy="block")
    bench.occupy()
    crowded = [bench.send(str(n)).crowded for n in range(4)]
    assert crowded == [False, False, True, True]
    assert bench.lane.depth == 4
    bench.send("too many")
    assert isinstance(bench.outcomes["too many"], OverloadedError)
    bench.gate.set()
    bench.wait(*"0123")


def test_what_is_late_makes_room_in_a_full_queue(make: Make) -> None:
    bench = make(capacity=2)
    bench.occupy()
    for name in "ab":
        bench.send(name, deadline=bench.now() + 0.1)
    bench.clock.advance(1.0)
    bench.send("c")
    assert isinstance(bench.outcomes["a"], DeadlineError)
    bench.gate.set()
    assert isinstance(bench.wait("c")[0], InferResponse)


def test_a_model_that_raises_fails_only_its_own_request(make: Make) -> None:
    bench = make()
    bench.gate.set()
    bench.send("bad", -1.0)
    bench.send("good")
    bad, good = bench.wait("bad", "good")
    assert isinstance(bad, EngineError) and "negative" in str(bad)
    assert isinstance(good, InferResponse)
    assert bench.counters.errors == 1


def test_a_listener_that_raises_does_not_stop_the_worker(make: Make) -> None:
    bench = make()
    bench.gate.set()

    def broken(outcome: object) -> None:
        raise RuntimeError("broken listener")

    job = Job(InferRequest("m", {}), broken, bench.now())
    job.inputs = {"x": np.ones((1, 2), np.float32)}
    assert bench.lane.submit(job)
    bench.send("next")
    assert isinstance(bench.wait("next")[0], InferResponse)


def test_a_listener_that_raises_does_not_silence_its_batch(make: Make) -> None:
    bench = make(max_batch=8)
    bench.occupy()

    def broken(outcome: object) -> None:
        raise RuntimeError("broken listener")

    job = Job(InferRequest("m", {}), broken, bench.now())
    job.inputs = {"x": np.ones((1, 2), np.float32)}
    assert bench.lane.submit(job)
    bench.send("companion")
    bench.gate.set()
    answer = bench.wait("companion")[0]
    assert isinstance(answer, InferResponse) and answer.batch == 2


def test_an_output_that_the_engine_does_not_give_fails_only_its_request(make: Make) -> None:
    bench = make()
    bench.gate.set()
    failed: list[object] = []
    over = threading.Event()

    def done(outcome: object) -> None:
        failed.append(outcome)
        over.set()

    job = Job(InferRequest("m", {}), done, bench.now())
    job.inputs, job.outputs = {"x": np.ones((1, 2), np.float32)}, ("y", "z")
    assert bench.lane.submit(job)
    assert over.wait(LONG)
    assert isinstance(failed[0], EngineError) and "'z'" in str(failed[0])
    bench.send("next")
    assert isinstance(bench.wait("next")[0], InferResponse)


def test_waiting_requests_share_a_call_and_get_their_own_rows(make: Make) -> None:
    bench = make(max_batch=8)
    bench.occupy()
    sizes = {"a": 1, "b": 3, "c": 2}
    for number, (name, rows) in enumerate(sizes.items()):
        bench.send(name, 10.0 + number, rows=rows)
    bench.gate.set()
    answers = dict(zip(sizes, bench.wait(*sizes), strict=True))
    assert bench.computed == [[1.0], [10.0, 11.0, 11.0, 11.0, 12.0, 12.0]]
    for number, (name, rows) in enumerate(sizes.items()):
        answer = answers[name]
        assert isinstance(answer, InferResponse)
        np.testing.assert_array_equal(
            answer.outputs["y"], np.full((rows, 2), 2 * (10 + number), np.float32)
        )
        assert answer.batch == 3
    assert bench.counters.batches == 2


def test_a_batch_is_never_larger_than_allowed(make: Make) -> None:
    bench = make(max_batch=4, capacity=100)
    bench.occupy()
    names = [str(n) for n in range(10)]
    for name in names:
        bench.send(name, rows=1 + int(name) % 3)
    bench.send("huge", rows=9)
    bench.gate.set()
    bench.wait(*names, "huge")
    sizes = sorted(map(len, bench.computed))
    assert sizes[-1] == 9
    assert sizes[-2] <= 4


def test_one_bad_request_does_not_fail_the_batch(make: Make) -> None:
    bench = make(max_batch=8)
    bench.occupy()
    for name, value in {"a": 1.0, "bad": -1.0, "c": 3.0}.items():
        bench.send(name, value)
    bench.gate.set()
    a, bad, c = bench.wait("a", "bad", "c")
    assert isinstance(a, InferResponse) and isinstance(c, InferResponse)
    assert isinstance(bad, EngineError)


def test_no_batches_for_a_model_with_a_fixed_first_axis(make: Make) -> None:
    bench = make(shape="1, 2", max_batch=8)
    bench.occupy()
    bench.send("a")
    bench.send("b")
    bench.gate.set()
    bench.wait("a", "b")
    assert bench.computed == [[1.0], [1.0], [1.0]]


def test_a_batch_waits_for_others_as_long_as_allowed(make: Make) -> None:
    bench = make(max_batch=3, max_delay_s=3600.0)
    bench.gate.set()
    bench.send("a")
    bench.send("b")
    assert not bench.outcomes
    bench.send("c")
    bench.wait("a", "b", "c")
    assert bench.computed == [[1.0, 1.0, 1.0]]
    bench.send("d")
    bench.clock.advance(3601.0)
    bench.send("e")
    bench.wait("d", "e")
    assert bench.computed[1:] == [[1.0, 1.0]]


def test_requests_of_other_shapes_are_not_mixed(make: Make) -> None:
    bench = make(shape="?, ?", max_batch=8)
    bench.occupy()
    wide = bench.send("wide")
    wide.cancel()
    for name in "ab":
        bench.send(name, client="narrow")
    job = Job(
        InferRequest("m", {}, client="wide"),
        lambda outcome: bench.outcomes.__setitem__("w", outcome),
        bench.now(),
    )
    job.inputs = {"x": np.ones((1, 5), np.float32)}
    bench.lane.submit(job)
    bench.gate.set()
    bench.wait("a", "b")
    bench.send("end")
    bench.wait("end")
    answer = bench.outcomes["w"]
    assert isinstance(answer, InferResponse) and answer.first.shape == (1, 5)


def test_instances_run_at_once_and_never_more(make: Make) -> None:
    bench = make(cores=4, instances=2)
    for name in "abcd":
        bench.send(name)
    for _ in range(2):
        assert bench.entered.acquire(timeout=LONG)
    assert len(bench.computed) == 2
    assert bench.lane.depth == 2
    bench.gate.set()
    bench.wait(*"abcd")


def test_models_share_the_cores(make: Make) -> None:
    bench = make(cores=2, instances=2, threads=2)
    other = Bench(bench.crew, bench.clock, instances=2)
    bench.occupy()
    other.send("a")
    assert other.lane.depth == 1, "both cores belong to the call that runs"
    bench.gate.set()
    other.gate.set()
    bench.wait("first")
    other.wait("a")


def test_a_retired_lane_answers_what_it_has_and_closes_its_engine(make: Make) -> None:
    bench = make()
    bench.occupy()
    bench.send("waiting")
    bench.lane.retire()
    job = Job(InferRequest("m", {}), lambda outcome: None, bench.now())
    assert not bench.lane.submit(job)
    bench.gate.set()
    assert isinstance(bench.wait("waiting")[0], InferResponse)
    assert bench.crew.close()
    with pytest.raises(EngineError, match="closed"):
        bench.engine.infer({"x": np.ones((1, 2), np.float32)})


def test_aborting_answers_what_waits(make: Make) -> None:
    bench = make()
    bench.occupy()
    bench.send("waiting")
    bench.lane.abort()
    assert isinstance(bench.outcomes["waiting"], CancelledError)
    bench.gate.set()
    assert isinstance(bench.wait("first")[0], InferResponse)
