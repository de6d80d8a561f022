"""Listening in on a running flow."""

import pytest

from edgeflow import EdgeApp, Frame
from flows import Collector, Counter


@pytest.mark.parametrize("codec", ["raw", "jpeg:80"])
def test_a_topic_whose_links_have_a_codec_can_be_tapped(codec):
    got: list[Frame] = []
    app = EdgeApp("test")
    app.add("source", Counter, options={"fps": 200})
    app.add("sink", Collector, options={"into": got})
    app.link("source").to("sink", codec=codec)
    with app.running() as flow:
        tap = flow.frames.tap(["source"])
        frame = tap.receive(5.0)
        tap.close()
    assert frame is not None
    assert frame.topic == "source"
