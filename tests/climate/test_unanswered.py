"""Requests that are made again while nobody answers."""

from edgeflow.climate.unanswered import AT_ONCE, Unanswered
from edgeflow.protocols.climate import InferenceRequest


def request(device: str, correlation: str) -> InferenceRequest:
    return InferenceRequest(
        device_id=device,
        timestamp="2026-01-01T00:00:00Z",
        temperature=20.0,
        humidity=50.0,
        sound_volume=-50.0,
        correlation_id=correlation,
    )


def test_pauses_double_and_it_ends_after_an_hour() -> None:
    waiting = Unanswered()
    waiting.asked(request("attic", "a"), 0.0)
    made = [second for second in range(7200) if waiting.due(float(second))]
    assert made[:6] == [10, 30, 70, 150, 310, 610]
    assert max(made) <= 3600
    assert len(waiting) == 0


def test_an_answer_ends_it_and_tells_how_long_it_took() -> None:
    waiting = Unanswered()
    waiting.asked(request("attic", "a"), 5.0)
    assert waiting.answered("attic", "b", 6.0) is None
    assert waiting.answered("attic", "a", 6.5) == 1.5
    assert waiting.answered("attic", "a", 7.0) is None
    assert waiting.due(1000.0) == []


def test_only_the_last_request_of_a_device_is_made_again() -> None:
    waiting = Unanswered()
    waiting.asked(request("attic", "a"), 0.0)
    waiting.asked(request("attic", "b"), 6.0)
    assert waiting.due(12.0) == []
    assert [each.correlation_id for each in waiting.due(16.0)] == ["b"]


def test_a_long_queue_is_worked_off_in_turns() -> None:
    waiting = Unanswered()
    for number in range(3 * AT_ONCE):
        waiting.asked(request(f"room-{number}", "a"), 0.0)
    again = [each.device_id for _ in range(3) for each in waiting.due(20.0)]
    assert again == [f"room-{number}" for number in range(3 * AT_ONCE)]
