"""Steps of a stream whose stream, board or queue ends before their answers come."""

import numpy as np
import pytest

from edgeflow._native.model import NativeModel
from edgeflow.devices.boards.serial import SerialBoard
from edgeflow.errors import EngineError, OverloadedError
from wired_boards import STEPS, WiredBoard, model_file, samples

FILE = model_file()
MODEL = NativeModel(FILE)


@pytest.fixture
def wired(tmp_path):
    with WiredBoard(tmp_path, file=FILE) as wired:
        yield wired


@pytest.fixture
def board(wired):
    with SerialBoard(wired.port, name="lab") as board:
        assert board.wait(30), board.last_error
        yield board


def test_steps_under_way_fail_with_their_stream(wired, board):
    stream = board.open_stream()
    stream.step(samples(1)[0][0])
    wired.silent = True
    futures = [stream.submit(row) for row in samples(1)[0]]
    stream.close()
    for future in futures:
        with pytest.raises(EngineError, match="stream was closed"):
            future.result(0)


def test_a_step_that_finds_no_room_leaves_those_before_it_alone(wired):
    rows = samples(1, steps=400)[0]
    with SerialBoard(wired.port, capacity=12) as board:
        assert board.wait(30)
        stream = board.open_stream()
        stream.step(rows[0])
        wired.delay = 0.1
        futures = []
        with pytest.raises(OverloadedError):
            for row in rows[1:]:
                futures.append(stream.submit(row))
        last = [future.result(20) for future in futures][-1]
        end = 1 + len(futures)
        np.testing.assert_array_equal(last.values, MODEL.run(rows[end - STEPS : end]))
