"""A room that is only software, with its devices: camera, CSI node, climate node, ESP32-S3.

Somebody comes and goes by a script; camera, radio link and air of the room all follow it. The
devices are real to whoever listens: HTTP, UDP, MQTT and a serial port over TCP.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from edgeflow import assets
from edgeflow.climate.simulate.outside import Weather
from edgeflow.climate.simulate.rooms import Room, RoomOptions
from edgeflow.comms.mqtt import MqttOptions
from edgeflow.devices.virtual.board import VirtualBoard
from edgeflow.devices.virtual.climate_node import ClimateNodeOptions, VirtualClimateNode
from edgeflow.devices.virtual.csi_node import CsiFleet
from edgeflow.errors import ConfigError
from edgeflow.pipelines.connectors.base import BaseConnector, ConnectorOptions
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.paths import LocalPath

from .script import DEFAULT, Act, Script
from .virtual_camera import VirtualCamera, clip_pictures, covered_pictures, empty_pictures

__all__ = ["VirtualRoom", "VirtualRoomOptions"]

TELL_SECONDS = 1.0
LINGER_SECONDS = 5.0
START_HOUR = 10.0
AUDIO_SECONDS = 0.25
ROOM = RoomOptions(volume=35.0, mass=4.0, sun=300.0, people=2)
WEATHER = Weather(mean=16.0, noise=-45.0, unsteady=1.0, seed=3)


class VirtualRoomOptions(ConnectorOptions):
    """Keys of the virtual room.

    Attributes:
        script: acts that follow each other, again and again.
        door_s: how long somebody takes through the door; no act is shorter than twice that.
        clip: video file, or name of an asset, that the camera shows while somebody is in.
        fps: pictures a second of the camera.
        board_model: file that the board runs.
        device: name of the climate node.
        speed: how many times faster than life the air of the room lives.
        camera_port, board_port: TCP ports where they listen, on loopback.
        csi_port: UDP port that the CSI node sends to. mqtt_port: of the broker.
    """

    script: list[Act] = Field(default=DEFAULT, min_length=1, max_length=100)
    door_s: float = Field(default=5.0, ge=1, le=60)
    clip: str = "carphone"
    fps: float = Field(default=5.0, ge=0.5, le=30)
    board_model: LocalPath
    device: str = "room"
    speed: float = Field(default=60.0, ge=1, le=600)
    camera_port: int = Field(default=8190, ge=1, le=65535)
    board_port: int = Field(default=8191, ge=1, le=65535)
    csi_port: int = Field(default=5005, ge=1, le=65535)
    mqtt_port: int = Field(default=1883, ge=1, le=65535)

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        for number, act in enumerate(self.script):
            if act.seconds < 2 * self.door_s:
                raise ValueError(
                    f"script[{number}] lasts {act.seconds:g} s, less than twice door_s"
                    f" ({self.door_s:g} s)"
                )
        return self


class VirtualRoom(BaseConnector):
    """Runs the room and its devices; its messages tell the truth about them.

    Payload: ``act``, ``somebody`` and ``covered`` by the script, ``hour`` of the room's day, and
    ``window`` (per cent open).
    """

    Options = VirtualRoomOptions
    options: VirtualRoomOptions

    async def start(self) -> None:
        """Get the pictures and start what has threads of its own.

        Raises:
            AssetError: the clip cannot be had.
            ConfigError: there is no model for the board, or a port is taken.
        """
        its = self.options
        self._script = Script(tuple(its.script), its.door_s)
        self._stack, self._board = ExitStack(), ExitStack()
        self._runs = False
        self._room = Room(ROOM, WEATHER, time=START_HOUR * 3600.0, temperature=22.5)
        if not its.board_model.is_file():
            raise ConfigError(f"there is no model {its.board_model}", hint="python train.py")
        await asyncio.to_thread(self._start_board)
        self._pictures = await asyncio.to_thread(self._make_pictures)
        await asyncio.to_thread(self._start_radio)
        self._began = time.monotonic()
        self.state = "connected"

    async def stop(self) -> None:
        """Switch everything off; the board once the flow has ended, which still asks it."""
        if hasattr(self, "_stack"):
            await asyncio.to_thread(self._stack.close)
            if self._runs:
                self._last = asyncio.ensure_future(self._end_board())
            else:  # it may be started again at once
                await asyncio.to_thread(self._board.close)

    async def _end_board(self) -> None:
        try:
            await asyncio.sleep(LINGER_SECONDS)  # cut short by the end of the flow
        finally:
            await asyncio.to_thread(self._board.close)

    async def iter_messages(self) -> AsyncIterator[EdgeMessage]:
        """Let the room live, and tell the truth about it once a second."""
        its = self.options
        node = VirtualClimateNode(
            its.device,
            self._room,
            MqttOptions(host="127.0.0.1", port=its.mqtt_port),
            ClimateNodeOptions(
                speed=its.speed,
                audio=AUDIO_SECONDS,
                settings={
                    "read_seconds": max(2.0, 0.5 * its.speed),
                    "report_seconds": max(2.0, its.speed),
                    "audio_seconds": 2.0 * its.speed,
                },
                seed=1,
            ),
        )
        camera = VirtualCamera(its.camera_port, self._picture, its.fps)
        tasks = [asyncio.ensure_future(each) for each in (node.run(), camera.run())]
        self._runs = True
        try:
            while True:
                act = self._act()
                self._room.occupied = act.somebody
                yield self._truth(act, node.window)
                done, _ = await asyncio.wait(tasks, timeout=TELL_SECONDS)
                self._runs = not done
                for each in done:
                    each.result()
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 0.5)

    def _act(self) -> Act:
        return self._script.at(time.monotonic() - self._began)

    def _picture(self) -> bytes:
        now = time.monotonic() - self._began
        pictures = self._pictures[self._script.seen(now)]
        number = int(now * self.options.fps)
        return pictures[number % len(pictures)]

    def _truth(self, act: Act, window: float) -> EdgeMessage:
        return EdgeMessage(
            sensor_id=self.options.sensor_id or "virtual",
            payload={
                "act": act.what,
                "somebody": act.somebody,
                "covered": act.what == "covered",
                "hour": round(self._room.time / 3600.0 % 24.0, 2),
                "window": round(window, 1),
            },
        )

    def _make_pictures(self) -> dict[str, list[bytes]]:
        clip = Path(self.options.clip)
        shown = clip_pictures(clip if clip.is_file() else assets.pull(self.options.clip))
        # Forth and back, so that the end of the clip is no jump.
        return {
            "somebody": [*shown, *reversed(shown)],
            "nobody": empty_pictures(),
            "covered": covered_pictures(),
        }

    def _start_board(self) -> None:
        its = self.options
        board = VirtualBoard(model=its.board_model, transport="rfc2217", tcp_port=its.board_port)
        self._board.enter_context(board)

    def _start_radio(self) -> None:
        fleet = CsiFleet(("127.0.0.1", self.options.csi_port), [self._script.packets()], spread=0.0)
        self._stack.enter_context(fleet)
