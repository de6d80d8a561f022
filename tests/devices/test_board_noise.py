"""Lines that drop and flip bytes, and boot logs among answers."""

import time
from collections import deque

import numpy as np

from edgeflow._native.model import NativeModel
from edgeflow.devices.boards.base import BoardState
from edgeflow.devices.boards.serial import SerialBoard
from edgeflow.errors import EdgeFlowError
from wired_boards import WiredBoard, container, model_file, samples

FILE = model_file()
MODEL = NativeModel(FILE)


def wait_for(board):
    """Wait until noise lets the board be found."""
    end = time.monotonic() + 60
    while board.state is not BoardState.READY:
        assert time.monotonic() < end
        board.wait(0.1)
        time.sleep(0.01)


def ask(board, count, most, pool):
    """Send requests, at most so many at once; return answers that are wrong, and errors."""
    given = samples(pool)
    truth = [MODEL.run(each) for each in given]
    waiting, wrong, errors = deque(), 0, []

    def settle():
        nonlocal wrong
        index, future = waiting.popleft()
        try:
            wrong += not np.array_equal(future.result(30).values, truth[index])
        except EdgeFlowError as error:
            errors.append(error)

    for number in range(count):
        index = number % pool
        try:
            waiting.append((index, board.submit(given[index], timeout=20)))
        except EdgeFlowError as error:
            errors.append(error)
            wait_for(board)
        if len(waiting) >= most:
            settle()
    while waiting:
        settle()
    return wrong, errors


def test_ten_thousand_requests_over_a_noisy_line(tmp_path):
    with (
        WiredBoard(tmp_path, file=FILE, noise=1 / 4000) as wired,
        SerialBoard(wired.port, faster=()) as board,
    ):
        wait_for(board)
        wrong, errors = ask(board, 10_000, 64, 50)
        hits = sum(each.hits for each in wired.noise)
        assert wrong == 0
        assert hits > 200
        # Requests are repeated, so the noise is not seen but in the board's own counters.
        assert len(errors) < 10, errors[:3]
        wired.noise = None
        sample = samples(1)[0]
        np.testing.assert_array_equal(board.infer(sample).values, MODEL.run(sample))
        assert board.statistics()["crc_errors"] > 10


def test_a_reference_board_gets_in_step_again(tmp_path):
    """There is no checksum to tell flipped bytes in values, so this line drops bytes only."""
    with (
        WiredBoard(tmp_path, file=FILE, reference=True) as wired,
        SerialBoard(wired.port) as board,
    ):
        wait_for(board)
        board.infer(samples(1)[0])
        drop = [0, 0]

        def lose(direction):
            def damage(data):
                drop[direction] += len(data)
                if drop[direction] < 1500:
                    return data
                drop[direction] = 0
                return data[: len(data) // 2] + data[len(data) // 2 + 3 :]

            return damage

        wired.noise = (lose(0), lose(1))
        wrong, errors = ask(board, 40, 4, 10)
        assert (wrong, errors) == (0, [])


def test_a_reference_board_that_is_asked_twice(tmp_path):
    """Then flipped bytes are seen, too."""
    with (
        WiredBoard(tmp_path, file=FILE, reference=True) as wired,
        SerialBoard(wired.port, verify=True) as board,
    ):
        wait_for(board)
        board.infer(samples(1)[0])

        def flip(data):
            flip.count += len(data)
            if flip.count < 400:
                return data
            flip.count = 0
            flip.hits += 1
            return data[:-1] + bytes([data[-1] ^ 0x20])

        flip.count = flip.hits = 0
        wired.noise = (flip, flip)
        wrong, errors = ask(board, 200, 4, 10)
        assert (wrong, errors) == (0, [])
        assert flip.hits > 20


def test_streams_and_swaps_over_a_noisy_line(tmp_path):
    with (
        WiredBoard(tmp_path, file=FILE, noise=1 / 2500) as wired,
        SerialBoard(wired.port, faster=()) as board,
    ):
        wait_for(board)
        rows = samples(1, steps=1000)[0]
        stream = board.open_stream(timeout=30)
        futures = [stream.submit(row) for row in rows[:200]]
        for index in range(len(rows)):
            forecast = futures[index].result(40)
            if index >= 7:
                window = rows[index - 7 : index + 1]
                np.testing.assert_array_equal(forecast.values, MODEL.run(window))
            if index + 200 < len(rows):
                futures.append(stream.submit(rows[index + 200]))
        for seed in range(2):
            file = container(seed + 20, hidden=24)
            assert board.swap(file).sha256
            sample = samples(1)[0]
            expected = NativeModel(file).run(sample)
            np.testing.assert_array_equal(board.infer(sample).values, expected)
