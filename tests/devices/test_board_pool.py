"""Several boards with the same model as one."""

import time

import numpy as np
import pytest

from edgeflow._native.model import NativeModel
from edgeflow.devices.boards.base import BoardState
from edgeflow.devices.boards.opening import open_boards
from edgeflow.devices.boards.pool import BoardPool
from edgeflow.devices.virtual.board import VirtualBoards
from edgeflow.errors import ConfigError, EngineError, TensorError, UnreachableError
from wired_boards import HORIZON, WiredBoard, container, model_file, samples

FILE = model_file()
MODEL = NativeModel(FILE)


@pytest.fixture
def pair(tmp_path):
    with WiredBoard(tmp_path, file=FILE) as first, WiredBoard(tmp_path, file=FILE) as second:
        yield first, second


@pytest.fixture
def pool(pair):
    with BoardPool(open_boards([f"a={pair[0].port}", f"b={pair[1].port}"])) as pool:
        yield pool


def ready(board, state=BoardState.READY, seconds=20.0):
    """Wait for a state."""
    end = time.monotonic() + seconds
    while board.state is not state:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_load_is_shared(pool):
    given = samples(200)
    futures = [pool.submit(each) for each in given]
    for sample, future in zip(given, futures, strict=True):
        np.testing.assert_array_equal(future.result(20).values, MODEL.run(sample))
    counts = [each.status().requests for each in pool.boards]
    assert sum(counts) == 200 and min(counts) > 20
    assert pool.statistics()["inferences"] == 200
    status = pool.status()
    assert (status.requests, status.state, len(status.last_forecast)) == (200, "ready", HORIZON)
    assert pool.info.window == 16 and pool.refresh() == pool.models


def test_what_nobody_waits_for_is_not_run(pair, pool):
    for each in pair:
        each.silent = True
    futures = [pool.submit(each, timeout=30) for each in samples(60)]
    assert pool.queue_depth() == 60
    assert all(each.cancel() for each in futures)
    assert pool.queue_depth() == 0


def test_what_a_lost_board_had_goes_to_another(pair, pool):
    pair[0].silent = True
    given = samples(60)
    futures = [pool.submit(each, timeout=30) for each in given]
    pair[0].unplug()
    for sample, future in zip(given, futures, strict=True):
        np.testing.assert_array_equal(future.result(30).values, MODEL.run(sample))
    assert pool.state is BoardState.READY
    pair[1].unplug()
    ready(pool, BoardState.LOST)
    with pytest.raises(UnreachableError):
        pool.infer(samples(1)[0])
    assert pool.last_error
    pair[0].silent = False
    pair[0].plug()
    ready(pool)
    pool.infer(samples(1)[0])


def test_a_board_with_another_model_is_left_out(tmp_path, pair, pool):
    pool.boards[1].swap(container(2, steps=5))
    futures = [pool.submit(each) for each in samples(20)]
    assert all(future.result(20) for future in futures)
    assert pool.boards[1].status().requests == 0
    with pytest.raises(TensorError):
        pool.infer(samples(1, steps=5)[0])


def test_a_swap_reaches_every_board_or_none(pair, pool):
    new, steps = container(8, name="new"), []
    assert pool.swap(new, on_progress=steps.append).name == "new"
    assert {each.models[0].name for each in pool.boards} == {"new"}
    assert {step.detail["board"] for step in steps} == {"a", "b"}
    pool.roll_back()
    assert {each.models[0].name for each in pool.boards} == {""}
    pair[1].unplug()
    ready(pool.boards[1], BoardState.LOST)
    with pytest.raises((UnreachableError, ConfigError, EngineError)):
        pool.swap(new)
    assert pool.boards[0].refresh()[0].name == ""


def test_boards_have_names_and_are_named_once(tmp_path, pair):
    boards = open_boards([f"lab=serial+glob://{tmp_path}/board*?faster=none"])
    try:
        assert [each.name for each in boards] == ["lab-1", "lab-2"]
        assert {each.info.baud for each in boards} == {115200}
    finally:
        for each in boards:
            each.close()
    port = pair[0].port
    for specs in ([port, port], [f"x={port}", f"x={pair[1].port}"], [port, f"serial://{port}"], []):
        with pytest.raises(ConfigError):
            open_boards(specs)


def test_sixteen_boards_at_once():
    with VirtualBoards(16, model=FILE, instant=True) as virtual:
        boards = open_boards(virtual.ports, wait=60)
        with BoardPool(boards) as pool:
            assert all(each.state is BoardState.READY for each in boards)
            given = samples(50)
            futures = [board.submit(each) for each in given for board in boards]
            for index, future in enumerate(futures):
                expected = MODEL.run(given[index // 16])
                np.testing.assert_array_equal(future.result(60).values, expected)
            assert {each.status().requests for each in boards} == {50}
            assert len({each.info.unique_id for each in boards}) == 16
            assert pool.queue_depth() == 0
