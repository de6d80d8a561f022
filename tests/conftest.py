"""Shared by all tests: private run and cache folders, and skips that are failures in CI."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Tests start processes; gRPC's handlers of fork would close its descriptors under them.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

# Tests start more than a thousand processes: modules are compiled once, whatever is set outside.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A machine that stands still for a moment makes no example wrong.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# A worker of xdist says how wide the terminal of its master is; programs under test have none.
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)

# Tests started with nohup or in the background inherit these ignored, and so does what they start.
for _number, _usual in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)


@pytest.fixture(autouse=True)
def run_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short private folder for sockets (their paths are limited to 107 bytes)."""
    with tempfile.TemporaryDirectory(prefix="ef-") as folder:
        monkeypatch.setenv("EDGEFLOW_RUN_DIR", folder)
        yield Path(folder)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI everything that tests need is installed, so a skip is a failure."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {report.longrepr}"
    return report
