import random
import threading
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest

from edgeflow.errors import EdgeFlowError
from edgeflow.inference.engines.callable import CallableEngine
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.scheduling.counters import Counters
from edgeflow.inference.scheduling.job import Job
from edgeflow.inference.scheduling.lane import Lane, LaneOptions
from edgeflow.inference.scheduling.workers import Crew

JOBS = 3000


class Meter:
    """How many cores the functions use at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.used = 0
        self.most = 0
        self.closed: list[str] = []

    def engine(self, name: str, cores: int) -> CallableEngine:
        def work(inputs: dict[str, Any]) -> Any:
            with self.lock:
                self.used += cores
                self.most = max(self.most, self.used)
            if inputs["x"][0, 0] > 0.9:
                time.sleep(0.0005)
            with self.lock:
                self.used -= cores
            return inputs["x"] * 2

        return CallableEngine(
            work, inputs="x: float32[?, 2]", outputs="y: float32[?, 2]", parallel=True, name=name
        )

    def lane(self, crew: Crew, name: str, **options: Any) -> Lane:
        return Lane(
            name, "1", self.engine(name, options.get("threads", 1)), crew, LaneOptions(**options),
            counters=Counters(), finish=lambda: self.closed.append(name),
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_every_job_is_answered_once_whatever_happens(seed: int) -> None:
    crew, meter = Crew(3), Meter()
    lanes = [
        meter.lane(crew, "plain", instances=3, capacity=50),
        meter.lane(crew, "wide", instances=2, threads=2, capacity=20, policy="drop_oldest"),
        meter.lane(crew, "batched", instances=2, max_batch=8, max_delay_s=0.001, policy="block"),
        meter.lane(crew, "retired", instances=1),
    ]
    told: Counter[int] = Counter()
    wrong: list[object] = []
    refused: list[int] = []
    all_told = threading.Semaphore(0)

    def sender(first: int) -> None:
        dice = random.Random(seed * 1000 + first)
        for number in range(first, first + JOBS):
            lane = dice.choice(lanes)
            value = np.full((dice.randint(1, 3), 2), dice.random(), np.float32)

            def done(
                outcome: InferResponse | EdgeFlowError, number: int = number, sent: Any = value
            ) -> None:
                told[number] += 1
                if isinstance(outcome, InferResponse) and not np.array_equal(
                    outcome.first, sent * 2
                ):
                    wrong.append(number)
                all_told.release()

            deadline = (
                time.monotonic() + dice.choice([-1, 0.0005, 10]) if dice.random() < 0.3 else None
            )
            job = Job(
                InferRequest(
                    lane.model, {}, client=str(dice.randint(0, 4)), priority=dice.randint(-1, 1),
                    deadline=deadline,
                ),
                done,
                time.monotonic(),
            )  # fmt: skip
            job.inputs = {"x": value}
            if not lane.submit(job):
                refused.append(number)
                all_told.release()
            elif dice.random() < 0.1:
                job.cancel()
            if dice.random() < 0.01:
                time.sleep(0.002)
            if number == JOBS // 2:
                lanes[3].retire()

    senders = [threading.Thread(target=sender, args=(n * JOBS,)) for n in range(3)]
    for each in senders:
        each.start()
    for _ in range(3 * JOBS):
        assert all_told.acquire(timeout=30), "a job was forgotten"
    for each in senders:
        each.join()
    for lane in lanes:
        lane.retire()
    assert crew.close()
    assert wrong == []
    assert set(told.values()) == {1}
    assert sorted([*told, *refused]) == list(range(3 * JOBS))
    assert meter.most <= 3
    assert sorted(meter.closed) == ["batched", "plain", "retired", "wide"]
    assert all(lane.depth == 0 for lane in lanes)
