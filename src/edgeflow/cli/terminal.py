"""Where text goes: results to stdout, narration to stderr, pictures only on a terminal."""

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = [
    "AppOption",
    "JsonOption",
    "ReaderGoneError",
    "narrate",
    "new_group",
    "progress",
    "read_keys",
    "show",
    "stdout",
    "write",
    "write_json",
    "write_json_line",
]

PIPED_WIDTH = 160
"""Columns of tables that are not shown on a terminal (``COLUMNS`` says otherwise)."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AppOption = Annotated[
    str | None,
    typer.Option("--app", metavar="NAME", help="Which running app; not needed when one runs."),
]


class ReaderGoneError(Exception):
    """The reader of our output, such as ``head``, has seen enough."""


def new_group() -> typer.Typer:
    """Return an empty verb group with the manners that all of them share."""
    group = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )

    @group.callback()
    def edgeflow() -> None:
        """Make even a single command a member of its group, so that usage lines name it."""

    return group


def stdout() -> "Console":
    """Return the console of results; it obeys ``NO_COLOR`` and pipes."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    width = None if terminal or os.environ.get("COLUMNS") else PIPED_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False)


def show(thing: "RenderableType") -> None:
    """Print a table or another picture made of text; without padding when it is piped."""
    console = stdout()
    if console.is_terminal:
        console.print(thing)
        return
    with console.capture() as printed:
        console.print(thing)
    write("\n".join(line.rstrip() for line in printed.get().splitlines()))


def write(text: str, *, flush: bool = False) -> None:
    """Print a line of result, at once if asked.

    Raises:
        ReaderGoneError: nobody reads our output any more.
    """
    try:
        sys.stdout.write(text + "\n")
        if flush:
            sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderGoneError from None


def write_json(value: Any) -> None:
    """Print a value as indented JSON."""
    import msgspec

    encoded = msgspec.json.encode(value, enc_hook=str)
    write(msgspec.json.format(encoded, indent=2).decode())


def write_json_line(value: Any) -> None:
    """Print a value as one line of JSON, at once."""
    import msgspec

    write(msgspec.json.encode(value, enc_hook=str).decode(), flush=True)


def narrate(text: str) -> None:
    """Tell the user what is going on."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """Give a function that says what is being done: a spinner on a terminal, else lines."""
    if not sys.stderr.isatty():
        yield narrate
        return
    from rich.console import Console

    console = Console(file=sys.stderr, highlight=False)
    with console.status(what) as status:
        yield status.update


@contextmanager
def read_keys() -> Iterator[Callable[[float], str]]:
    """Give a function that waits some seconds for a key and returns it, or an empty text.

    Without a terminal to read from it only waits. The terminal is given back as it was, on
    SIGTERM too: the wait for a key then exits.
    """
    if not sys.stdin.isatty():
        yield _wait
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    with _termination() as (woken, asked):
        try:
            tty.setcbreak(descriptor)
            yield lambda seconds: _key(descriptor, woken, asked, seconds)
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _termination() -> Iterator[tuple[int, list[int]]]:
    """Give a descriptor that every signal makes readable, and a list that fills on SIGTERM.

    An exception out of a handler is lost where Python ignores exceptions, and a signal just
    before a wait does not end it; neither happens to these two.
    """
    asked: list[int] = []
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    on_wake = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    on_term = signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    try:
        yield woken, asked
    finally:
        signal.signal(signal.SIGTERM, on_term)
        signal.set_wakeup_fd(on_wake)
        os.close(woken)
        os.close(wake)


def _wait(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def _key(descriptor: int, woken: int, asked: list[int], seconds: float) -> str:
    ready, _, _ = select.select([descriptor, woken], [], [], seconds)
    if asked:
        sys.exit(128 + asked[0])
    if woken in ready:
        os.read(woken, 4096)
    return os.read(descriptor, 1).decode(errors="replace") if descriptor in ready else ""
