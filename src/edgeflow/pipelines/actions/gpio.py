"""Actions as levels of pins, on boards that have them (experimental)."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import Field

from edgeflow.errors import ActionError, ConfigError, MissingExtraError
from edgeflow.pipelines.actions.base import Dispatcher, DispatcherOptions
from edgeflow.pipelines.message import Action, ActionResult

__all__ = ["GpioDispatcher", "GpioOptions", "Lines"]

Mode = Literal["set", "toggle", "pulse"]

ENDS = ("cleared", "exit")
"""Events with which agents tell that an alarm is over."""


class GpioOptions(DispatcherOptions):
    """Keys of an action of type ``gpio``.

    Attributes:
        chip: device of the pins.
        pins: line numbers of the chip by name; an action's target names one.
        pin: name of the pin where the action has no target.
        mode: ``set`` to the payload's ``value`` where that is true or false, else on, and off with
            the event ``cleared`` or ``exit``; ``toggle``; or ``pulse`` for ``seconds``. The
            payload's ``mode`` overrides it.
        seconds: length of a pulse.
        pending: actions that may wait for one pin.
        active_low: on is the low level.
        initial: level from the start on; pins are off in the end.
    """

    chip: Path = Path("/dev/gpiochip0")
    pins: dict[str, int] = Field(min_length=1)
    pin: str | None = None
    mode: Mode = "set"
    seconds: float = Field(0.5, gt=0, le=60)
    pending: int = Field(16, ge=0, le=1000)
    active_low: bool = False
    initial: bool = False


class Lines(Protocol):
    """Output lines of a chip. Calls block."""

    def set(self, line: int, on: bool) -> None:
        """Switch a line."""
        ...

    def close(self) -> None:
        """Release the lines."""
        ...


class GpioDispatcher(Dispatcher):
    """Switches pins. A pin takes one action at a time, so pulses follow each other."""

    Options = GpioOptions
    options: GpioOptions

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"edgeflow-{name}")
        self._turns = {pin: asyncio.Lock() for pin in options.pins}
        self._open = dict.fromkeys(options.pins, 0)
        self._on = dict.fromkeys(options.pins, bool(options.initial))
        self._lines: Lines | None = None

    async def start(self) -> None:
        """Take the pins.

        Raises:
            ConfigError: this machine has no such chip, or the pins are taken.
            MissingExtraError: the package gpiod is not installed.
        """
        options = self.options
        if options.pin is not None and options.pin not in options.pins:
            raise ConfigError(f"action {self.name!r}: pin {options.pin!r} is not under pins:")
        self._lines = await self._do(self.open_lines)

    def open_lines(self) -> Lines:
        """Return the chip's lines, as outputs."""
        if not self.options.chip.exists():
            raise ConfigError(
                f"action {self.name!r}: this machine has no {self.options.chip}",
                hint="GPIO needs a board with pins, such as a Raspberry Pi; gpiodetect lists chips",
            )
        return _ChipLines(self.name, self.options)

    async def stop(self) -> None:
        """Switch all pins off and release them."""
        if self._lines is not None:
            for pin, line in self.options.pins.items():
                if self._on[pin]:
                    await self._do(self._lines.set, line, False)
            await self._do(self._lines.close)
            self._lines = None
        self._thread.shutdown(wait=False)

    async def dispatch(self, action: Action, *, agent: str, pipeline: str) -> ActionResult:
        """Switch a pin.

        Raises:
            ActionError: there is no such pin, mode or value, or the chip refuses.
        """
        names = list(self.options.pins)
        pin = action.target or self.options.pin or (names[0] if len(names) == 1 else "")
        if pin not in self.options.pins:
            raise ActionError(f"there is no pin {pin!r}", hint=f"known: {', '.join(names)}")
        mode, on = self._wish(action.payload)
        if self._open[pin] > self.options.pending:
            return ActionResult(
                ok=False, detail="too many wait for this pin", attempts=0, target=pin
            )
        self._open[pin] += 1
        try:
            async with self._turns[pin]:
                return await self._carry_out(pin, mode, on)
        finally:
            self._open[pin] -= 1

    def _wish(self, payload: Any) -> tuple[Mode, bool]:
        """Return the mode, and for ``set`` the level, that a payload asks for."""
        given = payload if isinstance(payload, dict) else {}
        mode, value = given.get("mode", self.options.mode), given.get("value")
        fits = value is None or isinstance(value, bool | int | float)
        if mode not in ("set", "toggle", "pulse") or not fits:
            raise ActionError("mode must be set, toggle or pulse, and value true or false")
        if isinstance(value, bool):
            return mode, value
        return mode, given.get("event") not in ENDS

    async def _carry_out(self, pin: str, mode: Mode, on: bool) -> ActionResult:
        if mode == "pulse":
            await self._pulse(pin)
            return ActionResult(ok=True, detail=f"{self.options.seconds:g} s", target=pin)
        await self._switch(pin, on if mode == "set" else not self._on[pin])
        return ActionResult(ok=True, detail="on" if self._on[pin] else "off", target=pin)

    async def _pulse(self, pin: str) -> None:
        await self._switch(pin, True)
        try:
            await asyncio.sleep(self.options.seconds)
        finally:
            await self._switch(pin, False)

    async def _switch(self, pin: str, on: bool) -> None:
        if self._lines is None:
            raise ActionError("the pins are released")
        try:
            await self._do(self._lines.set, self.options.pins[pin], on)
        except OSError as error:
            raise ActionError(f"pin {pin!r} cannot be switched: {error}") from None
        self._on[pin] = on

    async def _do(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


class _ChipLines:
    """Lines of a real chip, through libgpiod."""

    def __init__(self, name: str, options: GpioOptions) -> None:
        try:
            import gpiod
        except ModuleNotFoundError:
            raise MissingExtraError("gpiod", "gpio") from None
        self._values = gpiod.line.Value
        first = self._values.ACTIVE if options.initial else self._values.INACTIVE
        settings = gpiod.LineSettings(
            direction=gpiod.line.Direction.OUTPUT,
            active_low=options.active_low,
            output_value=first,
        )
        try:
            self._request = gpiod.request_lines(
                str(options.chip),
                consumer=f"edgeflow-{name}",
                config={tuple(options.pins.values()): settings},
            )
        except (OSError, ValueError) as error:
            raise ConfigError(f"action {name!r}: {options.chip}: {error}") from None

    def set(self, line: int, on: bool) -> None:
        self._request.set_value(line, self._values.ACTIVE if on else self._values.INACTIVE)

    def close(self) -> None:
        self._request.release()
