"""One run of esptool as a program of its own: bounded in time and output, ended with us.

esptool is under the GPL: it is never imported.
"""

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec

from edgeflow.errors import CancelledError, DeadlineError, MissingExtraError

__all__ = ["run_esptool"]

_POLL = 0.1
_TAIL_LINES = 80
_LINE_BYTES = 4096


def run_esptool(
    arguments: Sequence[str],
    *,
    folder: str,
    timeout: float,
    cancel: threading.Event | None = None,
    is_lost: Callable[[], bool] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> tuple[int, list[str]]:
    """Run esptool and return its exit status and its last lines.

    Args:
        arguments: what follows ``esptool`` on the command line.
        folder: where it runs, empty of settings for it.
        timeout: seconds until it is killed.
        cancel: kills it when set.
        is_lost: true once there is nobody behind its port; it is killed, and fails, then.
        on_line: told every line, in the calling thread.

    Raises:
        MissingExtraError: it is not installed.
        DeadlineError: it took longer than ``timeout``.
        CancelledError: ``cancel`` was set.
    """
    if find_spec("esptool") is None:
        raise MissingExtraError("esptool", "mcu")
    deadline = time.monotonic() + timeout
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "esptool", *arguments],
        cwd=folder,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    try:
        for line in _lines(process, deadline, cancel, is_lost):
            tail.append(line)
            if on_line is not None:
                on_line(line)
        return process.wait(max(1.0, deadline - time.monotonic())), list(tail)
    except subprocess.TimeoutExpired:
        raise _too_late(timeout, tail) from None
    except TimeoutError:
        raise _too_late(timeout, tail) from None
    finally:
        _end(process)


def _too_late(timeout: float, tail: Sequence[str]) -> DeadlineError:
    last = tail[-1] if tail else "nothing"
    return DeadlineError(
        f"esptool was not done after {timeout:.0f} seconds; it said last: {last[:200]}",
        hint="flash again, at another --baud",
    )


def _lines(
    process: "subprocess.Popen[bytes]",
    deadline: float,
    cancel: threading.Event | None,
    is_lost: Callable[[], bool] | None,
) -> Iterator[str]:
    """Yield lines as they come; a carriage return ends one as well."""
    assert process.stdout is not None  # noqa: S101 - opened as a pipe
    descriptor = process.stdout.fileno()
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if cancel is not None and cancel.is_set():
                raise CancelledError("flashing was cancelled")
            if time.monotonic() > deadline:
                raise TimeoutError
            if is_lost is not None and is_lost():
                _kill(process)
            if not selector.select(_POLL):
                continue
            data = os.read(descriptor, 65536)
            *complete, pending = (pending + data).replace(b"\r", b"\n").split(b"\n")
            pending = pending[-_LINE_BYTES:]
            for line in [*complete, pending] if not data else complete:
                if line.strip():
                    yield line[:_LINE_BYTES].decode("utf-8", "replace").rstrip()
            if not data:
                return


def _environment() -> dict[str, str]:
    """Our own, without what changes the form of esptool's output."""
    plain = {"NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb", "PYTHONUNBUFFERED": "1"}
    dropped = {"ESPRESSIF_IDE_WS", "FORCE_COLOR", "PYTHONSTARTUP", "PYTHONINSPECT"}
    return {name: value for name, value in os.environ.items() if name not in dropped} | plain


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        _kill(process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(3.0)
    if process.stdout is not None:
        process.stdout.close()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
