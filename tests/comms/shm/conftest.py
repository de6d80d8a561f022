"""Brokers in a private run folder, and second processes that end with the test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from shm_kit import Worker

from edgeflow.comms.brokers import ShmBroker


@pytest.fixture
def shm(run_dir: Path) -> ShmBroker:
    return ShmBroker(run_dir)


@pytest.fixture
def worker(run_dir: Path) -> Iterator[Callable[..., Worker]]:
    with ExitStack() as stack:

        def start(verb: str, *arguments: object) -> Worker:
            started = Worker(verb, run_dir, *arguments)
            stack.callback(started.close)
            return started

        yield start
