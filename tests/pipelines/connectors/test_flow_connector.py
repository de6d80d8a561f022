import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from connecting import listening, made, until
from edgeflow import EdgeApp
from edgeflow.nodes import ProducerNode, SinkNode
from edgeflow.pipelines.connectors.flow import FlowConnector
from edgeflow.runtime.control import ControlServer


class Pictures(ProducerNode):
    fps = 50

    def produce(self):
        return np.full((4, 6, 3), self.next_id % 256, np.uint8), {"number": self.next_id}


class Texts(ProducerNode):
    fps = 50

    def produce(self):
        return b'{"n": 1}'


class Nothing(SinkNode):
    def process(self, frame):
        pass


@contextmanager
def running(name: str) -> Iterator[None]:
    flow = EdgeApp(name)
    flow.add("camera", Pictures)
    flow.add("texts", Texts)
    flow.add("end", Nothing)
    flow.link("camera").to("end")
    flow.link("texts").to("end")
    with flow.running() as runtime, ControlServer(name, runtime.view, runtime.frames):
        yield


@pytest.fixture
def flow() -> Iterator[None]:
    with running("tapped"):
        yield


def test_frames_of_a_running_flow_are_messages(flow: None) -> None:
    routes = [
        {"filter": "camera", "pipeline": "vision", "sensor_id": "front"},
        {"filter": "texts", "pipeline": ["env", "log"], "serializer": "json"},
    ]

    async def run() -> None:
        connector = made(FlowConnector, routes, app="tapped")
        async with listening(connector) as listener:
            await until(
                lambda: {m.metadata["topic"] for m in listener.messages} == {"camera", "texts"}
            )
        by_topic = {message.metadata["topic"]: message for message in listener.messages}
        picture, text = by_topic["camera"], by_topic["texts"]
        assert picture.payload.shape == (4, 6, 3)
        assert (picture.sensor_id, picture.pipeline_override) == ("front", ("vision",))
        assert picture.metadata["number"] == picture.payload[0, 0, 0]
        assert (text.payload, text.encoding) == (b'{"n": 1}', "json")
        assert text.pipeline_override == ("env", "log")
        assert text.timestamp > 1.7e9

    asyncio.run(run())


def test_a_flow_that_is_not_there_yet_is_waited_for() -> None:
    async def run() -> None:
        connector = made(FlowConnector, app="later", topic="camera")
        async with listening(connector) as listener:
            await until(lambda: connector.state == "waiting")
            assert "later" in str(connector.last_error)
            with running("later"):
                await listener.take(2)
            await until(lambda: connector.state == "waiting")

    asyncio.run(run())


def test_a_topic_that_is_not_there_is_reported(flow: None) -> None:
    async def run() -> None:
        connector = made(FlowConnector, app="tapped", topic="cmera")
        async with listening(connector):
            await until(lambda: connector.state == "waiting")
            assert "camera" in str(connector.last_error)

    asyncio.run(run())
