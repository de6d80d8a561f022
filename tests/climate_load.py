"""Rooms that speak at a steady rate, as a process with a log of what the broker has confirmed.

``python climate_load.py BROKER LOG --devices 10 --rate 500 --seconds 20``. In ten readings of a
room one is sound and three are humidity as bare numbers, each another one; sound and temperature
are counted. A line of the log is a confirmed reading: its kind, room and number. It ends when all
are confirmed, and says in JSON how many there are and how late decisions came.
"""

import argparse
import asyncio
import base64
import json
import time
from pathlib import Path
from typing import TextIO

import numpy as np

from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.protocols.climate import decode_control

__all__ = ["BARE_STEP", "KINDS", "bare_value"]

KINDS = "thtathttht"
NAMES = {"t": "temperature", "h": "humidity", "a": "audio"}
TICK = 0.02
PATIENCE = 600.0
DECIDES_AFTER = 5.5
"""Seconds after its last decision from which sound asks for another one at once."""
BARE_STEP = 1e-6
SOUND = base64.b64encode(np.full(800, 300, "<i2").tobytes()).decode()


def bare_value(number: int) -> float:
    """The value of a bare reading: no two are alike, and none asks for a decision."""
    return round(40.0 + number * BARE_STEP, 6)


class Rooms:
    """Open loop: what is due is sent, however slowly the broker confirms."""

    def __init__(
        self, client: MqttClient, ears: MqttClient, log: TextIO, devices: int, boot: int
    ) -> None:
        self._client, self._ears, self._log = client, ears, log
        self._devices, self._boot = devices, boot
        self._counts = dict.fromkeys(KINDS, 0)
        self._numbers: dict[tuple[str, int], int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked: dict[str, float] = {}
        self._decided: dict[str, float] = {}
        self.took: list[float] = []
        self.sent = self.confirmed = self.controls = 0

    async def speak(self, rate: float, seconds: float, stop: Path) -> None:
        began = time.perf_counter()
        while (now := time.perf_counter() - began) < seconds and not stop.exists():
            for _ in range(int(now * rate) - self.sent):
                self._send(self.sent)
                self.sent += 1
            self._log.flush()
            await asyncio.sleep(TICK)
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._log.flush()

    async def listen(self) -> None:
        async for message in self._ears.messages():
            device = decode_control(message.payload).device_id
            now = time.perf_counter()
            self.controls += 1
            self._decided[device] = now
            asked = self._asked.pop(device, None)
            if asked is not None:
                self.took.append(now - asked)

    def _send(self, turn: int) -> None:
        room = turn % self._devices
        # Rooms do not all make a sound in the same second.
        kind = KINDS[(turn // self._devices + room) % len(KINDS)]
        self._counts[kind] += 1
        number = self._numbers[kind, room] = self._numbers.get((kind, room), -1) + 1
        payload = self._payload(kind, number)
        device = f"load-{room}"
        if kind == "a":
            now = time.perf_counter()
            if now - self._decided.get(device, float("inf")) > DECIDES_AFTER:
                self._asked[device] = now
        told = self._counts[kind] if kind == "h" else number
        task = asyncio.create_task(
            self._publish(f"sensor/{device}/{NAMES[kind]}", payload, f"{kind} {room} {told}\n")
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _payload(self, kind: str, number: int) -> str:
        counted = {"sequence": number, "boot": self._boot}
        if kind == "h":
            return repr(bare_value(self._counts["h"]))
        if kind == "a":
            return json.dumps({"data": SOUND, **counted})
        return json.dumps({"value": 20.0 + number % 10 / 100, "time": time.time(), **counted})

    async def _publish(self, topic: str, payload: str, line: str) -> None:
        await self._client.publish(topic, payload, qos=1, timeout=PATIENCE)
        self._log.write(line)
        self.confirmed += 1


async def run(options: argparse.Namespace) -> dict[str, float]:
    """Speak, and return what is told at the end."""
    mouth = MqttOptions.from_url(
        options.broker, outbox=1_000_000, outbox_bytes=1 << 30, inflight=500
    )
    ears = MqttOptions.from_url(options.broker, inbox=100_000)
    async with MqttClient(mouth) as client, MqttClient(ears) as heard:
        await client.wait_connected(PATIENCE)
        await heard.subscribe("window/+/control")
        with options.log.open("w") as log:
            rooms = Rooms(client, heard, log, options.devices, options.boot)
            listening = asyncio.create_task(rooms.listen())
            await rooms.speak(options.rate, options.seconds, options.log.with_suffix(".stop"))
            listening.cancel()
    late = 1000 * np.array(rooms.took or [np.nan])
    return {
        "sent": rooms.sent,
        "confirmed": rooms.confirmed,
        "controls": rooms.controls,
        "timed": len(rooms.took),
        "p50_ms": float(np.quantile(late, 0.5)),
        "p99_ms": float(np.quantile(late, 0.99)),
        "worst_ms": float(late.max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("broker")
    parser.add_argument("log", type=Path)
    parser.add_argument("--devices", type=int, default=10)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--boot", type=int, default=1)
    print(json.dumps(asyncio.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
