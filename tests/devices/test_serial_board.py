"""A board on a port: inference, unplugging, streams, swaps; both protocols."""

import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest

from edgeflow._native.model import NativeModel
from edgeflow.devices.boards.base import BoardState, Protocol, Slot
from edgeflow.devices.boards.serial import SerialBoard
from edgeflow.errors import (
    ConfigError,
    DeadlineError,
    EngineError,
    OverloadedError,
    TensorError,
    UnknownModelError,
    UnreachableError,
)
from edgeflow.protocols.uart import Type
from wired_boards import (
    FEATURES,
    HORIZON,
    STEPS,
    WiredBoard,
    container,
    model_file,
    samples,
)

FILE = model_file()
MODEL = NativeModel(FILE)
BOTH = pytest.mark.parametrize("reference", [False, True], ids=["extended", "reference"])


@pytest.fixture
def wired(tmp_path):
    with WiredBoard(tmp_path, file=FILE) as wired:
        yield wired


@pytest.fixture
def board(wired):
    with SerialBoard(wired.port, name="lab") as board:
        assert board.wait(30), board.last_error
        yield board


def until(condition, seconds=60.0):
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@BOTH
def test_answers_are_those_of_the_model(tmp_path, reference):
    given = samples(100)
    with (
        WiredBoard(tmp_path, file=FILE, reference=reference) as wired,
        SerialBoard(wired.port) as board,
    ):
        assert board.wait(30)
        assert board.info.protocol is (Protocol.REFERENCE if reference else Protocol.EXTENDED)
        futures = [board.submit(sample) for sample in given]
        for sample, future in zip(given, futures, strict=True):
            forecast = future.result(20)
            np.testing.assert_array_equal(forecast.values, MODEL.run(sample))
            assert not forecast.values.flags.writeable
            timing = forecast.timing
            parts = timing.queue + timing.wire + timing.board_queue + timing.compute
            assert parts == pytest.approx(timing.total, abs=1e-6)


@BOTH
def test_what_a_board_says_of_itself(tmp_path, reference):
    with (
        WiredBoard(tmp_path, file=FILE, reference=reference) as wired,
        SerialBoard(wired.port, name="lab") as board,
    ):
        assert board.wait(30)
        board.infer(samples(1)[0])
        model = board.refresh()[0]
        assert (model.steps, model.features, model.horizon) == (STEPS, FEATURES, HORIZON)
        assert model.parameters == MODEL.info.parameters
        assert model.multiply_adds == MODEL.info.multiply_adds
        assert (model.slot, model.state) == (Slot.FILE, "confirmed")
        counters = board.statistics()
        assert counters == {} if reference else counters["inferences"] == 1
        status = board.status()
        assert (status.name, status.state, status.requests) == ("lab", "ready", 1)
        assert np.shape(status.last_input) == (STEPS, FEATURES)
        assert len(status.last_forecast) == HORIZON and status.p50_ms > 0 and status.last_seen > 0
        if not reference:
            assert status.baud == 921600 and len(status.unique_id) == 17


def test_samples_that_do_not_fit_never_reach_the_board(board):
    with pytest.raises(TensorError, match=r"got float32\[3, 8\]"):
        board.infer(samples(1)[0].T)
    with pytest.raises(TensorError, match="float64"):
        board.infer(samples(1)[0].astype(float))
    bad = samples(1)[0]
    bad[2, 1] = np.nan
    with pytest.raises(TensorError, match="finite"):
        board.infer(bad)
    with pytest.raises(EngineError, match="no model id 9"):
        board.infer(samples(1)[0], model=9)
    with pytest.raises(UnknownModelError, match="no model"):
        board.infer(samples(1)[0], model=1)
    assert board.statistics()["inferences"] == 0


def test_the_queue_is_bounded(wired):
    with SerialBoard(wired.port, capacity=4) as board:
        assert board.wait(30)
        wired.delay = 0.2
        futures = [board.submit(samples(1)[0]) for _ in range(4)]
        with pytest.raises(OverloadedError):
            board.submit(samples(1)[0])
        wired.delay = 0.0
        assert [future.result(20) for future in futures]
        until(lambda: board.queue_depth() == 0)


def test_a_deadline_is_kept_while_the_board_is_busy(wired, board):
    board.infer(samples(1)[0])
    wired.delay = 0.5
    future = board.submit(samples(1)[0], timeout=0.1)
    with pytest.raises(DeadlineError):
        future.result(10)
    wired.delay = 0.0
    sample = samples(2)[1]
    np.testing.assert_array_equal(board.infer(sample).values, MODEL.run(sample))


def test_cancelled_requests_disturb_nobody(wired, board):
    given = samples(40)
    futures = [board.submit(sample) for sample in given]
    cancelled = [future.cancel() for future in futures[::2]]
    for sample, future in zip(given[1::2], futures[1::2], strict=True):
        np.testing.assert_array_equal(future.result(20).values, MODEL.run(sample))
    assert any(cancelled)
    until(lambda: board.queue_depth() == 0)


@BOTH
def test_unplug_in_mid_request_then_replug(tmp_path, reference):
    with (
        WiredBoard(tmp_path, file=FILE, reference=reference) as wired,
        SerialBoard(wired.port) as board,
    ):
        assert board.wait(30)
        wired.silent = True
        futures = [board.submit(samples(1)[0], timeout=60) for _ in range(20)]
        wired.unplug()
        started = time.monotonic()
        for future in futures:
            with pytest.raises(UnreachableError):
                future.result(20)
        assert time.monotonic() - started < 6
        until(lambda: board.state is BoardState.LOST)
        with pytest.raises(UnreachableError):
            board.submit(samples(1)[0])
        assert board.last_error
        wired.silent = False
        wired.plug()
        until(lambda: board.state is BoardState.READY)
        sample = samples(1)[0]
        np.testing.assert_array_equal(board.infer(sample).values, MODEL.run(sample))


def test_a_restart_costs_no_request(wired, board):
    given = samples(30)
    board.restart()
    futures = [board.submit(sample, timeout=30) for sample in given]
    for sample, future in zip(given, futures, strict=True):
        np.testing.assert_array_equal(future.result(30).values, MODEL.run(sample))
    lines = [line.text for line in board.console.lines()]
    assert "ESP-ROM:esp32s3" in lines and "boot: done" in lines


def test_a_board_that_falls_silent_is_lost(wired, board):
    board.infer(samples(1)[0])
    wired.silent = True
    with pytest.raises((UnreachableError, DeadlineError)):
        board.infer(samples(1)[0], timeout=30)
    until(lambda: board.state is BoardState.LOST)
    wired.silent = False
    until(lambda: board.state is BoardState.READY)


def test_a_board_without_a_model_says_so(tmp_path):
    with WiredBoard(tmp_path) as wired, SerialBoard(wired.port) as board:
        assert board.wait(30)
        assert board.state is BoardState.NO_MODEL
        with pytest.raises(UnknownModelError):
            board.infer(samples(1)[0])
        board.swap(container(1))
        assert board.state is BoardState.READY


def test_a_port_that_is_missing_or_taken(tmp_path, wired, board):
    with SerialBoard(str(tmp_path / "none")) as missing:
        assert not missing.wait(30)
        assert "no such port" in missing.last_error
        with pytest.raises(UnreachableError, match="no such port"):
            missing.submit(samples(1)[0])
    with SerialBoard(wired.port) as second:
        assert not second.wait(30)
        assert "another program has it open" in second.last_error
        assert "end that program" in second.last_hint


def test_close_fails_what_waits_and_ends_the_thread(wired):
    board = SerialBoard(wired.port)
    assert board.wait(30)
    wired.silent = True
    future = board.submit(samples(1)[0], timeout=60)
    started = time.monotonic()
    board.close()
    board.close()
    assert time.monotonic() - started < 6  # under 3 s on an idle machine
    with pytest.raises(UnreachableError, match="closed"):
        future.result(1)
    with pytest.raises(UnreachableError, match="closed"):
        board.submit(samples(1)[0])
    assert not [each for each in threading.enumerate() if each.name == f"board-{board.name}"]


def test_the_port_can_be_lent(wired, board):
    with board.release() as port:
        assert port == wired.port
        assert board.state is BoardState.SWAPPING
        with pytest.raises(OverloadedError), board.release():
            pass
        with SerialBoard(port) as other:
            assert other.wait(30)
            other.infer(samples(1)[0])
    until(lambda: board.state is BoardState.READY)
    board.infer(samples(1)[0])


def test_requests_under_way_are_told_that_the_port_is_lent(wired, board):
    wired.silent = True
    future = board.submit(samples(1)[0], timeout=60)
    with board.release(), pytest.raises(UnreachableError, match="is lent to another program"):
        future.result(10)
    wired.silent = False
    until(lambda: board.state is BoardState.READY)


def test_int8_samples_take_a_quarter_and_are_nearly_as_good(wired, board):
    sample = samples(1)[0]
    exact = board.infer(sample).values
    board.close()
    with SerialBoard(wired.port, values="int8") as small:
        assert small.wait(30)
        assert np.abs(small.infer(sample).values - exact).max() < 0.02


def test_a_window_stream_answers_like_infer(board):
    rows = samples(1, steps=3 * STEPS)[0]
    stream = board.open_stream()
    futures = [stream.submit(row) for row in rows]
    for index, future in enumerate(futures):
        forecast = future.result(20)
        if index < STEPS - 1:
            assert forecast is None
        else:
            window = rows[index - STEPS + 1 : index + 1]
            np.testing.assert_array_equal(forecast.values, MODEL.run(window))
    with pytest.raises(TensorError):
        stream.step(rows[0][:1])
    stream.close()
    stream.close()


def test_a_window_stream_survives_a_restart(board):
    rows = samples(1, steps=3 * STEPS)[0]
    stream = board.open_stream(timeout=30)
    for row in rows[:-5]:
        stream.step(row)
    board.restart()
    for row in rows[-5:]:
        forecast = stream.step(row)
    np.testing.assert_array_equal(forecast.values, MODEL.run(rows[-STEPS:]))


def test_a_stateful_stream_keeps_the_state(board):
    rows = samples(1, steps=STEPS + 4)[0]
    state, expected = None, None
    for row in rows:
        expected, state = MODEL.step(row, state)
    stream = board.open_stream("stateful")
    answers = [stream.step(row) for row in rows]
    np.testing.assert_array_equal(answers[-1].values, expected)


def test_an_int8_stream(board):
    rows = samples(1)[0]
    stream = board.open_stream(dtype="int8", scales=np.full(FEATURES, 0.03, np.float32))
    forecast = [stream.step(row) for row in rows][-1]
    assert np.abs(forecast.values - MODEL.run(rows)).max() < 0.1
    with pytest.raises(TensorError, match="scales"):
        board.open_stream(dtype="int8")


def test_a_swap_while_serving_misses_no_request(wired, board):
    new = container(7, name="seven", version=3)
    sample = samples(1)[0]
    answers, stop, errors = [], threading.Event(), []

    def ask():
        while not stop.is_set():
            try:
                answers.append(board.infer(sample, timeout=30).values)
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    steps = []
    try:
        until(lambda: len(answers) > 10)
        model = board.swap(new, on_progress=steps.append)
        count = len(answers)
        until(lambda: len(answers) > count + 10)
    finally:
        stop.set()
        thread.join(30)
    assert not errors
    names = list(dict.fromkeys(step.step for step in steps))
    assert names == [
        "validate", "erase", "write", "verify", "self-test", "activate", "confirm", "done",
    ]  # fmt: skip
    assert (model.name, model.version, model.state, model.slot) == ("seven", 3, "confirmed", "A")
    np.testing.assert_array_equal(answers[0], MODEL.run(sample))
    np.testing.assert_array_equal(answers[-1], NativeModel(new).run(sample))
    back = board.roll_back()
    assert back.slot is Slot.FILE
    np.testing.assert_array_equal(board.infer(sample).values, MODEL.run(sample))


def test_a_model_that_misses_its_self_test_is_refused(board):
    steps = []
    with pytest.raises(EngineError, match="self-test"):
        board.swap(container(2, wrong=0.5), on_progress=steps.append)
    assert steps[-1].step == "failed" and "self-test" in steps[-1].error
    sample = samples(1)[0]
    np.testing.assert_array_equal(board.infer(sample).values, MODEL.run(sample))
    assert board.refresh()[0].slot is Slot.FILE


def test_files_that_are_no_models_never_reach_the_board(board):
    damaged = bytearray(container(1))
    damaged[300] ^= 1
    for file in (b"", b"GIF89a", bytes(damaged), model_file()[:-1]):
        with pytest.raises(ConfigError):
            board.swap(file)
    with pytest.raises(ConfigError, match="slot"):
        board.swap(model_file(hidden=80))
    assert board.statistics()["errors"] == 0


def test_roll_back_without_a_model_before(board):
    with pytest.raises(EngineError):
        board.roll_back()


def test_a_reference_board_points_to_the_flash_route(tmp_path):
    with (
        WiredBoard(tmp_path, file=FILE, reference=True) as wired,
        SerialBoard(wired.port) as board,
    ):
        assert board.wait(30)
        with pytest.raises(ConfigError, match="edgeflow flash model"):
            board.swap(container(1))
        with pytest.raises(EngineError, match="edgeflow flash model"):
            board.roll_back()
        with pytest.raises(EngineError, match="no streams"):
            board.open_stream()


def test_another_rate_that_the_host_cannot_reach_is_not_kept(wired):
    with SerialBoard(wired.port, faster=()) as board:
        assert board.wait(30)
        assert board.info.baud == 115200
        assert board.wire.call(Type.ECHO, b"hello") == b"hello"


def test_a_link_that_does_not_get_on_is_a_deadline_too(board):
    with pytest.raises(DeadlineError, match="in time"):
        board.wire.wait(Future(), timeout=-1.0)
