"""The server's side of RFC 2217: a serial port, its rate and its lines over TCP. Without I/O."""

import struct
from dataclasses import dataclass

__all__ = ["Baud", "Data", "Event", "Lines", "Purge", "Rfc2217Server", "escape"]

_IAC, _DONT, _DO, _WONT, _WILL, _SB, _SE = 255, 254, 253, 252, 251, 250, 240
_BINARY, _SUPPRESS_GO_AHEAD, _COM_PORT = 0, 3, 44
_SUPPORTED = {_BINARY, _SUPPRESS_GO_AHEAD, _COM_PORT}
_ANSWER = 100
_SET_BAUD, _SET_CONTROL, _PURGE = 1, 5, 12
_NOTIFY_LINE, _NOTIFY_MODEM = 6, 7
_FIXED = {2: b"\x08", 3: b"\x01", 4: b"\x01"}
"""Data bits, parity and stop bits, which are what they are: 8N1."""
_CONTROL_QUERIES = {0: 1, 4: 6}
_DTR = {8: True, 9: False}
_RTS = {11: True, 12: False}
_ALL_MODEM_LINES = b"\xb0"
_MAX_OPTION = 64


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes for the serial line."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Lines:
    """The levels of DTR and RTS; True is asserted."""

    dtr: bool
    rts: bool


@dataclass(frozen=True, slots=True)
class Baud:
    """The client's rate."""

    baud: int


@dataclass(frozen=True, slots=True)
class Purge:
    """The client wants to forget what the line has sent so far."""


Event = Data | Lines | Baud | Purge


def escape(data: bytes) -> bytes:
    """Return bytes of the line as they go over TCP."""
    return data.replace(b"\xff", b"\xff\xff")


class Rfc2217Server:
    """One connection. ``feed`` takes what the client sends, ``answers`` are to be sent back."""

    def __init__(self, baud: int = 115200) -> None:
        self._baud = baud
        self._dtr = self._rts = False
        self._agreed: set[tuple[int, int]] = set()
        self._buffer = bytearray()
        self._answers = bytearray()

    def answers(self) -> bytes:
        """Return what has to go to the client, and forget it."""
        out = bytes(self._answers)
        self._answers.clear()
        return out

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes as they come; return what they mean, in order."""
        self._buffer += data
        events: list[Event] = []
        while self._buffer:
            at = self._buffer.find(_IAC)
            if at:
                plain = bytes(self._buffer if at < 0 else self._buffer[:at])
                del self._buffer[: len(plain)]
                events.append(Data(plain))
                continue
            size = self._command_size()
            if size == 0:
                break
            command = bytes(self._buffer[:size])
            del self._buffer[:size]
            events += self._command(command)
        return events

    def _command_size(self) -> int:
        """Return the bytes of the command at the start of the buffer; 0 while it is not whole."""
        if len(self._buffer) < 2:
            return 0
        kind = self._buffer[1]
        if kind in (_DO, _DONT, _WILL, _WONT):
            return 3 if len(self._buffer) >= 3 else 0
        if kind != _SB:
            return 2
        end = self._end_of_option()
        if end:
            return end
        return len(self._buffer) if len(self._buffer) > 2 * _MAX_OPTION else 0

    def _end_of_option(self) -> int:
        at = 2
        while (at := self._buffer.find(_IAC, at)) >= 0 and at + 1 < len(self._buffer):
            if self._buffer[at + 1] == _SE:
                return at + 2
            at += 2
        return 0

    def _command(self, command: bytes) -> list[Event]:
        kind = command[1]
        if kind == _IAC:
            return [Data(b"\xff")]
        if kind in (_DO, _DONT, _WILL, _WONT):
            self._negotiate(kind, command[2])
            return []
        if kind == _SB and command[2] == _COM_PORT and command.endswith(bytes([_IAC, _SE])):
            option = command[3:-2].replace(b"\xff\xff", b"\xff")
            return self._option(option[0], option[1:]) if option else []
        return []

    def _negotiate(self, kind: int, option: int) -> None:
        """Agree to what is supported, refuse the rest, and say each thing once."""
        yes, no = (_WILL, _WONT) if kind in (_DO, _DONT) else (_DO, _DONT)
        wanted = kind in (_DO, _WILL)
        if wanted and option in _SUPPORTED:
            if (yes, option) not in self._agreed:
                self._agreed.add((yes, option))
                self._answers += bytes([_IAC, yes, option])
        elif wanted or (yes, option) in self._agreed:
            self._agreed.discard((yes, option))
            self._answers += bytes([_IAC, no, option])

    def _option(self, kind: int, value: bytes) -> list[Event]:
        if kind == _SET_BAUD and len(value) == 4:
            return self._set_baud(int.from_bytes(value, "big"))
        if kind == _SET_CONTROL and value:
            return self._control(value[0])
        if kind in _FIXED:
            self._say(kind, _FIXED[kind])
        elif kind == _PURGE and value:
            self._say(kind, value[:1])
            return [Purge()] if value[0] in (1, 3) else []
        elif kind == _NOTIFY_MODEM:
            self._say(kind, _ALL_MODEM_LINES)
        elif kind == _NOTIFY_LINE:
            self._say(kind, b"\0")
        return []

    def _set_baud(self, baud: int) -> list[Event]:
        if baud:
            self._baud = baud
        self._say(_SET_BAUD, struct.pack("!I", self._baud))
        return [Baud(baud)] if baud else []

    def _control(self, value: int) -> list[Event]:
        self._say(_SET_CONTROL, bytes([self._control_answer(value)]))
        if value not in _DTR and value not in _RTS:
            return []
        self._dtr = _DTR.get(value, self._dtr)
        self._rts = _RTS.get(value, self._rts)
        return [Lines(self._dtr, self._rts)]

    def _control_answer(self, value: int) -> int:
        if value == 7:
            return 8 if self._dtr else 9
        if value == 10:
            return 11 if self._rts else 12
        return _CONTROL_QUERIES.get(value, value)

    def _say(self, kind: int, value: bytes) -> None:
        self._answers += bytes([_IAC, _SB, _COM_PORT, kind + _ANSWER])
        self._answers += escape(value) + bytes([_IAC, _SE])
