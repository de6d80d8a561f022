"""The vectors on the page of the tensor protocol are what the codec reads and writes."""

import re
from pathlib import Path

from edgeflow.protocols.tensor import v1, v2
from edgeflow.protocols.tensor.wire import LENGTH, Limits, Status

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tensor-protocol.md"
LIMITS = Limits()


def vectors() -> list[bytes]:
    """Return the messages: lines of hexadecimal digits, continued where indented."""
    found: list[str] = []
    for block in re.findall(r"```\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for line in block.splitlines():
            digits = line.replace(" ", "")
            if not re.fullmatch(r"[0-9a-f]+", digits):
                continue
            if line.startswith(" "):
                found[-1] += digits
            else:
                found.append(digits)
    return [bytes.fromhex(digits) for digits in found]


def test_every_vector_is_a_whole_message_and_means_what_the_page_says():
    messages = vectors()
    assert len(messages) == 7
    for message in messages:
        assert LENGTH.unpack_from(message)[0] == len(message) - 4
    one, two, first, answer, asked, given, refused = (message[4:] for message in messages)
    for frame, count in ((one, 1), (two, 2), (first, 2)):
        request = v1.decode_request(frame, LIMITS)
        assert request.model == "m"
        assert [array.tolist() for array in request.inputs] == [[1.0], [7]][:count]
    assert bytes(v1.decode_response(answer, LIMITS).outputs[0]) == b"\x00\x00\x80\x3f"
    request = v2.decode_request(asked, LIMITS)
    assert (request.request_id, request.model, request.client) == (7, "m", "c")
    assert (request.priority, request.deadline_ms) == (1, 250)
    assert dict(request.inputs)["x"].tolist() == [[1, 2]]
    response = v2.decode_response(given, LIMITS)
    assert (response.queue_us, response.compute_us, response.version) == (12, 340, "1")
    assert response.outputs["y"].tolist() == [[1, 2]]
    refusal = v2.decode_response(refused, LIMITS)
    assert (refusal.status, refusal.text) == (Status.UNKNOWN_MODEL, "no model 'm'")


def test_the_page_lists_every_status_and_kind():
    text = PAGE.read_text()
    for status in Status:
        assert f"| {status.value} |" in text
    assert v2.Kind.CANCEL == 6
    assert "4, 5 | load, unload" in text
