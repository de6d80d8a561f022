"""Routes of boards under load: swaps that wait, memory, long answers, numbers that are none."""

import asyncio
import io
import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from edgeflow.devices.boards.base import SwapProgress
from edgeflow.devices.boards.serial import SerialBoard
from edgeflow.devices.fleet import Fleet
from edgeflow.errors import EngineError
from edgeflow.inference.servers.mcu_desk import McuLimits
from edgeflow.inference.servers.mcu_http import mcu_routes
from edgeflow.inference.servers.mcu_inputs import json_rows
from wired_boards import model_file, samples

MOST_DEFAULT_THREADS = 32


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


class Held:
    """A fleet of boards that are not there; their swaps last until ``go``, and fail."""

    def __init__(self, boards: int, limits: McuLimits) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        made = [SerialBoard(f"/nonexistent/board{number}") for number in range(boards)]
        self.fleet = Fleet(made, self._swap, self._swap)
        self.names = [board.name for board in made]
        app = FastAPI()
        app.include_router(mcu_routes(self.fleet, limits))
        transport = httpx.ASGITransport(app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://boards", timeout=30)

    def _swap(self, *given):
        given[-1](SwapProgress("self-test", detail={"error": math.nan}))
        self.begun.release()
        assert self.go.wait(30)
        given[-1](SwapProgress("failed", error="told by the board as well"))
        raise EngineError("it was only a test")

    def infer(self, name: str, model: bytes | None = None) -> "asyncio.Task[httpx.Response]":
        files = {"input_npy": npy(samples(1))}
        if model is not None:
            files["model_bin"] = model
        asked = self.client.post("/v2/infer", files=files, data={"device": name})
        return asyncio.create_task(asked)

    async def wait_for_swaps(self, count: int) -> None:
        until = time.monotonic() + 20
        for _ in range(count):
            while not self.begun.acquire(blocking=False):
                assert time.monotonic() < until
                await asyncio.sleep(0.01)


@contextmanager
def held(boards: int, limits: McuLimits | None = None) -> Iterator[Held]:
    made = Held(boards, limits or McuLimits())
    try:
        yield made
    finally:
        made.go.set()
        made.fleet.close()


def test_requests_that_wait_for_swaps_hold_up_no_others() -> None:
    async def work(boards: Held) -> None:
        swapping = [boards.infer(name, model_file(2)) for name in boards.names[1:]]
        await boards.wait_for_swaps(len(swapping))
        other = await asyncio.wait_for(boards.infer(boards.names[0]), 10)
        assert other.status_code == 503
        boards.go.set()
        assert {(await each).status_code for each in swapping} == {409}

    with held(MOST_DEFAULT_THREADS + 2) as boards:
        asyncio.run(work(boards))


def test_inputs_that_are_worked_on_are_bounded_together() -> None:
    async def work(boards: Held) -> None:
        first = boards.infer(boards.names[0], model_file(2))
        await boards.wait_for_swaps(1)
        refused = await boards.infer(boards.names[1])
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "bytes of inputs" in refused.json()["detail"]
        boards.go.set()
        assert (await first).status_code == 409
        assert "does not answer" in (await boards.infer(boards.names[1])).json()["detail"]

    size = len(npy(samples(1)))
    with held(2, McuLimits(held_bytes=2 * size - 1)) as boards:
        asyncio.run(work(boards))


def test_steps_are_json_whatever_a_board_says() -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    async def work(boards: Held) -> None:
        begun = await boards.client.post("/v2/models/0", files={"model_bin": model_file(2)})
        boards.go.set()
        told = await boards.client.get(begun.headers["location"] + "/events")
        data = [line[6:] for line in told.text.splitlines() if line.startswith("data: ")]
        steps = [json.loads(each, parse_constant=refuse) for each in data]
        assert steps[0]["detail"] == {"error": None}
        assert [each["step"] for each in steps] == ["self-test", "failed"]

    with held(1) as boards:
        asyncio.run(work(boards))


def test_no_swap_begins_while_the_boards_are_closed() -> None:
    async def work(boards: Held) -> None:
        boards.fleet.close()
        begun = await boards.client.post("/v2/models/0", files={"model_bin": model_file(2)})
        assert begun.status_code == 503
        assert not (await boards.client.get("/v2/devices")).json()[0]["swap"]

    with held(1) as boards:
        asyncio.run(work(boards))


@pytest.mark.parametrize("number", ["-1", "256", "70000"])
def test_model_ids_that_no_board_can_have_are_refused(number: str) -> None:
    async def work(boards: Held) -> None:
        files = {"model_bin": model_file(2)}
        assert (await boards.client.post(f"/v2/models/{number}", files=files)).status_code == 422
        gone_back = await boards.client.post(f"/v2/models/{number}/rollback")
        assert gone_back.status_code == 422

    with held(1) as boards:
        asyncio.run(work(boards))


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (5000, 3), (3, 5000), (4097, 1), (2, 0)])
def test_long_answers_are_the_same_json(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    assert json.loads(json_rows(rows)) == rows.tolist()
