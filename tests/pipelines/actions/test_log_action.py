import pytest
import structlog
from pydantic import ValidationError

from acting import act, action
from edgeflow.pipelines.actions.log import LogDispatcher


def test_an_action_is_one_line() -> None:
    with structlog.testing.capture_logs() as lines:
        (result,) = act(LogDispatcher, action({"co2_ppm": 900}, text="air is bad"), level="warning")
    assert result.ok
    (line,) = [line for line in lines if line["event"] == "action_logged"]
    assert line["payload"] == {"co2_ppm": 900}
    assert (line["agent"], line["pipeline"]) == ("guard", "vision")
    assert (line["text"], line["log_level"]) == ("air is bad", "warning")


def test_bytes_do_not_break_the_line() -> None:
    with structlog.testing.capture_logs() as lines:
        (result,) = act(LogDispatcher, action(b"\xff\xd8" * 1000))
    assert result.ok
    assert lines[-1]["payload"] == "<2000 bytes>"


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError):
        LogDispatcher.Options(levle="info")
