"""One suite, every broker, each against the real thing."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from semantics_kit import Flow

from edgeflow.comms.brokers import (
    Broker,
    DualRedisBroker,
    MemoryBroker,
    RedisBroker,
    ShmBroker,
    ZenohBroker,
)
from servers import Valkey, free_port, valkey

BROKERS = ("memory", "shm", "redis", "dual-redis", "zenoh")


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[Valkey, Valkey]]:
    with valkey() as control, valkey() as data:
        yield control, data


@pytest.fixture(params=BROKERS)
def make_broker(request: pytest.FixtureRequest, run_dir: Path) -> Iterator[Callable[[], Broker]]:
    """Make brokers that see each other, as in the processes of one app (memory: the same one)."""
    with ExitStack() as stack:
        kind = request.param
        shared = MemoryBroker()
        app = f"app-{uuid.uuid4().hex[:8]}"
        own, peers = ["tcp/127.0.0.1:0"], list[Broker]()
        meeting = f"tcp/127.0.0.1:{free_port()}"

        def make() -> Broker:
            broker: Broker
            if kind == "memory":
                broker = shared
            elif kind == "shm":
                broker = ShmBroker(run_dir)
            elif kind == "zenoh":
                broker = ZenohBroker(*([[meeting], own] if peers else [[], [*own, meeting]]))
                peers.append(broker)
            else:
                control, data = request.getfixturevalue("servers")
                if kind == "redis":
                    broker = RedisBroker(url=control.url)
                else:
                    broker = DualRedisBroker(url=control.url, data_url=data.url)
            broker.open(app)
            stack.callback(broker.close)
            return broker

        yield make


@pytest.fixture
def broker(make_broker: Callable[[], Broker]) -> Broker:
    return make_broker()


@pytest.fixture
def flow(make_broker: Callable[[], Broker]) -> Iterator[Flow]:
    """Publishers and subscribers that are closed in the end."""
    with ExitStack() as stack:
        yield Flow(make_broker, stack, itertools.count(1))
