"""A thousand devices for a moment, so that the long run is known to work."""

from pathlib import Path

import pytest
from climate_soak import devices_for


@pytest.mark.timeout(300)
def test_a_thousand_devices_at_a_reading_a_second_each(tmp_path: Path) -> None:
    part = devices_for(tmp_path, (1000,), 10.0)
    assert part.complaints == []
    row = dict(zip(part.head, part.rows[0], strict=True))
    assert int(row["readings"]) > 9000
    assert int(row["rows"]) >= int(row["readings"])
    assert row["lost"] == "0"
