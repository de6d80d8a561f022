"""How pictures of a link with a JPEG codec reach the interfaces of a gateway node."""

import cv2
import numpy as np
import pytest

from edgeflow import EdgeApp, Frame
from edgeflow.comms.brokers import ShmBroker
from edgeflow.nodes import GatewayNode, ProducerNode
from edgeflow.nodes.gateway.interfaces.base import Interface
from edgeflow.nodes.gateway.interfaces.web import WebInterface
from flows import wait_until


class Camera(ProducerNode):
    fps = 50

    def produce(self):
        return np.full((48, 64, 3), 90, np.uint8)


class Seeing(Interface):
    """Keeps what it is given."""

    def __init__(self, takes_jpeg: bool, seen: list[Frame]) -> None:
        self.takes_jpeg = takes_jpeg
        self.seen = seen

    def open(self, context):
        pass

    def on_frame(self, frame):
        self.seen.append(frame)

    def close(self):
        pass


def shown_to(*takes_jpeg: bool, run_dir) -> list[Frame]:
    """Return the first frame that each interface of one gateway was given."""
    seen = [[] for _ in takes_jpeg]

    class Gateway(GatewayNode):
        def configure(self):
            for takes, frames in zip(takes_jpeg, seen, strict=True):
                self.add_interface(Seeing(takes, frames))

    app = EdgeApp("pictures", broker=ShmBroker())
    app.add("camera", Camera)
    app.add("gateway", Gateway)
    app.link("camera").to("gateway", codec="jpeg:90", via="broker")
    with app.running():
        wait_until(lambda: all(seen))
    return [frames[0] for frames in seen]


def test_interfaces_that_show_get_the_bytes_of_the_link(run_dir):
    (frame,) = shown_to(True, run_dir=run_dir)
    assert frame.meta["content_type"] == "image/jpeg"
    assert cv2.imdecode(np.frombuffer(frame.data, np.uint8), 1).shape == (48, 64, 3)


@pytest.mark.parametrize("takes_jpeg", [(False,), (True, False)])
def test_one_interface_that_wants_arrays_is_reason_to_decode(takes_jpeg, run_dir):
    for frame in shown_to(*takes_jpeg, run_dir=run_dir):
        assert frame.data.shape == (48, 64, 3)
        assert "content_type" not in frame.meta


def test_the_web_interface_takes_jpeg():
    assert WebInterface.takes_jpeg
