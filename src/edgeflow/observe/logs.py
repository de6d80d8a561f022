"""Structured logs: to stderr for people, and kept per process for the dashboard."""

import itertools
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

import msgspec
import structlog

from edgeflow.core.status import LogLine

__all__ = ["LogBook", "book", "configure_logging", "current_node"]

MAX_FIELD_CHARACTERS = 2000
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class LogBook:
    """The last lines of this process, numbered from 1."""

    def __init__(self, capacity: int = 1000) -> None:
        self._lines: deque[LogLine] = deque(maxlen=capacity)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def add(self, level: str, node: str, event: str, fields: dict[str, Any]) -> None:
        """Keep a line."""
        with self._lock:
            self._lines.append(
                LogLine(
                    time=time.time(),
                    level=level,
                    node=node,
                    event=event,
                    fields=fields,
                    number=next(self._numbers),
                )
            )

    def tail(self, count: int, node: str | None = None) -> list[LogLine]:
        """Return the last ``count`` lines (of one node), oldest first."""
        with self._lock:
            lines = [line for line in self._lines if node is None or line.node == node]
        return lines[-count:]


book = LogBook()
"""The log book of this process."""

current_node: ContextVar[str] = ContextVar("edgeflow_node", default="")
"""The node whose code runs, so that lines which do not name one are told apart."""


def configure_logging(level: str | None = None) -> None:
    """Send structured logs to stderr: for people on a terminal, else JSON (``EDGEFLOW_LOG=json``).

    Args:
        level: lowest level shown; default ``EDGEFLOW_LOG_LEVEL`` or ``info``. The log book keeps
            ``info`` and above in any case.
    """
    shown = _LEVELS.get((level or os.environ.get("EDGEFLOW_LOG_LEVEL") or "info").lower(), 20)
    colours = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    renderer: Any
    for_programs = os.environ.get("EDGEFLOW_LOG") == "json"
    if for_programs:
        renderer = structlog.processors.JSONRenderer(
            serializer=lambda event, **_: msgspec.json.encode(event, enc_hook=repr).decode()
        )
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=24)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(
                fmt="iso" if for_programs else "%H:%M:%S", utc=for_programs
            ),
            _keep,
            _Threshold(shown),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min(shown, 20)),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(True)
    if not any(isinstance(handler, _Standard) for handler in logging.root.handlers):
        logging.root.addHandler(_Standard())


class _Standard(logging.Handler):
    """Takes over records of the standard ``logging`` module.

    They are shown here unless the program shows them itself, and kept in any case.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Show and keep ``record``."""
        level = max((each for each in _LEVELS.values() if each <= record.levelno), default=10)
        try:
            message = record.getMessage()
            if len(logging.root.handlers) > 1:
                name = logging.getLevelName(level).lower()
                book.add(name, current_node.get(), message, {"logger": record.name})
            else:
                log = structlog.get_logger(record.name)
                log.log(level, message, logger=record.name, exc_info=record.exc_info or None)
        except Exception:  # noqa: BLE001 - a record that cannot be formatted must not stop a node
            self.handleError(record)


class _Threshold:
    """Drops what is below the level shown, after the log book has seen it."""

    def __init__(self, level: int) -> None:
        self._level = level

    def __call__(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if _LEVELS.get(str(event.get("level")), 20) < self._level:
            raise structlog.DropEvent
        return event


def _keep(_logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if not event.get("node") and (node := current_node.get()):
        event["node"] = node
    for key, value in event.items():
        if isinstance(value, str):  # file names may hold bytes that no encoding takes
            event[key] = value.encode(errors="backslashreplace").decode()
    fields = {
        key: _plain(value)
        for key, value in event.items()
        if key not in ("event", "level", "timestamp", "node", "exc_info")
    }
    book.add(method, str(event.get("node", "")), str(event.get("event", "")), fields)
    return event


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    return text[:MAX_FIELD_CHARACTERS]
