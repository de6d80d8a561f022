"""A running climate system from outside: does a reading become a decision, and how fast."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from edgeflow.comms.mqtt import Incoming, MqttClient, MqttOptions
from edgeflow.errors import ConfigError, UnreachableError
from edgeflow.protocols import climate
from edgeflow.protocols import climate_topics as topics

__all__ = ["Load", "Path", "follow", "load"]

CONNECT_SECONDS = 10.0
MAX_RATE = 10_000.0
GRACE_SECONDS = 2.0
TICK = 0.01
SILENCE = b'{"data":"AAAAAAAA"}'


@dataclass(frozen=True, slots=True)
class Path:
    """What became of one reading: the decision, and seconds until it came."""

    device: str
    seconds: float
    control: climate.WindowControl


@dataclass(frozen=True, slots=True)
class Load:
    """Requests that were sent and answered, and milliseconds until the answer."""

    sent: int
    answered: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


async def follow(broker: str, *, timeout: float = 90.0) -> Path:
    """Be a new device for a moment: send all readings, and wait for the window's position.

    Raises:
        UnreachableError: the broker is away, or no decision comes.
    """
    device = f"probe-{secrets.token_hex(4)}"
    async with MqttClient(MqttOptions.from_url(broker)) as client:
        await client.wait_connected(CONNECT_SECONDS)
        await client.subscribe(topics.control_topic(device), qos=1)
        client.want([topics.request_topic(device)], qos=1)  # an ACL may keep it from us
        asked: list[str] = []
        began = time.perf_counter()
        for kind, payload in (("humidity", b"50"), ("audio", SILENCE), ("temperature", b"22.5")):
            await client.publish(topics.sensor_topic(device, kind), payload, qos=1)
        try:
            async with asyncio.timeout(timeout):
                message = await _decision(client, device, asked)
        except TimeoutError:
            raise _nothing_came(device, timeout, was_asked=bool(asked)) from None
        finally:
            client.post(topics.status_topic(device), b"offline", qos=1)
        seconds = time.perf_counter() - began
        return Path(device, seconds, climate.decode_control(message.payload))


def _nothing_came(device: str, timeout: float, *, was_asked: bool) -> UnreachableError:
    if was_asked:
        return UnreachableError(
            f"no decision for {device} within {timeout:g} s: a request came, and no answer",
            hint="does a learning service run (edgeflow climate serve --role ml)?",
        )
    return UnreachableError(
        f"no decision for {device} within {timeout:g} s: no request came either",
        hint="does a backend run on this broker, and may this user read its requests?",
    )


async def _decision(client: MqttClient, device: str, asked: list[str]) -> Incoming:
    async for message in client.messages():
        if message.topic == topics.control_topic(device):
            return message
        asked.append(message.topic)
    raise UnreachableError("the connection ended")


async def load(broker: str, *, rate: float, seconds: float) -> Load:
    """Ask for decisions at a steady rate, open loop, and measure how late they come.

    Raises:
        ConfigError: the rate is not from 0 to 10,000 a second.
        UnreachableError: the broker is away.
    """
    if not 0 < rate <= MAX_RATE:
        raise ConfigError(f"a rate of {rate:g} a second", hint=f"above 0, up to {MAX_RATE:g}")
    sent: dict[str, float] = {}
    took: list[float] = []
    options = MqttOptions.from_url(broker, inbox=20_000, outbox=20_000, inflight=1000)
    async with MqttClient(options) as client:
        await client.wait_connected(CONNECT_SECONDS)
        await client.subscribe(topics.control_topic("+"), qos=1)
        listening = asyncio.create_task(_listen(client, sent, took))
        try:
            count = await _send(client, sent, rate, seconds)
            deadline = time.perf_counter() + GRACE_SECONDS
            while sent and time.perf_counter() < deadline:
                await asyncio.sleep(TICK)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    return Load(count, len(took), *(1000.0 * each for each in _quantiles(took)))


async def _send(client: MqttClient, sent: dict[str, float], rate: float, seconds: float) -> int:
    run, began, count = secrets.token_hex(4), time.perf_counter(), 0
    total = max(1, round(rate * seconds))
    while count < total:
        due = min(total, int((time.perf_counter() - began) * rate) + 1)
        for number in range(count, due):
            device = f"load-{run}-{number % 100}"
            request = climate.InferenceRequest(
                device_id=device,
                timestamp=climate.iso_time(time.time()),
                temperature=15.0 + number % 20,
                humidity=50.0,
                sound_volume=-50.0,
                correlation_id=f"{run}-{number}",
            )
            sent[request.correlation_id] = time.perf_counter()
            client.post(topics.request_topic(device), climate.encode(request), qos=1)
        count = due
        await asyncio.sleep(TICK)
    return count


async def _listen(client: MqttClient, sent: dict[str, float], took: list[float]) -> None:
    async for message in client.messages():
        asked = sent.pop(climate.decode_control(message.payload).correlation_id, None)
        if asked is not None:
            took.append(time.perf_counter() - asked)


def _quantiles(took: Sequence[float]) -> tuple[float, float, float]:
    if not took:
        nothing = float("nan")
        return nothing, nothing, nothing
    ordered = sorted(took)
    last = len(ordered) - 1
    return ordered[last // 2], ordered[round(0.99 * last)], ordered[last]
