"""``tools/simulate_sensor.py``: publishes what a sensor would."""

import argparse
import asyncio
import json
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from edgeflow.comms.mqtt.client import MqttClient
from edgeflow.comms.mqtt.options import MqttOptions, TlsOptions
from edgeflow.comms.mqtt.topics import check_topic
from edgeflow.errors import CommsError, ConfigError, EdgeFlowError, describe
from edgeflow.pipelines.simulate.pictures import Camera
from edgeflow.pipelines.simulate.trajectories import Environment, Room, Trajectory, Trigger

__all__ = ["Plan", "main", "run"]

_UNDER_WAY = 64
_CONNECT_SECONDS = 10.0
_CONFIRM_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to publish.

    Attributes:
        topic: ``{n}`` in it is the number of the sensor, from 0.
        mode: ``env``, ``trigger``, ``room`` or ``camera``.
        interval: seconds between messages of all sensors together.
        count: messages in all; 0 for no end.
        sensors: that take turns.
        qos, retain: of the messages.
        seed: of chance; None for another one each time.
        source: clip or still of the camera.
        width: of its pictures.
        people: in the room at most.
        speed: simulated seconds per second in the room.
        stamped: add the time to ``env``, too.
        obey: publish less often when ``TOPIC/throttle`` says so.
    """

    topic: str
    mode: str = "env"
    interval: float = 1.0
    count: int = 0
    sensors: int = 1
    qos: int = 0
    retain: bool = False
    seed: int | None = None
    source: Path | None = None
    width: int = 640
    people: int = 6
    speed: float = 60.0
    stamped: bool = False
    obey: bool = True

    def topic_of(self, sensor: int) -> str:
        """Return the topic of one sensor."""
        return self.topic.replace("{n}", str(sensor))

    def trajectory(self, sensor: int) -> Trajectory:
        """Return what one sensor sends."""
        random = Random() if self.seed is None else Random(self.seed + sensor)  # noqa: S311 - no secret
        if self.mode == "env":
            return Environment(random, stamped=self.stamped)
        if self.mode == "trigger":
            return Trigger(random)
        if self.mode == "room":
            return Room(random, people=self.people, speed=self.speed)
        return Camera(random, source=self.source, width=self.width)


class _Sender:
    """Publishes a plan at its pace."""

    def __init__(self, plan: Plan, client: MqttClient) -> None:
        self.sent = 0
        self.lost = 0
        self._plan = plan
        self._client = client
        self._interval = plan.interval
        self._room = asyncio.Semaphore(_UNDER_WAY)
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Publish until the end of the plan."""
        plan = self._plan
        sensors = [(plan.topic_of(n), plan.trajectory(n)) for n in range(plan.sensors)]
        due, number = time.monotonic(), 0
        while not plan.count or number < plan.count:
            topic, trajectory = sensors[number % plan.sensors]
            payload = trajectory.next(self._interval * plan.sensors, time.time())
            await self._room.acquire()
            task = asyncio.create_task(self._publish(topic, payload))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            number += 1
            due = max(due + self._interval, time.monotonic() - 1.0)
            await asyncio.sleep(due - time.monotonic())
        await asyncio.gather(*self._under_way)

    async def _publish(self, topic: str, payload: bytes) -> None:
        plan = self._plan
        try:
            await self._client.publish(
                topic, payload, qos=plan.qos, retain=plan.retain, timeout=_CONFIRM_SECONDS
            )
            self.sent += 1
        except CommsError:
            self.lost += 1
        finally:
            self._room.release()

    async def obey(self) -> None:
        """Follow what is asked on the throttle topics."""
        for sensor in range(self._plan.sensors):
            await self._client.subscribe(self._plan.topic_of(sensor) + "/throttle", 1)
        async for message in self._client.messages():
            with suppress(ValueError, TypeError, AttributeError, RecursionError):
                asked = float(json.loads(message.payload[:1000]).get("interval_s", 0))
                if 0 <= asked <= 3600:
                    self._interval = max(self._plan.interval, asked / self._plan.sensors)


async def run(plan: Plan, options: MqttOptions) -> tuple[int, int]:
    """Publish a plan; return how many messages were taken by the broker, and how many were not.

    Raises:
        EdgeFlowError: the broker is not there, or an option is wrong.
    """
    for sensor in range(plan.sensors):
        check_topic(plan.topic_of(sensor))
    async with MqttClient(options) as client:
        await client.wait_connected(_CONNECT_SECONDS)
        sender = _Sender(plan, client)
        obeying = asyncio.create_task(sender.obey()) if plan.obey else None
        sending = asyncio.create_task(sender.run())
        loop = asyncio.get_running_loop()
        for caught in (signal.SIGINT, signal.SIGTERM):
            with suppress(RuntimeError, ValueError):  # not in the main thread
                loop.add_signal_handler(caught, sending.cancel)
        try:
            with suppress(asyncio.CancelledError):
                await sending
        finally:
            if obeying is not None:
                obeying.cancel()
        return sender.sent, sender.lost


def main(arguments: list[str] | None = None, program: str = "simulate_sensor.py") -> int:
    """Run the command line; return its exit status."""
    args = _parser(program).parse_args(arguments)
    started = time.monotonic()
    try:
        plan = Plan(
            topic=args.topic,
            mode=args.mode,
            interval=1 / args.rate if args.rate else args.interval,
            count=args.count,
            sensors=args.sensors,
            qos=args.qos,
            retain=args.retain,
            seed=args.seed,
            source=args.source,
            width=args.width,
            people=args.people,
            speed=args.speed,
            stamped=args.timestamps,
            obey=not args.ignore_throttle,
        )
        sent, lost = asyncio.run(run(plan, _options(args)))
    except EdgeFlowError as error:
        sys.stderr.write(describe(error) + "\n")
        return error.exit_code
    took = time.monotonic() - started
    sys.stderr.write(f"published={sent} lost={lost} seconds={took:.1f} rate={sent / took:.0f}/s\n")
    return 1 if lost else 0


def _options(args: argparse.Namespace) -> MqttOptions:
    more: dict[str, Any] = {"outbox": 2 * _UNDER_WAY}
    if args.username:
        more |= {"username": args.username, "password": args.password}
    elif args.password:
        raise ConfigError("a password without a username", hint="add --username")
    if args.ca or args.tls:
        more["tls"] = TlsOptions(ca=args.ca)
    if "://" in args.broker:
        return MqttOptions.from_url(args.broker, **more)
    return MqttOptions(host=args.broker, port=args.port or (8883 if args.tls else 1883), **more)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("more than 0, please")
    return value


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program, description="Publish what a sensor would, over MQTT."
    )
    add = parser.add_argument
    add("broker", help="host, or a URL such as mqtts://HOST:8883")
    add("topic", help="where to publish; {n} is the number of the sensor")
    add("--mode", choices=("env", "trigger", "room", "camera"), default="env")
    add("--port", type=int, help="1883, or 8883 with --tls")
    add("--username")
    add("--password")
    add("--tls", action="store_true", help="encrypt; trust the system's certificates")
    add("--ca", help="encrypt; trust this PEM file")
    add("--interval", type=_positive, default=1.0, help="seconds between messages (1.0)")
    add("--rate", type=_positive, help="messages per second, instead of --interval")
    add("--count", type=int, default=0, help="messages to send; 0 for no end")
    add(
        "--sensors",
        type=int,
        choices=range(1, 10_001),
        default=1,
        metavar="N",
        help="that take turns",
    )
    add("--qos", type=int, choices=(0, 1, 2), default=0)
    add("--retain", action="store_true")
    add("--seed", type=int, help="for the same values again")
    add("--timestamps", action="store_true", help="add the time to env messages")
    add("--ignore-throttle", action="store_true", help="do not obey TOPIC/throttle")
    add("--source", type=Path, help="camera: a clip or a picture; drawn if not given")
    add("--width", type=int, choices=range(16, 8193), default=640, metavar="PIXELS", help="camera")
    add("--people", type=int, default=6, help="room: how many there are at most")
    add("--speed", type=_positive, default=60.0, help="room: simulated seconds per second")
    return parser
