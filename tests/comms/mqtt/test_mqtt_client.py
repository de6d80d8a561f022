"""The client against real brokers: delivery, loss of the connection, bounds, refusals."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edgeflow.comms.mqtt import Incoming, MqttClient, MqttOptions, Will
from edgeflow.errors import CommsError, ConfigError, ProtocolError, UnreachableError
from mqtt_brokers import Broker, make

QUICK = {"backoff": 0.02, "backoff_cap": 0.1}
Start = Callable[..., Broker]


def client(broker: Broker, **options: object) -> MqttClient:
    return MqttClient(MqttOptions.from_url(broker.url, **{**QUICK, **options}))


async def take(client: MqttClient, count: int = 1, timeout: float = 20.0) -> list[Incoming]:
    found: list[Incoming] = []
    async with asyncio.timeout(timeout):
        async for message in client.messages():
            found.append(message)
            if len(found) == count:
                break
    return found


def test_messages_arrive_at_every_qos_and_version(start_broker: Start) -> None:
    broker = start_broker()

    async def main(version: str) -> None:
        async with client(broker, version=version) as one, client(broker, version=version) as two:
            await two.wait_connected()
            await one.wait_connected()
            for qos in (0, 1, 2):
                await one.subscribe(f"{version}/{qos}/+", qos)
                await two.publish(f"{version}/{qos}/a", b"\0\xff", qos=qos, user=[("k", "ü")])
                (got,) = await take(one)
                assert (got.topic, got.payload, got.qos) == (f"{version}/{qos}/a", b"\0\xff", qos)
                assert got.user == ((("k", "ü"),) if version == "5" else ())
            assert two.outbox == 0
            assert two.counters.confirmed == 2

    for version in broker.versions:
        asyncio.run(main(version))


def test_a_retained_message_says_so(start_broker: Start) -> None:
    broker = start_broker()

    async def main() -> None:
        async with client(broker) as one:
            await one.wait_connected()
            await one.publish("door", "open", qos=1, retain=True)
        async with client(broker) as two:
            await two.subscribe("door", 1)
            (got,) = await take(two)
            assert got.retain
            assert got.payload == b"open"
            await two.publish("door", "shut", qos=1)
            (got,) = await take(two)
            assert not got.retain

    asyncio.run(main())


def test_the_will_speaks_for_a_client_that_breaks_off_and_not_for_one_that_leaves(
    start_broker: Start,
) -> None:
    broker = start_broker()

    async def main() -> None:
        async with client(broker) as watcher:
            await watcher.wait_connected()
            await watcher.subscribe("#", 1)
            polite = client(broker, will=Will(topic="will/polite", payload=b"gone"))
            await polite.start()
            await polite.wait_connected()
            await polite.stop()
            rude = client(broker, will=Will(topic="will/rude", payload=b"gone", qos=1))
            await rude.start()
            await rude.wait_connected()
            rude._session.drop()
            (got,) = await take(watcher)
            assert got.topic == "will/rude"
            await rude.stop()

    asyncio.run(main())


def test_nothing_is_lost_while_the_broker_falls_again_and_again(start_broker: Start) -> None:
    broker = start_broker()
    count = 400

    async def publish_all(sender: MqttClient) -> None:
        for number in range(count):
            sender.post("numbers", str(number).encode())
            await asyncio.sleep(0.002)

    async def read_all(reader: MqttClient) -> list[int]:
        seen: list[int] = []
        async for message in reader.messages():
            seen.append(int(message.payload))
            reader.acknowledge(message)
            if len(set(seen)) == count:
                return seen
        raise AssertionError

    async def main() -> None:
        options = {"client_id": "reader", "clean_session": False, "manual_ack": True}
        async with client(broker, **options) as reader, client(broker, outbox=count) as sender:
            await reader.wait_connected()
            await reader.subscribe("numbers", 1)
            reading = asyncio.create_task(read_all(reader))
            sending = asyncio.create_task(publish_all(sender))
            for _ in range(3):
                await asyncio.sleep(0.2)
                await asyncio.to_thread(broker.restart)
            await asyncio.wait_for(sending, 30)
            seen = await asyncio.wait_for(reading, 60)
            assert set(seen) == set(range(count))
            assert 1 < reader.counters.connects <= 4, "two falls may be one to the reader"

    asyncio.run(main())


def test_batches_come_in_order_and_are_confirmed_at_once(start_broker: Start) -> None:
    broker = start_broker()
    count = 300

    async def main(version: str) -> None:
        name = f"batcher{version[0]}"
        options = {"client_id": name, "clean_session": False, "version": version}
        async with client(broker, manual_ack=True, inbox=50, **options) as reader:
            await reader.wait_connected()
            await reader.subscribe(name, 1)
            async with client(broker, outbox=count, version=version) as sender:
                for number in range(count):
                    sender.post(name, str(number).encode())
                got: list[int] = []
                async with asyncio.timeout(30):
                    while len(got) < count:
                        batch = await reader.batch(40)
                        assert 1 <= len(batch) <= 40
                        reader.acknowledge(*batch)
                        got += [int(message.payload) for message in batch]
                assert got == list(range(count))
                assert reader.counters.acknowledged == count
                assert reader.counters.stale == 0
        async with client(broker, **options) as again, client(broker, version=version) as sender:
            await again.subscribe(name, 1)
            await again.wait_connected()
            await sender.publish(name, b"end", qos=1)
            assert [message.payload for message in await take(again)] == [b"end"]

    for version in broker.versions:
        asyncio.run(main(version))


def test_what_was_not_acknowledged_comes_again_and_is_marked(start_broker: Start) -> None:
    broker = start_broker()
    options = {"client_id": "worker", "clean_session": False, "manual_ack": True}

    async def main() -> None:
        async with client(broker, **options) as first, client(broker) as sender:
            await first.wait_connected()
            await sender.wait_connected()
            await first.subscribe("jobs", 1)
            for number in range(5):
                await sender.publish("jobs", str(number), qos=1)
            got = await take(first, 5)
            first.acknowledge(got[0])
            first.acknowledge(got[3])
            await asyncio.sleep(0.1)
        async with client(broker, **options) as second:
            await second.subscribe("jobs", 1)
            again = await take(second, 3)
            assert sorted(message.payload for message in again) == [b"1", b"2", b"4"]
            assert all(message.duplicate for message in again)
            assert second.session_present

    asyncio.run(main())


def test_publishing_without_a_broker(start_broker: Start) -> None:
    broker = start_broker()
    broker.kill()

    async def main() -> None:
        async with client(broker, outbox=3) as sender:
            with pytest.raises(UnreachableError, match="QoS 1 wait"):
                await sender.publish("a", qos=0)
            with pytest.raises(UnreachableError, match="stays in the outbox"):
                await sender.publish("a", b"0", qos=1, timeout=0.1)
            sender.post("a", b"1")
            sender.post("a", b"2", qos=2)
            with pytest.raises(CommsError, match="full: 3 messages"):
                sender.post("a", b"3")
            assert sender.counters.dropped == 2
            await asyncio.to_thread(broker.start)
            async with client(broker) as reader:
                await reader.wait_connected()
                await reader.subscribe("a", 2)
                # What waited may have left before the reader came; this follows it in any case.
                while sender.outbox == 3:
                    await asyncio.sleep(0.01)
                await sender.publish("a", b"4", qos=1)
                while (await take(reader))[0].payload != b"4":
                    pass
            async with asyncio.timeout(30):
                while sender.outbox:
                    await asyncio.sleep(0.01)
            assert sender.counters.confirmed == 4

    asyncio.run(main())


def test_a_wrong_password_is_told_and_tried_again(start_broker: Start) -> None:
    broker = start_broker(password="right")

    async def main() -> None:
        async with client(broker, username="edge", password="wrong") as refused:
            with pytest.raises(UnreachableError, match="check username and password"):
                await refused.wait_connected(1.0)
            assert refused.state in ("waiting", "connecting")
        async with client(broker, username="edge", password="right") as accepted:
            await accepted.wait_connected()

    asyncio.run(main())


def test_a_slow_reader_is_bounded_and_loses_nothing(start_broker: Start) -> None:
    broker = start_broker()
    count = 200

    async def main() -> None:
        options = {"client_id": "slow", "clean_session": False, "inbox": 20}
        async with client(broker, **options) as slow, client(broker, outbox=count) as sender:
            await slow.wait_connected()
            await sender.wait_connected()
            await slow.subscribe("flood", 1)
            for number in range(count):
                sender.post("flood", number.to_bytes(2) + bytes(10_000))
            while sender.outbox:
                await asyncio.sleep(0.01)
            assert slow.inbox <= 20 + 64  # one read of the socket more
            got = await take(slow, count, 40)
            assert {int.from_bytes(m.payload[:2]) for m in got} == set(range(count))

    asyncio.run(main())


def test_a_full_inbox_does_not_look_like_a_dead_broker(start_broker: Start) -> None:
    broker = start_broker()

    async def main() -> None:
        async with client(broker, inbox=1, keepalive=1) as slow, client(broker) as sender:
            await slow.wait_connected()
            await sender.wait_connected()
            await slow.subscribe("a", 0)
            for _ in range(50):
                await sender.publish("a", bytes(2000))
            await asyncio.sleep(2.5)
            assert slow.counters.connects == 1
            assert len(await take(slow, 50)) == 50

    asyncio.run(main())


def test_messages_above_the_bound_are_passed_over_once(start_broker: Start) -> None:
    broker = start_broker()

    async def main() -> None:
        options = {"max_packet": 100_000, "client_id": "small", "clean_session": False}
        async with client(broker, **options) as reader, client(broker) as sender:
            await reader.wait_connected()
            await sender.wait_connected()
            for qos in (0, 1, 2):
                await reader.subscribe(f"big/{qos}", qos)
                await sender.publish(f"big/{qos}", bytes(300_000), qos=qos)
                await sender.publish(f"big/{qos}", b"small", qos=qos)
                (got,) = await take(reader)
                assert got.payload == b"small"
            assert reader.counters.oversized == 3
            assert reader.counters.connects == 1
            reader._session.drop()
            await sender.publish("big/1", b"after", qos=1)
            while (await take(reader))[0].payload != b"after":
                pass  # what was read last was not confirmed yet
            assert reader.counters.oversized == 3

    asyncio.run(main())


def test_a_message_that_the_broker_refuses_does_not_block_the_others(start_broker: Start) -> None:
    broker = start_broker(max_payload=100_000)

    async def main() -> None:
        # mosquitto confirms to clients of version 3.1.1 what it drops.
        async with client(broker, backoff_cap=0.02, version=broker.versions[-1]) as sender:
            await sender.wait_connected()
            with pytest.raises(CommsError):
                await sender.publish("a", bytes(200_000), qos=1, timeout=20)
            await sender.publish("a", b"small", qos=1, timeout=20)
            assert sender.outbox == 0

    asyncio.run(main())


def test_one_bad_message_among_many_is_found(tmp_path: Path) -> None:
    """nats-server takes no topic with a space, and can only say so by closing the connection."""

    async def main(broker: Broker) -> None:
        async with client(broker, backoff_cap=0.02) as reader, client(broker) as sender:
            await reader.wait_connected()
            await sender.wait_connected()
            await reader.subscribe("#", 1)
            with capture_logs() as lines:
                for number in range(50):
                    sender.post("bad topic" if number == 30 else "good", str(number))
                async with asyncio.timeout(30):
                    while not sender.counters.refused:
                        await asyncio.sleep(0.01)
            given_up = [line for line in lines if line["event"] == "mqtt_message_given_up"]
            assert [line["topic"] for line in given_up] == ["bad topic"]
            seen = {int(message.payload) for message in await take(reader, 49)}
            while len(seen) < 49:
                seen |= {int(message.payload) for message in await take(reader)}
            assert seen == set(range(50)) - {30}
            async with asyncio.timeout(30):
                while sender.outbox:
                    await asyncio.sleep(0.01)
            assert sender.counters.refused == 1

    with make("nats", tmp_path / "broker") as broker:
        asyncio.run(main(broker))


def test_wrong_use_is_refused_at_once(start_broker: Start) -> None:
    broker = start_broker()

    async def main() -> None:
        async with client(broker) as one:
            await one.wait_connected()
            for topic in ("", "a/#", "a\0"):
                with pytest.raises(ConfigError):
                    await one.publish(topic)
            with pytest.raises(ConfigError, match="QoS 3"):
                await one.publish("a", qos=3)
            with pytest.raises(ConfigError):
                await one.subscribe("a#")
        with pytest.raises(UnreachableError, match="not started"):
            await client(broker).publish("a", qos=1)

    asyncio.run(main())


Speaker = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def impostor(speak: Speaker) -> AsyncIterator[int]:
    """Something that is no broker; yields its port."""
    talks: set[asyncio.Task[None] | None] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):
            await speak(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.wait([talk for talk in talks if talk], timeout=5)


def test_an_unanswered_connection_is_given_up() -> None:
    async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            pass

    async def main() -> None:
        async with impostor(silence) as port:
            options = MqttOptions(port=port, connect_timeout=0.2, backoff=0.02)
            async with MqttClient(options) as one:
                with pytest.raises(UnreachableError, match=r"did not answer within 0\.2 s"):
                    await one.wait_connected(1.0)

    asyncio.run(main())


@pytest.mark.parametrize(
    "answer",
    [b"\x20\x02\x00\x01", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 9, b"\x20\x00", b""],
)
def test_what_is_no_broker_is_survived(answer: bytes) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        await writer.drain()

    async def main() -> None:
        async with (
            impostor(reply) as port,
            MqttClient(MqttOptions(port=port, connect_timeout=1, **QUICK)) as one,
        ):
            with pytest.raises(UnreachableError):
                await one.wait_connected(0.3)
            assert one.last_error

    asyncio.run(main())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=30), max_size=5), st.sampled_from(["3.1.1", "5"]))
def test_a_hostile_broker_can_only_lose_its_connection(chunks: list[bytes], version: str) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"\x20\x03\x00\x00\x00" if version == "5" else b"\x20\x02\x00\x00")
        for chunk in chunks:
            writer.write(chunk)
        await writer.drain()

    async def main() -> None:
        async with impostor(speak) as port:
            options = MqttOptions(port=port, version=version, backoff=5.0)
            async with MqttClient(options) as one:
                async with asyncio.timeout(30):
                    while one.state != "waiting":
                        await asyncio.sleep(0.001)
                assert one.last_error

    asyncio.run(main())


def test_a_refused_subscription_is_told() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"quiet")
        writer.write(b"\x20\x02\x00\x00")
        packet = await reader.readexactly(2)
        packet = await reader.readexactly(packet[1])
        writer.write(b"\x90\x03" + packet[:2] + b"\x80")
        await reader.read()

    async def main() -> None:
        async with (
            impostor(speak) as port,
            MqttClient(MqttOptions(port=port, client_id="quiet")) as one,
        ):
            await one.wait_connected()
            with pytest.raises(ProtocolError, match="refused the subscription to 'secret'"):
                await one.subscribe("secret")
            assert "secret" in str(one.last_error)
            assert one.unheard == ["secret"]

    asyncio.run(main())


def test_a_subscription_that_was_refused_for_a_while_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgeflow.comms.mqtt.subscriptions.ASK_AGAIN", 0.01)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"quiet")
        writer.write(b"\x20\x02\x00\x00")
        for granted in (b"\x80", b"\x80", b"\x01"):
            packet = await reader.readexactly(2)
            packet = await reader.readexactly(packet[1])
            writer.write(b"\x90\x03" + packet[:2] + granted)
        await reader.read()

    async def main() -> None:
        async with (
            impostor(speak) as port,
            MqttClient(MqttOptions(port=port, client_id="quiet")) as one,
        ):
            await one.wait_connected()
            with pytest.raises(ProtocolError):
                await one.subscribe("news", qos=1)
            async with asyncio.timeout(30):
                while one.unheard:
                    await asyncio.sleep(0.001)
            assert one.last_error is None

    asyncio.run(main())
