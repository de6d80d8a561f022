"""Lines of a node reach its log book, whichever way they were written."""

import contextlib
import contextvars
import logging

import pytest
import structlog

from edgeflow.observe.logs import book, configure_logging, current_node


def is_ours(handler):
    return type(handler).__module__.startswith("edgeflow")


@pytest.fixture(autouse=True)
def _settings_as_before():
    settings, had = structlog.get_config(), any(map(is_ours, logging.root.handlers))
    configure_logging()
    yield
    structlog.configure(**settings)
    if not had:
        logging.captureWarnings(False)
        for handler in filter(is_ours, list(logging.root.handlers)):
            logging.root.removeHandler(handler)


@contextlib.contextmanager
def no_other_handler():
    """As in a program that does not configure logging itself."""
    before = logging.root.handlers
    logging.root.handlers = list(filter(is_ours, before))
    try:
        yield
    finally:
        logging.root.handlers = before


def lines_of(node, write):
    def run():
        current_node.set(node)
        write()

    contextvars.copy_context().run(run)
    return book.tail(1000, node)


def test_a_line_without_a_node_belongs_to_the_one_that_runs():
    log = structlog.get_logger("anything")
    (line,) = lines_of("detector-1", lambda: log.info("model_loaded", threads=2))
    assert (line.level, line.event, line.fields) == ("info", "model_loaded", {"threads": 2})


def test_a_line_that_names_its_node_keeps_it():
    log = structlog.get_logger().bind(node="detector-2")
    assert lines_of("other", lambda: log.warning("odd")) == []
    assert [line.event for line in book.tail(1000, "detector-2")] == ["odd"]


def test_records_of_the_standard_module_are_kept():
    log = logging.getLogger("a.library")
    (line,) = lines_of("detector-3", lambda: log.warning("%d pictures are odd", 3))
    assert (line.level, line.event) == ("warning", "3 pictures are odd")
    assert line.fields["logger"] == "a.library"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_file_name_that_is_no_text_is_written_with_escapes(form, monkeypatch, capsys):
    monkeypatch.setenv("EDGEFLOW_LOG", form)
    configure_logging()
    log = structlog.get_logger("anything")
    (line,) = lines_of(f"reader-{form}", lambda: log.info("caf\udce9", path="caf\udce9.png"))
    assert (line.event, line.fields) == (r"caf\udce9", {"path": r"caf\udce9.png"})
    written = capsys.readouterr()
    assert written.out + written.err


def test_records_are_shown_once(capsys):
    with no_other_handler():
        (line,) = lines_of("detector-4", lambda: logging.getLogger("lib").error("lost %s", "it"))
    assert capsys.readouterr().err.count("lost it") == 1
    assert line.event == "lost it"


def test_configuring_twice_keeps_one_handler():
    before = len(logging.root.handlers)
    configure_logging()
    assert len(logging.root.handlers) == before


def test_a_record_that_cannot_be_formatted_stops_nothing(capsys):
    with no_other_handler():
        lines = lines_of("detector-5", lambda: logging.getLogger("lib").error("%d", "text"))
    assert lines == []
    assert "Logging error" in capsys.readouterr().err
