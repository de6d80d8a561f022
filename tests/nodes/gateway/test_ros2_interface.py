import threading
from collections.abc import Iterator

import numpy as np
import pytest

from edgeflow import EdgeApp
from edgeflow.core.frame import Frame
from edgeflow.core.no_flow import NoFlow
from edgeflow.errors import ConfigError
from edgeflow.nodes import ConsumerNode, GatewayNode
from edgeflow.nodes.gateway.interfaces.base import GatewayContext
from edgeflow.nodes.gateway.interfaces.ros2 import Ros2Interface
from edgeflow.nodes.sources import Ros2Producer
from ros2_sides import DOMAIN, Peer, eventually, peer_process, some_topic

PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(64))
STAMP = {"sec": 1_700_000_000, "nanosec": 250_000_000}
HEADER = {"stamp": STAMP, "frame_id": "robot"}
IMAGE = {
    "header": HEADER, "height": 4, "width": 6, "encoding": "rgb8", "is_bigendian": 0, "step": 18,
    "data": list(PICTURE.tobytes()),
}  # fmt: skip


def context(*channels: str) -> GatewayContext:
    return GatewayContext("house", "out", channels, NoFlow("house"), NoFlow("house"))


def frame(data: object, topic: str = "camera", **meta: object) -> Frame:
    return Frame(data=data, topic=topic, timestamp=1_700_000_000.25, meta=meta)


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with peer_process() as peer:
        yield peer


@pytest.fixture
def shown() -> Iterator[Ros2Interface]:
    interface = Ros2Interface(some_topic(), domain=DOMAIN)
    interface.open(context("camera"))
    yield interface
    interface.close()


def said(peer: Peer, interface: Ros2Interface, kind: str, part: str, sent: Frame) -> dict:
    """Repeat a frame until the peer, which subscribes now, has heard what it became."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(0.05):
            interface.on_frame(sent)

    repeating = threading.Thread(target=repeat)
    repeating.start()
    try:
        peer.listen(f"{interface.prefix}/camera/{part}", kind)
        return peer.read(f"{interface.prefix}/camera/{part}")
    finally:
        over.set()
        repeating.join()


def test_an_array_becomes_an_image(peer: Peer, shown: Ros2Interface) -> None:
    found = said(peer, shown, "Image", "image", frame(PICTURE))
    assert (found["height"], found["width"], found["encoding"]) == (4, 6, "bgr8")
    assert bytes(found["data"]) == PICTURE.tobytes()
    assert found["header"] == {"stamp": STAMP, "frame_id": "camera"}


def test_depth_keeps_its_bits(peer: Peer, shown: Ros2Interface) -> None:
    depth = np.array([[0, 40_000], [65_535, 7]], np.uint16)
    found = said(peer, shown, "Image", "image", frame(depth))
    assert found["encoding"] == "16UC1"
    assert np.array_equal(np.frombuffer(bytes(found["data"]), "<u2").reshape(2, 2), depth)


def test_a_jpeg_becomes_a_compressed_image(peer: Peer, shown: Ros2Interface) -> None:
    found = said(peer, shown, "CompressedImage", "image/compressed", frame(JPEG))
    assert found["format"] == "jpeg"
    assert bytes(found["data"]) == JPEG


def test_detections_have_boxes_in_pixels(peer: Peer, shown: Ros2Interface) -> None:
    boxes = [{"label": "person", "confidence": 0.75, "bbox": [1, 2, 5, 8]}, {"bbox": ["x"]}]
    sent = frame(PICTURE, detections=boxes)
    (found,) = said(peer, shown, "Detection2DArray", "detections", sent)["detections"]
    assert found["results"][0]["hypothesis"] == {"class_id": "person", "score": 0.75}
    assert found["bbox"]["center"]["position"] == {"x": 3.0, "y": 5.0}
    assert (found["bbox"]["size_x"], found["bbox"]["size_y"]) == (4.0, 6.0)


def test_a_picture_without_anything_in_it_says_so(peer: Peer, shown: Ros2Interface) -> None:
    sent = frame(PICTURE, detections=[])
    assert said(peer, shown, "Detection2DArray", "detections", sent)["detections"] == []


def test_other_payloads_are_json(peer: Peer, shown: Ros2Interface) -> None:
    found = said(peer, shown, "String", "data", frame({"people": 2}))
    assert found == {"data": '{"people": 2}'}


@pytest.mark.parametrize("data", [b"neither", {"no": {1, 2}}, np.zeros((2, 2, 7))])
def test_what_ros_has_no_message_for_is_counted(data: object, peer: Peer) -> None:
    interface = Ros2Interface(some_topic(), domain=DOMAIN)
    interface.open(context())
    try:
        interface.on_frame(frame(data))
        eventually(lambda: interface.refused)
    finally:
        interface.close()


def test_the_newest_frame_of_a_channel_wins() -> None:
    interface = Ros2Interface(some_topic(), domain=DOMAIN)
    for number in range(3):
        interface.on_frame(frame({"n": number}))
    assert interface.skipped == 2


def test_names_that_ros_does_not_have_are_changed_and_must_not_meet() -> None:
    interface = Ros2Interface("/house", domain=DOMAIN)
    interface.open(context("front-door", "2nd", "Küche"))
    interface.close()
    with pytest.raises(ConfigError, match="'front-door' and 'front door' would both"):
        Ros2Interface("/house", domain=DOMAIN).open(context("front-door", "front door"))
    with pytest.raises(ConfigError, match="no name of a ROS 2 topic"):
        Ros2Interface("9lives", domain=DOMAIN).open(context())


class Finder(ConsumerNode):
    """Finds the same thing in every picture."""

    def process(self, data):
        return data, {"detections": [{"label": "cup", "confidence": 0.5, "bbox": [0, 0, 2, 2]}]}


class Out(GatewayNode):
    prefix = ""

    def configure(self):
        self.add_interface(Ros2Interface(self.prefix, domain=DOMAIN))


def test_images_come_in_and_detections_go_out(peer: Peer) -> None:
    camera, prefix = some_topic(), some_topic()
    app = EdgeApp("robot")
    app.add("camera", Ros2Producer, options={"topic": camera, "domain": DOMAIN})
    app.add("finder", Finder)
    app.add("gateway", Out, options={"prefix": prefix})
    app.link("camera").to("finder").to("gateway")
    with app.running():
        topics = [f"{prefix}/finder/detections", f"{prefix}/finder/image"]
        peer.listen(topics[0], "Detection2DArray")
        peer.listen(topics[1], "Image")
        peer.announce(camera, "Image")

        def announced() -> bool:
            peer.write(camera, "Image", fields=IMAGE)
            return all(peer.hears(topic) for topic in topics)

        eventually(announced)
        peer.write(camera, "Image", fields=IMAGE)
        found, picture = (peer.read(topic) for topic in topics)
    assert found["detections"][0]["results"][0]["hypothesis"]["class_id"] == "cup"
    assert found["header"]["stamp"] == STAMP
    assert bytes(picture["data"]) == np.ascontiguousarray(PICTURE[..., ::-1]).tobytes()
