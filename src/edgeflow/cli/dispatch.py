"""From ``sys.argv`` to a command and an exit code; imports no more than the command needs."""

import atexit
import gc
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from edgeflow.cli.table import find, help_text, names

__all__ = ["main"]

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_PASS_ON = frozenset({"run"})
"""Commands whose words after the first plain one belong to somebody else."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        argv: the words after ``edgeflow``; ``sys.argv[1:]`` if not given.

    Returns:
        0 ok, 1 failed, 2 usage, 3 configuration, 4 unreachable, 130 interrupted.
    """
    _tolerate_narrow_encodings()
    atexit.register(gc.freeze)  # the last collection is a second's work for what ends anyway
    words = list(sys.argv[1:] if argv is None else argv)
    words, debug = _take_debug(words)
    if words and words[0] == "help":
        words = [*words[1:2], "--help"]
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(help_text(bold=_styled()))
        return OK
    if words[0] == "--version":
        words[0] = "version"
    verb = find(words[0])
    if verb is None:
        return _unknown(words[0])
    try:
        return _run(verb.module, words)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence
        from edgeflow.cli.failures import report

        return report(error, verb=verb.name, debug=debug)


def _tolerate_narrow_encodings() -> None:
    """Let a stream that cannot show a character show its escape instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and (stream.encoding or "").lower() != "utf-8":
            stream.reconfigure(errors="backslashreplace")


def _take_debug(words: list[str]) -> tuple[list[str], bool]:
    """Return the words without ``--debug``, and whether it was there."""
    end = next((i for i, word in enumerate(words) if word == "--"), len(words))
    plain = [i for i, word in enumerate(words[:end]) if not word.startswith("-")]
    if plain and words[plain[0]] in _PASS_ON:
        end = plain[1] if len(plain) > 1 else end
    kept = [word for word in words[:end] if word != "--debug"]
    return [*kept, *words[end:]], len(kept) < end


def _styled() -> bool:
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def _unknown(word: str) -> int:
    from edgeflow.errors import did_you_mean

    kind = "option" if word.startswith("-") else "command"
    hint = did_you_mean(word, names()) if kind == "command" else "edgeflow --help lists them"
    sys.stderr.write(f"error[EF-USAGE-001]: there is no {kind} {word!r}\n  help: {hint}\n")
    return USAGE


def _run(module: str, words: list[str]) -> int:
    from importlib import import_module

    import typer

    _send_logs_to_stderr()
    group: typer.Typer = import_module(f"edgeflow.cli.verbs.{module}").group
    command: Any = typer.main.get_command(group)
    result = command(words, prog_name="edgeflow", standalone_mode=False)
    sys.stdout.flush()
    return result if isinstance(result, int) else OK


def _send_logs_to_stderr() -> None:
    """Keep stdout for results; commands that run a flow set the level themselves."""
    from edgeflow.observe.logs import configure_logging

    configure_logging(os.environ.get("EDGEFLOW_LOG_LEVEL") or "warning")
