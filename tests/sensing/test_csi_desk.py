"""Nodes are calibrated, set and watched, and what was set outlives a restart."""

import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from desks import HOST, NAME, datagrams, desk_of, feed
from edgeflow.core.sensing import NodeSettings, Room
from edgeflow.errors import ConfigError, StoreError
from edgeflow.sensing.rooms import Rooms
from edgeflow.sensing.simulate import Radio
from edgeflow.sensing.watching import HELD

ROOM = Room(frames=1300, mean=0.05, deviation=0.01, threshold=0.31)
QUICK = NodeSettings(calibration_frames=600)


def test_a_room_is_learnt_kept_and_known_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "rooms.json"
    with desk_of(file) as (host, desk):
        feed(host, datagrams("empty", 1, ago=40))
        desk.configure(NAME, QUICK)
        desk.calibrate(NAME)
        begun = desk.calibration(NAME)
        assert (begun.state, begun.frames, begun.wanted, begun.asked) == ("learning", 0, 600, True)
        sent = datagrams("empty", 38, ago=39)
        feed(host, sent[:300])
        half = desk.calibration(NAME)
        assert half.state == "learning"
        assert 200 < half.frames <= 300
        feed(host, sent[300:])
        known = desk.calibration(NAME)
        assert (known.state, known.asked, known.kept) == ("known", False, True)
        assert known.room is not None
    with desk_of(file) as (host, desk):
        feed(host, datagrams("empty", 1, ago=1, port=5151))
        again = desk.calibration(f"7@{HOST}:5151")
        assert again.room is not None
        assert (again.state, again.room.threshold) == ("known", known.room.threshold)
        assert again.room.frames == known.room.frames
        assert desk.settings(f"7@{HOST}:5151") == QUICK


def test_a_calibration_that_is_stopped_leaves_what_was_known() -> None:
    with desk_of() as (host, desk):
        feed(host, datagrams("empty", 1, ago=20))
        with pytest.raises(ConfigError, match="no calibration"):
            desk.stop_calibration(NAME)
        desk.set_room(NAME, ROOM)
        before = desk.calibration(NAME)
        assert before.state == "known"
        desk.calibrate(NAME)
        feed(host, datagrams("walking", 2, ago=18))
        assert desk.calibration(NAME).state == "learning"
        desk.stop_calibration(NAME)
        assert desk.calibration(NAME).room == before.room


def test_a_threshold_of_ones_own_counts_at_once() -> None:
    with desk_of() as (host, desk):
        feed(host, datagrams("walking", 15, ago=20.5))
        assert desk.history(NAME)[-1].presence
        desk.configure(NAME, NodeSettings(presence_threshold=99.0, tier=1))
        desk.set_room(NAME, ROOM)
        feed(host, datagrams("walking", 5, ago=5))
        seen = desk.glance(NAME).vitals
        assert seen is not None
        assert (seen.threshold, seen.presence) == (99.0, False)
        assert seen.motion > 0


def test_who_watches_gets_rows_of_amplitudes_until_leaving() -> None:
    with desk_of() as (host, desk):
        sent = datagrams("empty", 63, ago=64)
        feed(host, sent[:10])
        with desk.watch(NAME) as watch, desk.watch(NAME) as other:
            assert watch.rows(0) == []
            feed(host, sent[10:])
            rows = watch.rows(0)
            assert len(rows) == HELD, "older ones are gone"
            assert other.rows(0) == rows
            assert watch.rows(rows[-2].number) == rows[-1:]
            assert all(
                b.number == a.number + 1 and b.time_us > a.time_us for a, b in pairwise(rows)
            )
            levels = np.frombuffer(rows[-1].levels, np.uint8)
            phases = np.frombuffer(watch.phases(), "<i2") / 1000
            assert levels.size == phases.size == 64
            assert list(levels[:6]) == [0] * 6, "null bins carry nothing"
            carrying = levels[levels > 0]
            assert carrying.size >= 50
            assert 90 < carrying.mean() < 110
            assert np.abs(phases).max() <= np.pi
        assert not host.lenses.watchers
        host.lenses.prune(time.monotonic_ns() // 1000 + 31_000_000)
        assert not host.lenses


def test_a_node_of_mixed_lengths_has_rows_as_wide_as_its_frames() -> None:
    mixed = Radio(board="esp32s3", lengths=(0.6, 0.4, 0.0))
    with desk_of() as (host, desk), desk.watch(NAME) as watch:
        feed(host, datagrams("empty", 4, ago=5, radio=mixed))
        assert 128 in {len(row.levels) for row in watch.rows(0)} <= {64, 128}


def test_nodes_that_are_not_there_are_told() -> None:
    with desk_of() as (_, desk):
        for ask in (desk.glance, desk.calibration, desk.settings, desk.stop_calibration):
            with pytest.raises(ConfigError, match="no node"):
                ask("9")
        with pytest.raises(ConfigError, match="no node"):
            desk.kept("9", 0, 1, 10)
        assert desk.summary().nodes == 0


def test_all_nodes_in_a_few_numbers() -> None:
    with desk_of() as (host, desk):
        feed(host, datagrams("walking", 12, ago=12.5))
        feed(host, datagrams("empty", 2, ago=60, port=5151))
        told = desk.summary()
        assert (told.nodes, told.live) == (2, 1)
        assert 0 <= told.loss < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"version": 2, "nodes": {}}',
        '{"version": 1, "nodes": {"7": {"room": {"frames": 1}}}}',
        '{"version": 1, "nodes": {"7": {"settings": {"tier": 9}}}}',
        "[" * 100_000,
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rooms.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"rooms\.json"):
        Rooms(file)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "away"
    with pytest.raises(StoreError, match="no such folder"):
        Rooms(folder / "rooms.json")
    folder.mkdir()
    rooms = Rooms(folder / "rooms.json")
    folder.rmdir()
    with pytest.raises(StoreError, match="away"):
        rooms.keep("7", room=ROOM)
    assert rooms.of("7").room == ROOM, "it holds until the restart"


def test_what_is_kept_is_json_for_people(tmp_path: Path) -> None:
    file = tmp_path / "rooms.json"
    Rooms(file).keep("7@192.168.4.20", settings=QUICK)
    kept = json.loads(file.read_text())["nodes"]
    assert kept["7@192.168.4.20"]["settings"]["calibration_frames"] == 600
    assert not list(tmp_path.glob("*.new"))
