"""Reads messages at QoS 1, confirms them, and does nothing with them.

``python mqtt_reader.py CLIENT PORT COUNT`` prints ``ready`` when it is subscribed, and after COUNT
messages a line of JSON: how long they took, and processor time.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable

FILTER = "sensor/+/+"


class Count:
    """Counts messages; the clock starts with the first."""

    def __init__(self, wanted: int, done: Callable[[], None]) -> None:
        self.wanted, self.seen, self.done = wanted, 0, done
        self.began = self.busy = 0.0

    def add(self, count: int = 1) -> None:
        if not self.seen:
            self.began, self.busy = time.perf_counter(), time.process_time()
        self.seen += count
        if self.seen >= self.wanted:
            self.done()

    def tell(self) -> None:
        took, busy = time.perf_counter() - self.began, time.process_time() - self.busy
        print(json.dumps({"seconds": took, "busy": busy, "seen": self.seen}), flush=True)


def quiet() -> None:
    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def ready() -> None:
    print("ready", flush=True)


def read_paho(port: int, wanted: int) -> None:
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    over = threading.Event()
    count = Count(wanted, over.set)
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda own, *_: own.subscribe(FILTER, 1)
    client.on_subscribe = lambda *_: ready()
    client.on_message = lambda *_: count.add()
    client.connect("127.0.0.1", port)
    client.loop_start()
    over.wait()
    count.tell()
    client.disconnect()
    client.loop_stop()


async def read_edgeflow(port: int, wanted: int) -> None:
    from edgeflow.comms.mqtt import MqttClient, MqttOptions

    quiet()
    count = Count(wanted, lambda: None)
    async with MqttClient(MqttOptions(port=port, inbox=10_000)) as client:
        await client.wait_connected()
        await client.subscribe(FILTER, 1)
        ready()
        while count.seen < wanted:
            messages = await client.batch()
            client.acknowledge(*messages)
            count.add(len(messages))
        count.tell()


async def read_edgeflow_singly(port: int, wanted: int) -> None:
    from edgeflow.comms.mqtt import MqttClient, MqttOptions

    quiet()
    count = Count(wanted, lambda: None)
    async with MqttClient(MqttOptions(port=port, inbox=10_000)) as client:
        await client.wait_connected()
        await client.subscribe(FILTER, 1)
        ready()
        async for _ in client.messages():
            count.add()
            if count.seen >= wanted:
                break
        count.tell()


async def read_aiomqtt(port: int, wanted: int) -> None:
    import aiomqtt

    count = Count(wanted, lambda: None)
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(FILTER, 1)
        ready()
        async for _ in client.messages:
            count.add()
            if count.seen >= wanted:
                break
        count.tell()


async def read_gmqtt(port: int, wanted: int) -> None:
    from gmqtt import Client
    from gmqtt.mqtt.constants import MQTTv311

    over = asyncio.Event()
    count = Count(wanted, over.set)
    client = Client("reader")

    async def came(*_: object) -> int:
        count.add()
        return 0

    client.on_message = came
    client.on_connect = lambda own, *_: own.subscribe(FILTER, 1)
    client.on_subscribe = lambda *_: ready()
    await client.connect("127.0.0.1", port, version=MQTTv311)
    await over.wait()
    count.tell()
    await client.disconnect()


ASYNC = {
    "edgeflow": read_edgeflow,
    "edgeflow-singly": read_edgeflow_singly,
    "aiomqtt": read_aiomqtt,
    "gmqtt": read_gmqtt,
}

if __name__ == "__main__":
    name, at, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if name == "paho":
        read_paho(at, number)
    else:
        asyncio.run(ASYNC[name](at, number))
