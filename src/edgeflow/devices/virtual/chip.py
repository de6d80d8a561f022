"""The chip: reset, loader, start and application, between two wires. Without I/O or clock.

Everything happens at the times of the schedule, not when the caller comes round to it: a request is
worked on when its last byte has arrived, and its answer goes on the line when the work is done.
Waking up late delays what the host sees once, and is not added up.
"""

from collections.abc import Callable
from enum import StrEnum

from edgeflow.devices.virtual.application import Application, Work
from edgeflow.devices.virtual.boot import (
    POWER,
    SOFTWARE,
    WATCHDOG,
    Cause,
    inspect,
    loader_log,
    start_log,
)
from edgeflow.devices.virtual.flash import NorFlash
from edgeflow.devices.virtual.line import Line
from edgeflow.devices.virtual.reset import Boot, ResetCircuit
from edgeflow.devices.virtual.settings import ROM_BAUD, START_SECONDS, BoardStats, Settings
from edgeflow.protocols.partitions import Partition
from edgeflow.protocols.rom_loader import RomLoader

__all__ = ["Chip", "MakeApplication", "State"]

TICK_SECONDS = 0.05
"""How often an idle application looks at its time limits."""
RETRY_SECONDS = 1.0
WATCHDOG_SECONDS = 0.3
LOADER_BYTES = 1 << 17
MOST_STEPS = 64
"""Events of one visit, so that one board cannot hold the others up."""

MakeApplication = Callable[[NorFlash, dict[str, Partition], Settings], Application]


class State(StrEnum):
    """Where the chip stands."""

    RESET = "reset"
    LOADER = "loader"
    STARTING = "starting"
    RUNNING = "running"


class Chip:
    """One ESP32-S3 with its flash and its UART.

    Args:
        make: builds the application from flash and partitions at every start.
    """

    def __init__(self, flash: NorFlash, settings: Settings, make: MakeApplication) -> None:
        self.state = State.RESET
        self.stats = BoardStats()
        self.line = Line(settings, self.stats)
        self._flash = flash
        self._settings = settings
        self._make = make
        self._circuit = ResetCircuit()
        self._application: Application | None = None
        self._loader: RomLoader | None = None
        self._timer: tuple[float, Callable[[float], None]] | None = None
        self._busy_until = 0.0
        self._again = False
        self._measures_rate = False
        self._tick = 0.0
        self._started = 0.0
        self._flash_us = flash.busy_us

    def power_on(self, now: float, boot: Boot = Boot.APPLICATION) -> None:
        """Supply power, with IO0 as ``boot`` says."""
        self._restart(now, POWER, boot)

    def power_off(self, now: float) -> None:
        """Take the power away."""
        self._stop(now)
        self._circuit = ResetCircuit()

    def set_lines(self, dtr: bool, rts: bool, now: float) -> None:
        """Take the levels of the port's lines; True is asserted."""
        boot = self._circuit.change(dtr, rts, now)
        if boot is not None:
            self._restart(now, POWER, boot)
        elif self._circuit.held and self.state is not State.RESET:
            self._stop(now)

    def receive(self, data: bytes, now: float) -> None:
        """The host sends. The loader measures the rate until the host sets one."""
        if self._measures_rate:
            self.line.follow_host()
        if self.state is not State.RESET:
            self.line.receive(data, now)

    def next_due(self, now: float) -> float | None:
        """Return when there is something to do or to hand to the host; None for never."""
        times = [self._circuit.due, self.line.next_output(now), self._next_work()]
        if self._timer is not None:
            times.append(self._timer[0])
        return min((time for time in times if time is not None), default=None)

    def advance(self, now: float) -> None:
        """Do what is due by ``now``, in the order of its times."""
        for _ in range(MOST_STEPS):
            timer, work = self._timer, self._next_work()
            if (due := self._circuit.due) is not None and due <= now:
                self._restart(due, POWER, self._circuit.expire())
            elif timer is not None and timer[0] <= min(now, work if work is not None else now):
                self._timer = None
                timer[1](timer[0])
            elif work is not None and work <= now:
                self._work(work)
            else:
                return

    def _next_work(self) -> float | None:
        if self.state is State.LOADER:
            arrival = self.line.next_input()
            return None if arrival is None else max(arrival, self._busy_until)
        if self.state is not State.RUNNING:
            return None
        if self._again:
            return self._busy_until
        arrival = self.line.next_input()
        due = self._tick if arrival is None else min(arrival, self._tick)
        return max(due, self._busy_until)

    def _work(self, now: float) -> None:
        if self.state is State.LOADER and self._loader is not None:
            self._load(self._loader, now)
        elif self._application is not None:
            self._run(self._application, now)

    def _run(self, application: Application, now: float) -> None:
        if now >= self._tick:
            self._tick = now + TICK_SECONDS
            self.line.log(TICK_SECONDS, now, int((now - self._started) * 1000))
        data = self.line.take(now, self._busy_until, application.receive_bytes)
        if data:
            application.receive(data, now)
        self._apply(application.step(now), now)

    def _apply(self, work: Work | None, now: float) -> None:
        self._again = work is not None
        if work is None:
            return
        seconds = work.seconds + self._flash_seconds()
        self.stats.compute_seconds += seconds
        done = now + seconds
        left = self.line.send(work.output, done)
        self._busy_until = left if work.blocking else done
        if work.baud:
            self._busy_until = left
            self.line.set_baud(work.baud)
        if work.restart:
            self._stop_application()
            self._timer = (left, lambda time: self._restart(time, SOFTWARE, Boot.APPLICATION))

    def _load(self, loader: RomLoader, now: float) -> None:
        data = self.line.take(now, self._busy_until, LOADER_BYTES)
        answer = loader.receive(data)
        busy = now + self._flash_seconds()
        left = self.line.send(answer, now if loader.early else busy)
        self._busy_until = busy
        if loader.baud is not None:
            self.line.set_baud(loader.baud)
            self._measures_rate = False
            loader.baud = None
        if loader.left and self._timer is None:
            self._leave(loader.left, max(left, busy))

    def _leave(self, how: str, now: float) -> None:
        again = how == "restart"
        self._settings.narrate("the host restarts the loader" if again else "the host starts it")
        cause, boot = (SOFTWARE, Boot.LOADER) if again else (WATCHDOG, Boot.APPLICATION)
        # Hosts lock the watchdog's registers once they have armed it, and want an answer.
        delay = WATCHDOG_SECONDS if how == "reset" else 0.0
        self._timer = (now + delay, lambda time: self._restart(time, cause, boot))

    def _restart(self, now: float, cause: Cause, boot: Boot) -> None:
        self._stop(now)
        self.stats.resets += 1
        self.line.set_baud(ROM_BAUD)
        self._busy_until = now
        if boot is Boot.LOADER:
            self._settings.narrate("reset into the loader")
            self.state = State.LOADER
            self._loader = RomLoader(self._flash, self._settings.mac)
            self.line.send(loader_log(cause), now)
            self._measures_rate = True
            return
        found = inspect(self._flash)
        self.state = State.STARTING
        left = self.line.send(start_log(cause, found, self._firmware()), now)
        if found.problem:
            self._settings.narrate(f"does not start: {found.problem}")
            self._timer = (
                max(left, now + RETRY_SECONDS),
                lambda time: self._restart(time, WATCHDOG, Boot.APPLICATION),
            )
            return
        ready = now if self._settings.instant else max(left, now + START_SECONDS)
        self._timer = (ready, lambda time: self._start(found.partitions, time))

    def _start(self, partitions: dict[str, Partition], now: float) -> None:
        self.line.forget_input(now)
        self.line.set_baud(self._settings.baud)
        self._application = self._make(self._flash, partitions, self._settings)
        self.state = State.RUNNING
        self.stats.starts += 1
        self._started = self._busy_until = now
        self._tick = now + TICK_SECONDS
        self._settings.narrate("the application runs")
        self._apply(self._application.start(now), now)

    def _firmware(self) -> str:
        return "reference" if self._settings.reference else "edgeflow"

    def _flash_seconds(self) -> float:
        """Return for how long the flash was busy since the last call."""
        before, self._flash_us = self._flash_us, self._flash.busy_us
        return 0.0 if self._settings.instant else (self._flash_us - before) / 1e6

    def _stop(self, now: float) -> None:
        self._stop_application()
        self._measures_rate = False
        self._loader = None
        self._timer = None
        self.state = State.RESET
        self.line.clear(now)

    def _stop_application(self) -> None:
        self._again = False
        if self._application is not None:
            self._application.close()
            self._application = None
            self.state = State.RESET
