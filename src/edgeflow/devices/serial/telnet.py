"""The client's side of RFC 2217 (a serial port behind Telnet), sans I/O."""

from edgeflow.errors import ProtocolError

__all__ = ["RELEASE_LINES", "TelnetReader", "escape", "greeting", "set_baud", "set_lines"]

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
_BINARY, _GO_AHEAD, _COM_PORT = 0, 3, 44
_OURS = (_BINARY, _GO_AHEAD, _COM_PORT)
_SET_BAUD, _SET_SIZE, _SET_PARITY, _SET_STOP, _SET_CONTROL = 1, 2, 3, 4, 5
_MAX_COMMAND = 256


def escape(data: bytes | bytearray) -> bytes:
    """Return data as it travels."""
    return bytes(data).replace(b"\xff", b"\xff\xff")


def _ask(command: int, value: bytes) -> bytes:
    return bytes((IAC, SB, _COM_PORT, command)) + escape(value) + bytes((IAC, SE))


def set_baud(baud: int) -> bytes:
    """Return the request for another rate."""
    return _ask(_SET_BAUD, baud.to_bytes(4, "big"))


def set_lines(*, dtr: bool, rts: bool) -> bytes:
    """Return the request for levels of the modem lines, DTR first; True is asserted."""
    levels = (b"\x08" if dtr else b"\x09", b"\x0b" if rts else b"\x0c")
    return b"".join(_ask(_SET_CONTROL, level) for level in levels)


RELEASE_LINES = _ask(_SET_CONTROL, b"\x0c") + _ask(_SET_CONTROL, b"\x09")
"""RTS off, then DTR off: the order that resets no board."""


def greeting(baud: int) -> bytes:
    """Return what a client sends first: 8N1 without flow control, lines released."""
    options = b"".join(bytes((IAC, verb, each)) for each in _OURS for verb in (WILL, DO))
    line = _ask(_SET_SIZE, b"\x08") + _ask(_SET_PARITY, b"\x01") + _ask(_SET_STOP, b"\x01")
    return options + set_baud(baud) + line + _ask(_SET_CONTROL, b"\x01") + RELEASE_LINES


class TelnetReader:
    """Takes the commands out of what a server sends.

    Attributes:
        answers: bytes that the server must get.
    """

    def __init__(self) -> None:
        self.answers = bytearray()
        self._command = bytearray()
        self._refused: set[tuple[int, int]] = set()

    def feed(self, data: bytes) -> bytes:
        """Return the data among ``data``.

        Raises:
            ProtocolError: a command has no end.
        """
        if not self._command and IAC not in data:
            return data
        found = bytearray()
        at = 0
        while at < len(data):
            if not self._command:
                end = data.find(IAC, at)
                end = len(data) if end < 0 else end
                found += data[at:end]
                at = end
            if at < len(data):
                self._byte(data[at], found)
                at += 1
        return bytes(found)

    def _byte(self, byte: int, found: bytearray) -> None:
        command = self._command
        command.append(byte)
        if len(command) == 1:
            return
        kind = command[1]
        if kind == IAC:
            found.append(IAC)
        elif kind in (WILL, WONT, DO, DONT):
            if len(command) < 3:
                return
            self._option(kind, command[2])
        elif kind == SB and command[-2:] != bytes((IAC, SE)):
            if len(command) > _MAX_COMMAND:
                raise ProtocolError("RFC 2217: a command has no end")
            return
        command.clear()

    def _option(self, verb: int, option: int) -> None:
        """Refuse what we do not know, once; what we know was said in the greeting."""
        if option in _OURS or verb in (WONT, DONT) or (verb, option) in self._refused:
            return
        self._refused.add((verb, option))
        self.answers += bytes((IAC, WONT if verb == DO else DONT, option))
