"""What people see when something goes wrong: one error, its place, what to do. No traceback."""

import linecache
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from edgeflow.cli.display.figures import relative
from edgeflow.cli.terminal import ReaderGoneError
from edgeflow.errors import ConfigError, EdgeFlowError, GraphError

__all__ = ["UserCodeError", "files_by_name", "render", "report", "user_code"]

_PLACE = re.compile(r"(?P<place>[^\s:'\"]+:\d+(?::\d+)?): (?P<rest>.+)", re.DOTALL)
_PACKAGE = str(Path(__file__).resolve().parent.parent)
_MORE = "edgeflow --debug ... shows the traceback"


class UserCodeError(EdgeFlowError):
    """The user's own file raised something."""

    code = "EF-CODE-001"


@contextmanager
def user_code() -> Iterator[None]:
    """Turn what a user's file raises into a ``UserCodeError`` that names the line."""
    try:
        yield
    except EdgeFlowError:
        raise
    except SyntaxError as error:
        place = f"{error.filename}:{error.lineno}"
        raise UserCodeError(f"{place}: {type(error).__name__}: {error.msg}") from error
    except Exception as error:
        place = place_of(error.__traceback__)
        said = str(error) or "no message"
        what = f"{type(error).__name__}: {said}"
        raise UserCodeError(f"{place}: {what}" if place else what, hint=_MORE) from error


@contextmanager
def files_by_name(model: Path | None, meta: Path | None) -> Iterator[None]:
    """Let errors about a board's model file, or its meta, name the files that were given."""
    try:
        yield
    except ConfigError as error:
        for said, file in (("model file: ", model), ("model_meta.json: ", meta)):
            if file is not None and error.message.startswith(said):
                what = f"{file}: {error.message.removeprefix(said)}"
                raise ConfigError(what, hint=error.hint, code=error.code) from None
        raise


def report(error: BaseException, *, verb: str, debug: bool) -> int:
    """Show an error on stderr and return the exit code it stands for."""
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return 130  # whoever pressed Ctrl+C knows
    if isinstance(error, BrokenPipeError | ReaderGoneError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, EdgeFlowError):
        sys.stderr.write(render(error, colour=_coloured()) + "\n")
        return error.exit_code
    usage = _usage(error, verb)
    if usage is not None:
        sys.stderr.write(render(usage, colour=_coloured()) + "\n")
        return 2
    internal = EdgeFlowError(f"{type(error).__name__}: {error}", hint=_MORE, code="EF-BUG-001")
    sys.stderr.write(render(internal, colour=_coloured()) + "\n")
    return 1


def _usage(error: BaseException, verb: str) -> EdgeFlowError | None:
    """Return a usage error of the option parser in our own form, or None if it is not one.

    Recognised by its methods, because the classes' home differs between versions of typer.
    """
    said = getattr(error, "format_message", None)
    if not callable(said):
        return None
    command = getattr(getattr(error, "ctx", None), "command_path", f"edgeflow {verb}")
    return EdgeFlowError(str(said()), hint=f"{command} --help", code="EF-USAGE-001")


def render(error: EdgeFlowError, *, colour: bool = False, kind: str = "error") -> str:
    """Return ``error[CODE]: message``, the place, and ``help: ...``, for each problem."""
    problems = error.problems if isinstance(error, GraphError) else (error,)
    lines = (line for problem in problems for line in _lines(problem, error, kind, colour=colour))
    return "\n".join(lines)


def _lines(
    problem: EdgeFlowError, raised: EdgeFlowError, kind: str, *, colour: bool
) -> Iterator[str]:
    match = _PLACE.match(problem.message)
    place = match["place"] if match else _place_outside(raised)
    message = match["rest"] if match else problem.message
    red, cyan, dim, end = ("\x1b[1;31m", "\x1b[36m", "\x1b[2m", "\x1b[0m") if colour else [""] * 4
    yield f"{red}{kind}[{problem.code}]{end}: {message}"
    if place:
        yield f"  {dim}at {relative(place)}{end}"
        if source := _source_line(place):
            yield f"  {dim}|{end}  {source}"
    if problem.hint:
        yield f"  {cyan}help:{end} {problem.hint}"


def _place_outside(error: EdgeFlowError) -> str:
    """Return where a user's file provoked the error, or an empty text."""
    return place_of(error.__traceback__)


def place_of(trace: TracebackType | None) -> str:
    """Return ``file:line`` of the innermost call in code that is neither ours nor installed."""
    place = ""
    for frame in traceback.extract_tb(trace):
        if not _is_ours(frame.filename):
            place = f"{frame.filename}:{frame.lineno}"
    return place


def _is_ours(file: str) -> bool:
    known = ("<", _PACKAGE, sys.base_prefix, sys.prefix)
    return file.startswith(known) or "site-packages" in file or Path(file).name == "edgeflow"


def _source_line(place: str) -> str:
    file, line = place.split(":")[:2]
    return linecache.getline(file, int(line)).strip()


def _coloured() -> bool:
    return (
        sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
