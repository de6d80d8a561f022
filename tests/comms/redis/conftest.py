import uuid
from collections.abc import Iterator

import pytest
from redis import Redis

from servers import Valkey, valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as running:
        yield running


@pytest.fixture(scope="module")
def data_server() -> Iterator[Valkey]:
    with valkey() as running:
        yield running


@pytest.fixture
def app() -> str:
    return f"app-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def client(server: Valkey) -> Iterator[Redis]:
    """A client that is not ours, to look at what is really there."""
    with Redis(port=server.port) as connection:
        yield connection


@pytest.fixture
def data_client(data_server: Valkey) -> Iterator[Redis]:
    with Redis(port=data_server.port) as connection:
        yield connection
