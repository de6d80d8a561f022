"""Where the dashboard of a climate system listens."""

from typing import cast

import pytest

from edgeflow.core.ports import ClimateView
from edgeflow.errors import ConfigError
from edgeflow.systems.climate_dashboard import open_dashboard

NOTHING = cast("ClimateView", None)
"""Nobody asks."""


def test_a_second_system_takes_a_free_port() -> None:
    first = open_dashboard(NOTHING, "usual")
    try:
        second = open_dashboard(NOTHING, "usual")
        second.close()
        assert second.port != first.port
    finally:
        first.close()


def test_a_port_that_was_named_and_is_taken_is_refused() -> None:
    first = open_dashboard(NOTHING, 0)
    try:
        with pytest.raises(ConfigError, match=str(first.port)) as told:
            open_dashboard(NOTHING, first.port)
        assert "--no-dashboard" in told.value.hint
    finally:
        first.close()
