"""Broker, store and learning service are killed under load: every confirmed reading has its row.

``make soak`` does the same for ten minutes with parts chosen at random.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from climate_chaos import chaos


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("store", "victims"),
    [
        ("clickhouse", ["store", "broker", "ml", "backend"]),
        ("sqlite", ["broker", "system", "system"]),
        ("alone", ["system"]),
    ],
)
def test_no_confirmed_reading_is_lost_or_counted_twice(
    tmp_path: Path, store: str, victims: Sequence[str]
) -> None:
    if store == "clickhouse":
        pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    report = chaos(tmp_path, store, 2.5 * len(victims), victims=victims)
    assert report.complaints == []
    assert report.kills.total() == len(victims)
    assert report.tally is not None
    assert report.tally.confirmed == report.tally.rows > 500
    assert report.tally.bare > 200
