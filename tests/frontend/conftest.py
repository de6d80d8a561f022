"""The browser and the flow that the dashboard's tests share."""

from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from door_process import Flow


def _flow(folder: Path, **environment: str) -> Iterator[Flow]:
    flow = Flow(folder, **environment)
    flow.start()
    yield flow
    flow.stop()


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    yield from _flow(tmp_path_factory.mktemp("run"))


@pytest.fixture
def own_flow(tmp_path: Path) -> Iterator[Flow]:
    """A flow that the test may kill."""
    yield from _flow(tmp_path)


@pytest.fixture
def locked_flow(tmp_path: Path) -> Iterator[Flow]:
    """A flow that asks for the token ``s3cret``."""
    yield from _flow(tmp_path, EDGEFLOW_TOKEN="s3cret")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Chromium]:
    path = chromium.find()
    if path is None:
        pytest.skip(f"no Chromium here; enable with: {chromium.INSTALL}")
    with chromium.Chromium(path, tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def page(browser: chromium.Chromium) -> Iterator[chromium.Page]:
    """An empty tab; the test fails when a script of its pages did."""
    with browser.page() as tab:
        tab.size(1440, 900)
        yield tab
        tab.evaluate("1")
        assert tab.problems == []
