"""What the system says about its parts."""

import asyncio
import contextlib
import math
from pathlib import Path

import mqtt_brokers
from edgeflow.climate.health import ServiceState, keep_health
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables
from edgeflow.store.spool import Spool
from edgeflow.store.spooled import SpooledWriter
from edgeflow.systems.climate import ClimateOptions, ClimateSystem
from servers import free_port

SECONDS = 40.0


def test_states_are_kept_until_it_ends(tmp_path: Path) -> None:
    store = open_tables(f"sqlite:///{tmp_path}/home.db")
    store.create(list(TABLES.values()))
    writer = SpooledWriter(store, Spool(tmp_path / "spool"))
    looked = []
    told_to: list[tuple[str, str, float]] = []

    def look() -> list[ServiceState]:
        looked.append(1)
        return [ServiceState("broker", "away"), ServiceState("store", "", 3.5)]

    async def run() -> None:
        task = asyncio.create_task(
            keep_health(writer, look, lambda: 1.75e9, 0.01, lambda *said: told_to.append(said))
        )
        async with asyncio.timeout(SECONDS):
            while len(looked) < 3:
                await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert writer.flush(SECONDS)
    writer.close()
    assert told_to[:2] == [("broker", "away", 1.75e9), ("store", "", 1.75e9)]
    told = {row["service"]: row for row in store.rows("health")}
    store.close()
    assert (told["broker"]["state"], told["broker"]["detail"]) == ("failed", "away")
    assert math.isnan(told["broker"]["value"])
    assert (told["store"]["state"], told["store"]["value"]) == ("ok", 3.5)


def test_a_broker_that_goes_is_told(tmp_path: Path) -> None:
    broker = mqtt_brokers.make("nats", tmp_path / "broker")
    broker.start()
    options = ClimateOptions(
        broker=broker.url,
        store=f"sqlite:///{tmp_path}/home.db",
        folder=tmp_path / "climate",
        roles=frozenset({"backend"}),
    )

    async def problems(system: ClimateSystem, wanted: set[str]) -> None:
        async with asyncio.timeout(SECONDS):
            while {each.service for each in system.states() if each.problem} != wanted:
                await asyncio.sleep(0.02)

    async def run() -> None:
        async with ClimateSystem.running(options) as system:
            await problems(system, set())
            services = {each.service for each in system.states()}
            assert services == {"broker", "store", "backend", "device settings"}
            await asyncio.to_thread(broker.stop)
            await problems(system, {"broker"})

    try:
        asyncio.run(run())
    finally:
        broker.stop()


def test_a_system_is_not_ready_before_it_hears(tmp_path: Path) -> None:
    options = ClimateOptions(
        broker=f"mqtt://127.0.0.1:{free_port()}",
        store=f"sqlite:///{tmp_path}/home.db",
        folder=tmp_path / "climate",
        roles=frozenset({"backend"}),
    )

    async def begun() -> list[str]:
        async with ClimateSystem.running(options) as system:
            return system.problems()

    assert "broker: sensor/+/+ is not heard" in asyncio.run(begun())


def test_what_is_wanted_is_unheard_until_it_is_granted(tmp_path: Path) -> None:
    broker = mqtt_brokers.make("nats", tmp_path / "broker")
    broker.start()

    async def wanted() -> list[str]:
        async with MqttClient(MqttOptions.from_url(broker.url)) as client:
            await client.wait_connected(SECONDS)
            client.want(["a/+", "b"], qos=1)
            before = client.unheard
            async with asyncio.timeout(SECONDS):
                while client.unheard:
                    await asyncio.sleep(0.01)
            return before

    try:
        assert asyncio.run(wanted()) == ["a/+", "b"]
    finally:
        broker.stop()
