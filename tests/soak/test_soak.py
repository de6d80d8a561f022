"""A short soak, so that the long one is known to work."""

import pytest

from soak import soak


@pytest.mark.slow
def test_twenty_seconds_of_kills():
    report = soak(20.0, seed=3)
    assert report.complaints == []
    assert report.frames > 200
    assert report.pictures > 20
    assert sum(report.kills.values()) >= 1
