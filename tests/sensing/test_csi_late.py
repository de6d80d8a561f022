"""A desk that comes later: no nodes before, the same answers after, another one is followed."""

import pytest

from desks import NAME, datagrams, desk_of, feed
from edgeflow.errors import ConfigError
from edgeflow.sensing.late import LateDesk


def test_before_there_is_one_there_are_no_nodes():
    late = LateDesk(lambda: None)
    assert (late.nodes(), late.news(), late.summary().nodes) == ([], [], 0)
    for ask in (late.glance, late.calibration, late.settings, late.calibrate, late.history):
        with pytest.raises(ConfigError, match="not listened to yet") as caught:
            ask("7")
        assert caught.value.code == "EF-DEVICE-404"
    watch = late.watch("7")
    assert (watch.rows(0), watch.phases()) == ([], b"")
    watch.close()


def test_who_watches_goes_on_with_the_next_one():
    now = []
    late = LateDesk(lambda: now[-1] if now else None)
    watch = late.watch(NAME)
    for _ in range(2):
        with desk_of() as (host, desk):
            now.append(desk)
            assert watch.rows(99) == []
            feed(host, datagrams("empty", 2, ago=2.5))
            assert watch.rows(0)
            assert len(watch.phases()) == 128
            assert [node.name for node in late.nodes()] == [NAME]
            assert late.glance(NAME).vitals is not None
            late.calibrate(NAME)
            assert late.calibration(NAME).asked
            late.stop_calibration(NAME)
            late.configure(NAME, late.settings(NAME))
            watching = host.lenses.watchers
            now.clear() if len(now) > 1 else None
    assert watching == 1
    watch.close()
