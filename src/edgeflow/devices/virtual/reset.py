"""The two transistors between a serial port's DTR and RTS and a board's EN and IO0."""

from enum import StrEnum

__all__ = ["Boot", "ResetCircuit"]

HOLD_SECONDS = 1.0
"""How long EN stays low when DTR follows RTS; a host that steps through both lines is quicker."""


class Boot(StrEnum):
    """What a chip does when EN rises, by the level of IO0."""

    APPLICATION = "application"
    LOADER = "loader"


class ResetCircuit:
    """RTS alone pulls EN low, DTR alone pulls IO0 low, both together pull nothing.

    EN rises slowly: while RTS stays on, a DTR that comes after it does not end the reset. That is
    how hosts that change one line after the other get from reset into the loader.
    """

    def __init__(self) -> None:
        self._dtr = self._rts = False
        self._held_until: float | None = None

    @property
    def held(self) -> bool:
        """Whether EN is low."""
        return self._held_until is not None

    @property
    def due(self) -> float | None:
        """When EN rises by itself; None if it does not."""
        return self._held_until if self._dtr else None

    def change(self, dtr: bool, rts: bool, now: float) -> Boot | None:
        """Take new levels (True is asserted); return what boots now, or None."""
        alone = rts and not dtr
        self._dtr, self._rts = dtr, rts
        if alone or (rts and self.held):
            if alone or self._held_until is None:
                self._held_until = now + HOLD_SECONDS
            return None
        if not self.held:
            return None
        self._held_until = None
        return Boot.LOADER if dtr else Boot.APPLICATION

    def expire(self) -> Boot:
        """EN has risen by itself: both lines are on, so IO0 is high."""
        self._held_until = None
        return Boot.APPLICATION
