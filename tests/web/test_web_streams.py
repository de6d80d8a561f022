"""The hub through its public methods, with a clock that the test turns."""

import asyncio
import threading

import numpy as np
import pytest
from web_doors import picture

from edgeflow import Frame
from edgeflow.core.clock import ManualClock
from edgeflow.web.problems import Problem
from edgeflow.web.streams import MAX_TOPICS, Hub


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def hub(clock: ManualClock) -> Hub:
    return Hub(["camera", "weather"], clock=clock)


def send(hub: Hub, clock: ManualClock, count: int, fps: float) -> None:
    for number in range(count):
        hub.publish(picture(number % 256, side=4))
        clock.advance(1 / fps)


def test_the_rate_is_that_of_the_last_seconds_and_reading_does_not_change_it(hub, clock):
    send(hub, clock, 300, fps=100)
    stream = hub.require("camera")
    assert stream.fps() == pytest.approx(100, rel=0.02)
    assert [stream.fps() for _ in range(20)] == [stream.fps()] * 20
    send(hub, clock, 100, fps=10)
    assert stream.fps() == pytest.approx(10, rel=0.1)
    clock.advance(10)
    assert stream.fps() == 0
    assert hub.require("weather").fps() == 0


@pytest.mark.parametrize(("fps", "patience"), [(30, 2.5), (0.5, 9)])
def test_a_stream_that_stops_is_stalled_measured_by_its_own_pace(hub, clock, fps, patience):
    stream = hub.require("camera")
    assert not stream.status().stalled
    assert stream.status().age_s is None
    send(hub, clock, 5, fps)
    assert not stream.status().stalled
    clock.advance(patience)
    assert stream.status().stalled
    assert stream.status().age_s == pytest.approx(patience + 1 / fps)
    hub.publish(picture(1))
    assert not stream.status().stalled


def test_what_a_viewer_misses_is_counted_also_after_it_left(hub, clock):
    stream = hub.require("camera")
    send(hub, clock, 10, 30)
    with hub.viewer(stream, paced=False) as viewer, hub.viewer(stream, paced=True) as calm:
        viewer.take(10)
        calm.take(10)
        assert stream.status().dropped == 0
        send(hub, clock, 5, 30)
        assert stream.status().dropped == 4
        viewer.take(15)
        assert stream.status().dropped == 4
        send(hub, clock, 3, 30)
        assert stream.status().dropped == 6
        assert stream.status().viewers == 2
    assert (stream.status().dropped, stream.status().viewers) == (6, 0)
    send(hub, clock, 10, 30)
    assert stream.status().dropped == 6


def test_the_default_is_the_first_stream_with_pictures(hub):
    assert hub.default().topic == "camera"
    hub.publish(Frame(data={"t": 1}, topic="camera"))
    hub.publish(picture(1, topic="other"))
    assert hub.default().topic == "other"
    with pytest.raises(Problem) as missing:
        Hub().default()
    assert missing.value.status == 404


def test_topics_are_bounded_and_all_threads_see_them(hub):
    def fill(prefix: str) -> None:
        for number in range(MAX_TOPICS):
            hub.publish(Frame(data=np.zeros(1), topic=f"{prefix}{number}"))

    threads = [threading.Thread(target=fill, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(hub.streams()) == MAX_TOPICS
    assert all(stream.count == 1 for stream in hub.streams()[2:])


def test_waiting_wakes_for_a_frame_and_for_the_end(hub):
    asyncio.run(wait_and_wake(hub))


async def wait_and_wake(hub: Hub) -> None:
    stream = hub.require("camera")
    assert not await stream.wait_beyond(0, 0.01)
    waits = [asyncio.ensure_future(stream.wait_beyond(0, 20)) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.to_thread(hub.publish, picture(1))
    assert await asyncio.gather(*waits) == [True] * 5
    last = asyncio.ensure_future(stream.wait_beyond(1, 20))
    await asyncio.sleep(0)
    await asyncio.to_thread(hub.close)
    assert not await last
    hub.publish(picture(2))
    assert stream.newest() == (1, None)
