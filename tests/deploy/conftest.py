"""Flows that tests of manifests and of Compose files plan."""

from pathlib import Path

import pytest
from deployed_flows import ALL_SORTS, example, planned

from edgeflow.deploy.planning import plan_file
from edgeflow.deploy.workloads import Stack


@pytest.fixture
def single(tmp_path: Path) -> Stack:
    return plan_file(example(tmp_path))


@pytest.fixture
def dual(tmp_path: Path) -> Stack:
    return plan_file(example(tmp_path, broker="DualRedisBroker"))


@pytest.fixture
def sorts(tmp_path: Path) -> Stack:
    return planned(tmp_path, ALL_SORTS)
