import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from acting import act, acting, action, dispatch
from edgeflow.errors import ActionError, ConfigError
from edgeflow.pipelines.actions.gpio import GpioDispatcher, Lines
from edgeflow.pipelines.agents.threshold import Threshold
from edgeflow.pipelines.message import EdgeMessage


class Board:
    """Lines that remember what was done to them."""

    def __init__(self) -> None:
        self.levels: list[tuple[int, bool]] = []
        self.closed = False

    def set(self, line: int, on: bool) -> None:
        if line == 99:
            raise OSError("broken")
        self.levels.append((line, on))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def door(board: Board) -> type[GpioDispatcher]:
    class Door(GpioDispatcher):
        def open_lines(self) -> Lines:
            return board

    return Door


def test_a_machine_without_pins_says_so() -> None:
    with pytest.raises(ConfigError, match="has no"):
        act(GpioDispatcher, chip=Path("/nowhere/gpiochip0"), pins={"lamp": 17})


def test_pins_are_set_and_toggled_and_off_in_the_end(
    board: Board, door: type[GpioDispatcher]
) -> None:
    results = act(
        door,
        action(),
        action({"value": False}),
        action({"mode": "toggle"}),
        pins={"lamp": 17},
    )
    assert [result.detail for result in results] == ["on", "off", "on"]
    assert board.levels == [(17, True), (17, False), (17, True), (17, False)]
    assert board.closed


def test_the_reading_of_an_alarm_is_no_level(board: Board, door: type[GpioDispatcher]) -> None:
    clock = iter(range(10))
    options = Threshold.Options(metric="co2", threshold=800, tell_end=True)
    agent = Threshold("air", options, clock=lambda: float(next(clock)))

    async def run() -> None:
        async with acting(door, pins={"fan": 17}) as gpio:
            for value in (900.0, 500.0):
                message = EdgeMessage(sensor_id="s", payload={"co2": value})
                (found,) = await agent.handle(
                    message=message, payload={"co2": value}, latency_ms=0.0
                )
                assert (await dispatch(gpio, found)).ok

    asyncio.run(run())
    assert board.levels == [(17, True), (17, False)]


def test_few_pulses_wait_for_a_pin(board: Board, door: type[GpioDispatcher]) -> None:
    async def run() -> None:
        async with acting(door, pins={"lock": 4}, mode="pulse", seconds=0.01, pending=2) as gpio:
            results = await asyncio.gather(*(dispatch(gpio, action()) for _ in range(20)))
        assert [result.ok for result in results] == [True] * 3 + [False] * 17

    asyncio.run(run())


def test_pulses_of_a_pin_follow_each_other(board: Board, door: type[GpioDispatcher]) -> None:
    async def run() -> None:
        async with acting(door, pins={"lock": 4}, mode="pulse", seconds=0.02) as gpio:
            await asyncio.gather(*(dispatch(gpio, action()) for _ in range(3)))

    asyncio.run(run())
    assert board.levels == [(4, True), (4, False)] * 3


@pytest.mark.parametrize(
    "wrong", [{"target": "nowhere"}, {"payload": {"value": "on"}}, {"payload": {"mode": "explode"}}]
)
def test_what_a_pin_cannot_do_is_refused(
    board: Board, door: type[GpioDispatcher], wrong: dict[str, Any]
) -> None:
    with pytest.raises(ActionError):
        act(door, action(wrong.get("payload"), target=wrong.get("target")), pins={"lamp": 1})
    assert board.levels == []


def test_a_chip_that_refuses_is_a_failed_action(door: type[GpioDispatcher]) -> None:
    with pytest.raises(ActionError, match="broken"):
        act(door, action(), pins={"lamp": 99})


def test_pins_must_be_named() -> None:
    with pytest.raises(ValidationError):
        GpioDispatcher.Options(pins={})
