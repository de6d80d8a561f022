import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from connecting import listening, made, until
from edgeflow.comms.ros2 import DomainOptions, Participant
from edgeflow.errors import ConfigError
from edgeflow.pipelines.connectors.base import BaseConnector
from edgeflow.pipelines.connectors.ros2 import Ros2Connector
from edgeflow.pipelines.loading.loader import load_text
from ros2_sides import DOMAIN, Peer, peer_process, some_topic

NOW = int(time.time())
STAMP = {"stamp": {"sec": NOW - 5, "nanosec": 500_000_000}, "frame_id": "cam"}


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with peer_process() as peer:
        yield peer


def ros2(topic: str | None = None, **options: object) -> BaseConnector:
    routes = options.pop("routes", ())
    named = {} if topic is None else {"topic": topic}
    return made(Ros2Connector, routes, domain=DOMAIN, **named, **options)  # type: ignore[arg-type]


def image(data: list[int], **others: object) -> dict[str, object]:
    size = {"height": 2, "width": 2, "encoding": "rgb8", "is_bigendian": 0, "step": 6}
    return {"header": STAMP, **size, "data": data, **others}


def test_images_become_arrays(peer: Peer) -> None:
    topic = some_topic()

    async def run() -> None:
        connector = ros2(topic, message="sensor_msgs/Image")
        async with listening(connector) as listener:
            peer.announce(topic, "Image", reliable=False)
            await until(lambda: connector.state == "connected")
            await asyncio.to_thread(peer.write, topic, "Image", fields=image(list(range(12))))
            (message,) = await listener.take()
        expected = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)[..., ::-1]
        assert np.array_equal(message.payload, expected)
        assert message.encoding == ""
        assert message.sensor_id == f"ros2:{topic}"
        assert message.timestamp == NOW - 4.5
        assert message.metadata["frame_id"] == "cam"
        assert message.metadata["shape"] == [2, 2, 3]

    asyncio.run(run())


def test_what_is_no_picture_is_refused_and_the_next_one_taken(peer: Peer) -> None:
    topic = some_topic()

    async def run() -> None:
        connector = ros2(topic, message="sensor_msgs/Image", reliability="reliable")
        async with listening(connector) as listener:
            peer.announce(topic, "Image")
            await until(lambda: connector.state == "connected")
            await asyncio.to_thread(peer.write, topic, "Image", fields=image(list(range(5))))
            await asyncio.to_thread(
                peer.write, topic, "Image", fields=image([], encoding="bayer_rggb8")
            )
            await asyncio.to_thread(peer.write, topic, "Image", fields=image(list(range(12))))
            (message,) = await listener.take()
        assert message.payload.shape == (2, 2, 3)
        assert connector.refused == 2  # type: ignore[attr-defined]

    asyncio.run(run())


def test_several_topics_go_to_their_pipelines(peer: Peer) -> None:
    words, air, camera = some_topic(), some_topic(), some_topic()
    _, jpeg = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))

    async def run() -> None:
        routes = [
            {"filter": words, "message": "std_msgs/String", "pipeline": "a", "serializer": "json"},
            {"filter": words, "message": "std_msgs/String", "pipeline": ["a", "b"]},
            {"filter": air, "message": "sensor_msgs/Temperature", "pipeline": "env"},
            {"filter": camera, "message": "sensor_msgs/CompressedImage", "pipeline": "vision"},
        ]
        connector = ros2(routes=routes, sensor_id="robot", reliability="reliable")
        async with listening(connector) as listener:
            await asyncio.to_thread(
                peer.write, words, "String", fields={"data": '{"co2_ppm": 900}'}
            )
            (text,) = await listener.take()
            fields = {"header": STAMP, "temperature": 21.5, "variance": 0.25}
            await asyncio.to_thread(peer.write, air, "Temperature", fields=fields)
            (warm,) = await listener.take()
            fields = {"header": STAMP, "format": "jpeg", "data": jpeg.tolist()}
            await asyncio.to_thread(peer.write, camera, "CompressedImage", fields=fields)
            (picture,) = await listener.take()
        assert json.loads(text.payload) == {"co2_ppm": 900}
        assert (text.encoding, text.sensor_id) == ("json", "robot")
        assert text.pipeline_override == ("a", "b")
        assert abs(text.timestamp - time.time()) < 60
        assert warm.payload == {"temperature": 21.5, "variance": 0.25}
        assert warm.pipeline_override == ("env",)
        assert (picture.payload, picture.encoding) == (bytes(jpeg), "jpeg")

    asyncio.run(run())


def test_text_stays_text_and_arrays_become_lists(peer: Peer) -> None:
    words, joints = some_topic(), some_topic()

    async def run() -> None:
        participant = await asyncio.to_thread(Participant, DomainOptions(DOMAIN))
        routes = [
            {"filter": words, "message": "std_msgs/String", "pipeline": "x"},
            {"filter": joints, "message": "sensor_msgs/JointState", "pipeline": "x"},
        ]
        try:
            publication = participant.publish(joints, "sensor_msgs/JointState")
            async with listening(ros2(routes=routes, reliability="reliable")) as listener:
                await asyncio.to_thread(peer.write, words, "String", fields={"data": "hello"})
                (text,) = await listener.take()
                assert await asyncio.to_thread(publication.wait_subscribed, 30)
                publication.send({"name": ["a"], "position": [0.5]})
                (state,) = await listener.take()
        finally:
            participant.close()
        assert text.payload == {"data": "hello"}
        assert state.payload == {"name": ["a"], "position": [0.5], "velocity": [], "effort": []}
        assert state.timestamp > NOW - 60  # the header's stamp, 1970, is none

    asyncio.run(run())


def test_a_publisher_that_dies_and_comes_back_is_found_again() -> None:
    topic = some_topic()

    async def run() -> None:
        connector = ros2(topic, message="std_msgs/String", reliability="reliable")
        async with listening(connector) as listener:
            await until(lambda: connector.state == "waiting")
            assert connector.last_error == f"nobody publishes {topic}"
            for word in ("one", "two"):
                with peer_process() as peer:
                    peer.announce(topic, "String")
                    await until(lambda: connector.state == "connected")
                    await asyncio.to_thread(peer.write, topic, "String", fields={"data": word})
                    (message,) = await listener.take()
                    assert message.payload == {"data": word}
                    peer.leave(topic)
                    await until(lambda: connector.state == "waiting")

    asyncio.run(run())


def test_a_publisher_of_another_type_is_named(peer: Peer) -> None:
    topic = some_topic()

    async def run() -> None:
        connector = ros2(topic, message="sensor_msgs/Image")
        async with listening(connector) as listener:
            peer.announce(topic, "String")
            await until(lambda: "std_msgs/msg/String" in str(connector.last_error))
            assert connector.state == "waiting"
            assert listener.messages == []

    asyncio.run(run())


def test_an_interface_that_is_away_is_tried_again() -> None:
    async def run() -> None:
        connector = ros2("/x", message="std_msgs/Bool", interface="eth9876")
        async with listening(connector):
            await until(lambda: connector.state == "waiting")
            assert "eth9876" in str(connector.last_error)

    asyncio.run(run())


def test_messages_that_nobody_takes_are_dropped_and_counted(peer: Peer) -> None:
    topic = some_topic()

    async def run() -> None:
        connector = ros2(topic, message="std_msgs/Float32", capacity=2, reliability="reliable")
        await connector.start()
        messages = connector.iter_messages()
        first = asyncio.ensure_future(anext(messages))
        peer.announce(topic, "Float32")
        await until(lambda: connector.state == "connected")
        await asyncio.to_thread(peer.write, topic, "Float32", fields={"data": 0.0})
        assert (await first).payload == {"data": 0.0}
        for number in range(1, 9):
            await asyncio.to_thread(peer.write, topic, "Float32", fields={"data": float(number)})
        await until(lambda: connector.dropped == 6)
        assert [(await anext(messages)).payload["data"] for _ in range(2)] == [7.0, 8.0]
        await messages.aclose()  # type: ignore[attr-defined]
        await connector.stop()

    asyncio.run(run())


def test_topics_without_a_type_are_refused() -> None:
    with pytest.raises(ValidationError, match="say the type"):
        Ros2Connector.Options(topic="/x")
    with pytest.raises(ValidationError, match="std_msgs/msg/String"):
        Ros2Connector.Options(topic="/x", message="std_msgs/Strin")
    with pytest.raises(ValidationError, match="no name of a ROS 2 topic"):
        Ros2Connector.Options(topic="/a b", message="std_msgs/Bool")
    for connector in (ros2(), ros2(routes=[{"filter": "/x", "pipeline": "p"}])):
        with pytest.raises(ConfigError):
            asyncio.run(connector.start())


def test_it_is_declared_in_the_yaml(tmp_path: Path) -> None:
    text = """
version: 1
connectors:
  - id: robot
    type: ros2
    domain: 7
    topics:
      - {filter: camera/image_raw, message: sensor_msgs/Image, pipeline: vision}
pipelines:
  - {id: vision, agents: [archive]}
agents:
  archive: {type: snapshot_archive, dispatcher: door}
actions:
  door: {type: ros2, topic: /door/open, message: std_msgs/Bool}
"""
    plan = load_text(text, tmp_path / "pipelines.yaml", {})
    assert plan.connectors[0].routes[0].filter == "/camera/image_raw"
