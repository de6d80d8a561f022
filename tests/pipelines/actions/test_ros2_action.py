import asyncio
import json
from collections.abc import Iterator

import numpy as np
import pytest

from acting import acting, action, dispatch
from edgeflow.pipelines.actions.ros2 import Ros2Dispatcher
from edgeflow.pipelines.message import ActionResult
from ros2_sides import DOMAIN, Peer, peer_process, some_topic

JPEG = b"\xff\xd8\xff\xe0"


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with peer_process() as peer:
        yield peer


def published(peer: Peer, kind: str, payload: object, **options: object) -> object:
    """Return what the peer hears of an action."""
    topic = some_topic()
    peer.listen(topic, kind)

    async def run() -> ActionResult:
        async with acting(
            Ros2Dispatcher, topic=topic, domain=DOMAIN, timeout=30, **options
        ) as dispatcher:
            result = await dispatch(dispatcher, action(payload))
            heard.append(peer.read(topic))
            return result

    heard: list[object] = []
    result = asyncio.run(run())
    assert result.ok, result.detail
    assert result.target == topic
    return heard[0]


def test_an_action_is_json_in_a_string(peer: Peer) -> None:
    heard = published(peer, "String", {"n": 1})
    assert json.loads(heard["data"]) == {"agent": "guard", "pipeline": "vision", "n": 1}  # type: ignore[index]
    assert published(peer, "String", "open") == {"data": "open"}
    heard = published(peer, "String", JPEG)
    assert json.loads(heard["data"])["data"] == "/9j/4A=="  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "message", "payload", "value"),
    [
        ("Bool", "std_msgs/Bool", True, True),
        ("Bool", "std_msgs/msg/Bool", {"data": False, "text": "x"}, False),
        ("Float32", "std_msgs/Float32", {"value": 0.25}, 0.25),
    ],
)
def test_a_single_value_is_published(
    peer: Peer, kind: str, message: str, payload: object, value: object
) -> None:
    assert published(peer, kind, payload, message=message) == {"data": value}


def test_fields_are_filled_in(peer: Peer) -> None:
    heard = published(
        peer, "Twist", {"linear": {"x": 0.5}}, message="geometry_msgs/Twist", durability="volatile"
    )
    zero = {"x": 0.0, "y": 0.0, "z": 0.0}
    assert heard == {"linear": {**zero, "x": 0.5}, "angular": zero}
    heard = published(
        peer, "Temperature", {"temperature": 4.0}, message="sensor_msgs/Temperature", frame_id="lab"
    )
    assert heard["temperature"] == 4.0  # type: ignore[index]
    assert heard["header"]["frame_id"] == "lab"  # type: ignore[index]
    assert heard["header"]["stamp"]["sec"] > 1_700_000_000  # type: ignore[index]


def test_pictures_are_published(peer: Peer) -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    heard = published(peer, "Image", picture, message="sensor_msgs/Image")
    assert heard["data"] == list(range(12))  # type: ignore[index]
    assert (heard["encoding"], heard["step"]) == ("bgr8", 6)  # type: ignore[index]
    heard = published(peer, "CompressedImage", JPEG, message="sensor_msgs/CompressedImage")
    assert (heard["format"], bytes(heard["data"])) == ("jpeg", JPEG)  # type: ignore[index]


def test_an_agent_may_name_the_topic(peer: Peer) -> None:
    topic = some_topic()
    peer.listen(topic, "String")

    async def run() -> None:
        async with acting(Ros2Dispatcher, domain=DOMAIN, timeout=30) as dispatcher:
            assert (await dispatch(dispatcher, action("x", target=topic))).ok
            assert peer.read(topic) == {"data": "x"}
            without = await dispatch(dispatcher, action("x"))
            assert not without.ok
            wrong = await dispatch(dispatcher, action("x", target="a b"))
            assert "no name of a ROS 2 topic" in wrong.detail

    asyncio.run(run())


def test_without_a_subscriber_an_action_has_failed(peer: Peer) -> None:
    topic, kept = some_topic(), some_topic()

    async def run() -> None:
        async with acting(Ros2Dispatcher, topic=topic, domain=DOMAIN, timeout=0.1) as dispatcher:
            result = await dispatch(dispatcher, action("x"))
            assert (result.ok, result.detail) == (False, f"nobody subscribes to {topic}")
        async with acting(
            Ros2Dispatcher, topic=kept, domain=DOMAIN, durability="transient_local"
        ) as dispatcher:
            assert (await dispatch(dispatcher, action("x"))).ok

    asyncio.run(run())


@pytest.mark.parametrize(
    ("message", "payload", "said"),
    [
        ("std_msgs/Bool", {"state": True}, "neither 'data' nor 'value'"),
        ("std_msgs/UInt8", 256, "data: 256 is no uint8"),
        ("geometry_msgs/Twist", 5, "int is no dict of the fields of geometry_msgs/msg/Twist"),
        ("geometry_msgs/Twist", {"linaer": {}}, "did you mean 'linear'?"),
        ("sensor_msgs/Image", np.zeros(3), "is no picture"),
    ],
)
def test_a_payload_that_does_not_fit_is_named(message: str, payload: object, said: str) -> None:
    topic = some_topic()

    async def run() -> ActionResult:
        async with acting(
            Ros2Dispatcher,
            topic=topic,
            domain=DOMAIN,
            message=message,
            durability="transient_local",
        ) as dispatcher:
            return await dispatch(dispatcher, action(payload))

    result = asyncio.run(run())
    assert not result.ok
    assert said in result.detail


def test_a_domain_that_another_part_uses_elsewhere_is_named() -> None:
    async def run() -> tuple[ActionResult, ActionResult]:
        dispatchers = (
            acting(Ros2Dispatcher, topic="/x", domain=DOMAIN, durability="transient_local"),
            acting(Ros2Dispatcher, topic="/x", domain=DOMAIN, interface="127.0.0.1"),
        )
        async with dispatchers[0] as first, dispatchers[1] as second:
            return await dispatch(first, action("x")), await dispatch(second, action("x"))

    first, second = asyncio.run(run())
    assert first.ok
    assert not second.ok
    assert f"domain {DOMAIN} is open on 'lo'" in second.detail


def test_an_interface_that_is_away_fails_actions_only() -> None:
    async def run() -> ActionResult:
        async with acting(
            Ros2Dispatcher, topic="/x", domain=DOMAIN, interface="eth9876"
        ) as dispatcher:
            return await dispatch(dispatcher, action("x"))

    result = asyncio.run(run())
    assert not result.ok
    assert "eth9876" in result.detail
