import asyncio
import time

import numpy as np
import pytest

from edgeflow.errors import DeadlineError, UnknownModelError, UnreachableError
from edgeflow.inference import client
from edgeflow.inference.client import AsyncTensorClient, Gateway, Retry
from edgeflow.inference.requests import InferRequest
from edgeflow.inference.servers.tensor import TensorServer
from servers import free_port
from tensor_peers import NumpyService

LONG = 20.0


@pytest.fixture
def server():
    service = NumpyService()
    service.add("double", "x:f4:?", "y:f4:?", lambda x: (x * 2,))
    service.add("slow", "x:f4:?", "y:f4:?", lambda x: (time.sleep(0.5), (x,))[1])
    with TensorServer(service, port=0) as running:
        running.service = service
        yield running
    service.close()


def request(model: str = "double", value: float = 1.0, **more) -> InferRequest:
    return InferRequest(model, {"x": np.full(2, value, np.float32)}, **more)


def run(main, *gateways: Gateway, **options):
    async def whole():
        asked = AsyncTensorClient(gateways, **options)
        try:
            return await main(asked)
        finally:
            await asked.close()

    return asyncio.run(whole())


def test_hundreds_at_once_over_four_connections(server):
    async def main(asked):
        answers = await asyncio.gather(*(asked.infer(request(value=n)) for n in range(300)))
        assert [answer.first[0] for answer in answers] == [2.0 * n for n in range(300)]
        assert len(server._desk.connections) <= 4

    run(main, Gateway(port=server.port, timeout_s=LONG))


def test_one_connection_serves_requests_one_after_the_other(server):
    async def main(asked):
        for number in range(20):
            assert (await asked.infer(request(value=number))).first[0] == 2 * number
        assert len(server._desk.connections) == 1

    run(main, Gateway(port=server.port, timeout_s=LONG))


def test_a_task_that_is_cancelled_withdraws_its_request(server):
    async def main(asked):
        busy = [asyncio.create_task(asked.infer(request("slow"))) for _ in range(2)]
        while len(server.service.seen) < 2:
            await asyncio.sleep(0.01)
        queued = asyncio.create_task(asked.infer(request("slow")))
        while len(server.service.seen) < 3:
            await asyncio.sleep(0.01)
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queued
        assert [answer.first[0] for answer in await asyncio.gather(*busy)] == [1, 1]
        while not server.service.cancelled:
            await asyncio.sleep(0.01)

    run(main, Gateway(port=server.port, timeout_s=LONG))


def test_errors_and_deadlines(server):
    async def main(asked):
        with pytest.raises(UnknownModelError):
            await asked.infer(request("nobody"))
        with pytest.raises(DeadlineError):
            await asked.infer(request("slow", deadline=time.monotonic() + 0.05))
        assert (await asked.infer(request())).first[0] == 2

    run(main, Gateway(port=server.port, timeout_s=LONG))


def test_after_closing_nobody_answers(server):
    async def main(asked):
        await asked.infer(request())
        await asked.close()
        with pytest.raises(UnreachableError):
            await asked.infer(request())

    run(main, Gateway(port=server.port, timeout_s=LONG), retry=Retry(attempts=1))


def test_a_fallback_may_be_a_coroutine(server):
    async def instead(asked_for):
        await asyncio.sleep(0)
        return f"instead of {asked_for.model}"

    async def main(asked):
        return await asked.infer(request("anything"))

    gateway = Gateway(port=free_port(), timeout_s=LONG)
    options = {"fallbacks": {"anything": instead}, "retry": Retry(attempts=1)}
    assert run(main, gateway, **options) == "instead of anything"


def test_the_names_of_the_package():
    for name in client.__all__:
        assert getattr(client, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        _ = client.nothing
