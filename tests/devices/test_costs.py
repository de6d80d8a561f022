"""How long a run takes, and models of which no board finishes one."""

import numpy as np
import pytest

from edgeflow.devices.boards.serial import SerialBoard
from edgeflow.devices.costs import check_run_time, compute_us
from edgeflow.errors import ConfigError
from edgeflow.protocols.model_file import (
    Layer,
    Op,
    efm1,
    operations,
    parse_model,
    quantise_lstm,
)
from wired_boards import FEATURES, WiredBoard, model_file, samples, weights


def seconds(steps: int, hidden: int) -> float:
    multiply_adds = steps * 4 * hidden * (FEATURES + hidden) + 2 * hidden
    return compute_us(multiply_adds, 5 * steps * hidden) / 1e6


def test_a_run_may_take_ten_seconds_and_no_more() -> None:
    steps = next(each for each in range(4096) if seconds(each, 200) > 10)
    check_run_time(parse_model(model_file(steps=steps - 1, hidden=200)))
    with pytest.raises(ConfigError, match=r"about 10 s .* multiply-adds\), which restarts"):
        check_run_time(parse_model(model_file(steps=steps, hidden=200)))
    slower = efm1(quantise_lstm(weights(hidden=200), np.ones(FEATURES)), steps=steps - 1)
    with pytest.raises(ConfigError, match="restarts"):
        check_run_time(parse_model(slower))


def test_layers_count_as_well() -> None:
    kernel = np.zeros((64, 255, 64), np.float32)
    same = {"kernel": 255, "stride": 1, "padding": 127, "weights": kernel}
    wide = Layer(Op.CONV1D, 1000, 64, 1000, 64, bias=np.zeros(64, np.float32), **same)
    mean = Layer(Op.GLOBAL_AVERAGE_POOL, 1000, 64, 1, 64)
    model = parse_model(efm1((wide, mean), steps=1000, features=64))
    assert operations(model) == (1000 * 64 * 255 * 64, 0)
    with pytest.raises(ConfigError, match="about 35 s"):
        check_run_time(model)


def test_a_board_is_not_asked_to_take_one(tmp_path) -> None:
    with WiredBoard(tmp_path, file=model_file()) as wired, SerialBoard(wired.port) as board:
        assert board.wait(30)
        told = []
        with pytest.raises(ConfigError, match="restarts after 10 s"):
            board.swap(model_file(steps=4096, hidden=200), on_progress=told.append)
        assert [each.step for each in told] == ["validate", "failed"]
        board.infer(samples(1)[0])
