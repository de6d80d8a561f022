from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mqtt_brokers import KINDS, Broker, make


@pytest.fixture(params=KINDS)
def start_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Starts a broker of each kind with options; it ends with the test."""
    with ExitStack() as stack:

        def start(**options: object) -> Broker:
            return stack.enter_context(make(request.param, tmp_path / "broker", **options))

        yield start
