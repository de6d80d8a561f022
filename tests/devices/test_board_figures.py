"""What a board's status says of its latest answers."""

import numpy as np

from edgeflow.core.status import DeviceStatus
from edgeflow.devices.boards.base import Forecast, Timing
from edgeflow.devices.boards.figures import MOST_VALUES, BoardStatistics

TIMING = Timing(1.0, 2.0, 0.0, 3.0, 6.0)


def test_the_newest_part_of_a_large_input_is_kept() -> None:
    figures = BoardStatistics()
    sample = np.arange(3000 * 8, dtype=np.float32).reshape(3000, 8)
    figures.answered(sample, Forecast(np.zeros(2, np.float32), TIMING))
    status = figures.fill(DeviceStatus(name="x", state="ready"))
    assert np.size(status.last_input) == MOST_VALUES
    assert status.last_input == sample[-MOST_VALUES // 8 :].tolist()
    wide = np.ones((2, 5000), np.float32)
    figures.answered(wide, Forecast(np.zeros(2, np.float32), TIMING))
    assert figures.fill(status).last_input == wide[-1:].tolist()


def test_the_last_input_is_kept_as_it_was() -> None:
    figures = BoardStatistics()
    sample = np.ones((4, 3), np.float32)
    figures.answered(sample, Forecast(np.zeros(2, np.float32), TIMING))
    sample[:] = 0
    status = figures.fill(DeviceStatus(name="x", state="ready"))
    assert status.last_input == [[1.0] * 3] * 4
