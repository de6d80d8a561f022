import asyncio
import time
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connecting import collect, listening, made, until
from edgeflow import EdgeApp
from edgeflow.errors import ConfigError
from edgeflow.nodes import GatewayNode, ProducerNode
from edgeflow.nodes.gateway.interfaces.web import WebInterface
from edgeflow.pipelines.connectors.camera import CameraConnector
from edgeflow.pipelines.connectors.pictures import Sampler, StreamClock
from edgeflow.pipelines.connectors.public_url import public
from rtsp_server import rtsp_server
from servers import free_port


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Ten flat pictures of 64x48, 20 ms apart, each brighter than the one before."""
    file = tmp_path / "clip.mkv"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("ffv1", rate=50)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        for level in range(10):
            image = np.full((48, 64, 3), 20 * level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return file


def test_a_file_gives_every_picture_and_ends(clip: Path) -> None:
    camera = made(CameraConnector, source=str(clip), loop=False, paced=False, interval=0)
    messages = collect(camera)
    assert [int(message.payload[0, 0, 0]) for message in messages] == list(range(0, 200, 20))
    assert messages[0].payload.shape == (48, 64, 3)
    assert messages[0].metadata["shape"] == [48, 64, 3]
    assert messages[0].encoding == ""
    assert messages[0].sensor_id == "camera:peer"
    assert camera.state == "ended"
    assert camera.dropped == 0


def test_a_file_begins_again(clip: Path) -> None:
    camera = made(CameraConnector, source=str(clip), paced=False, interval=0)
    assert {message.metadata["round"] for message in collect(camera, 25)} == {0, 1, 2}


def test_pictures_can_be_jpeg_and_smaller(clip: Path) -> None:
    import cv2

    camera = made(CameraConnector, source=str(clip), encoding="jpeg", width=32, sensor_id="door")
    message = collect(camera, 1)[0]
    assert (message.encoding, message.sensor_id) == ("jpeg", "door")
    image = cv2.imdecode(np.frombuffer(message.payload, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (24, 32, 3)


def test_who_is_slow_gets_the_newest_and_drops_are_counted(clip: Path) -> None:
    async def run() -> None:
        camera = made(CameraConnector, source=str(clip), interval=0)
        await camera.start()
        messages = camera.iter_messages()
        first = await anext(messages)
        await until(lambda: camera.dropped >= 5)
        second = await anext(messages)
        assert second.timestamp - first.timestamp >= 5 * 0.01
        await messages.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


@pytest.mark.parametrize("source", [9, "/nowhere.mkv", "rtsp://127.0.0.1:1/x"])
def test_a_camera_that_does_not_open_says_so_and_tries_again(source: int | str) -> None:
    async def run() -> None:
        camera = made(CameraConnector, source=source)
        attempts = []
        original = camera.work

        def counted(outlet: object) -> None:
            attempts.append(1)
            original(outlet)

        camera.work = counted  # type: ignore[method-assign]
        async with listening(camera):
            await until(lambda: len(attempts) >= 2)
            assert camera.last_error
            await until(lambda: camera.state == "waiting")
            stopped = time.monotonic()
        assert time.monotonic() - stopped < 10

    asyncio.run(run())


def test_a_file_that_appears_later_is_played(clip: Path, tmp_path: Path) -> None:
    async def run() -> None:
        camera = made(CameraConnector, source=str(tmp_path / "later.mkv"))
        async with listening(camera) as listener:
            await until(lambda: camera.state == "waiting")
            assert "there is no video file" in camera.last_error
            assert "'source'" in camera.last_error
            clip.rename(tmp_path / "later.mkv")
            await listener.take(3)
            assert (camera.state, camera.last_error) == ("connected", None)

    asyncio.run(run())


def test_an_rtsp_stream_is_played_and_found_again() -> None:
    async def run() -> None:
        with rtsp_server() as server:
            camera = made(CameraConnector, source=server.url, interval=0)
            async with listening(camera) as listener:
                messages = await listener.take(5)
                assert all(message.payload.shape == (48, 64, 3) for message in messages)
                times = [message.timestamp for message in messages]
                assert times == sorted(times)
                assert times[-1] <= time.time()
                assert "PLAY" in server.requests
                port = server.port
                server.ending.set()
                for peer in server.peers:
                    peer.shutdown(2)
                server.shutdown()
                server.server_close()
                await until(lambda: camera.state == "waiting")
                assert camera.last_error
                seen = len(listener.messages)
                with rtsp_server(port):
                    await until(lambda: len(listener.messages) > seen)
                    assert camera.state == "connected"

    asyncio.run(run())


def test_credentials_stay_out_of_errors() -> None:
    async def run() -> None:
        url = f"rtsp://me:secret@127.0.0.1:{free_port()}/x?token=secret"
        camera = made(CameraConnector, source=url)
        async with listening(camera):
            await until(lambda: camera.state == "waiting")
        assert camera.last_error is not None
        assert "secret" not in camera.last_error

    asyncio.run(run())


@pytest.mark.parametrize("source", ["ftp://x/y", "file:///etc/passwd", "v4l2src ! appsink"])
def test_a_source_that_cannot_be_one_is_refused(source: str) -> None:
    with pytest.raises(ConfigError):
        asyncio.run(made(CameraConnector, source=source).start())


def test_keys_of_the_reference_are_taken() -> None:
    options = CameraConnector.Options(source=0, interval=0.2, encoding="bgr", pipeline="vision")
    assert options.interval == 0.2
    assert CameraConnector.Options().interval == 0.1
    with pytest.raises(ValidationError):
        CameraConnector.Options(sauce=0)


def test_a_local_camera_is_named_by_its_number() -> None:
    camera = made(CameraConnector, source=3)
    asyncio.run(camera.start())
    assert camera.sensor_id == "camera:3"


@given(st.floats(0.01, 1), st.lists(st.floats(0.001, 0.5), min_size=10, max_size=200))
def test_a_sampler_never_takes_more_than_its_rate(interval: float, steps: list[float]) -> None:
    sampler, now, taken = Sampler(interval), 0.0, 0
    for step in steps:
        now += step
        taken += sampler.due(now)
    assert 1 <= taken <= now / interval + 2


def test_a_sampler_holds_its_mean_rate() -> None:
    sampler = Sampler(0.1)
    assert sum(sampler.due(number / 30) for number in range(3000)) == pytest.approx(1000, abs=2)


@given(st.lists(st.floats(0, 5), min_size=1, max_size=100))
def test_stream_time_never_lies_in_the_future(delays: list[float]) -> None:
    clock = StreamClock()
    for number, delay in enumerate(delays):
        now = 1e9 + number * 0.04 + delay
        assert clock.place(number * 0.04, now) <= now + 1e-6


def test_what_waited_in_the_network_is_old() -> None:
    clock = StreamClock()
    assert clock.place(0.0, 1000.0) == 1000.0
    assert clock.place(1.0, 1003.0) == pytest.approx(1001.0, abs=0.01)


def test_public_urls_hold_no_secrets() -> None:
    assert public("rtsp://me:secret@cam:554/a?token=x") == "rtsp://cam:554/a"


def test_a_stream_that_falls_silent_is_given_up_and_opened_again() -> None:
    async def run() -> None:
        with rtsp_server() as server:
            camera = made(CameraConnector, source=server.url, interval=0, timeout_s=0.5)
            async with listening(camera) as listener:
                await listener.take(2)
                server.silent.set()
                await until(lambda: camera.state == "waiting")
                server.silent.clear()
                seen = len(listener.messages)
                await until(lambda: len(listener.messages) > seen)

    asyncio.run(run())


class Grey(ProducerNode):
    fps = 30

    def produce(self):
        return np.full((48, 64, 3), 128, np.uint8)


def test_the_video_of_a_dashboard_is_a_camera() -> None:
    web = WebInterface(port=0)

    class Gateway(GatewayNode):
        def configure(self):
            self.add_interface(web)

    async def run() -> None:
        source = f"http://127.0.0.1:{web.port}/video/grey"
        camera = made(CameraConnector, source=source, interval=0.1, timeout_s=10)
        async with listening(camera) as listener:
            first, second = await listener.take(2)
        assert first.payload.shape == (48, 64, 3)
        assert abs(int(first.payload.mean()) - 128) < 4
        assert abs(time.time() - second.timestamp) < 20

    app = EdgeApp("cams")
    app.add("grey", Grey)
    app.add("gateway", Gateway)
    app.link("grey").to("gateway")
    with app.running():
        while not web.port:
            time.sleep(0.01)
        asyncio.run(run())


def test_an_mpeg_transport_stream_is_a_camera(tmp_path: Path) -> None:
    file = tmp_path / "clip.ts"
    with av.open(str(file), "w", format="mpegts") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(25):
            image = np.full((48, 64, 3), 128, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(file.read_bytes())
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        camera = made(CameraConnector, source=f"tcp://127.0.0.1:{port}", interval=0)
        async with listening(camera) as listener:
            (message,) = await listener.take()
            assert message.payload.shape == (48, 64, 3)
            await until(lambda: camera.state == "waiting")
            assert "has ended" in str(camera.last_error)
        server.close()

    asyncio.run(run())


@pytest.mark.parametrize("noise", [b"", b"\0" * 100_000, b"RTSP/1.0 200 OK\r\n\r\n" * 1000])
def test_a_peer_that_is_no_camera_is_reported(noise: bytes) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(noise)
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for scheme in ("rtsp", "http", "tcp"):
            source = f"{scheme}://127.0.0.1:{port}/x"
            camera = made(CameraConnector, source=source, timeout_s=1)
            async with listening(camera) as listener:
                await until(lambda camera=camera: camera.state == "waiting")
                assert listener.messages == []
        server.close()

    asyncio.run(run())
