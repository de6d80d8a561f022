"""What devices answer to configurations, whatever they send."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.devices.configuration import (
    MAX_CONFIGURATION,
    Answer,
    Configuration,
    check_settings,
    decode_answer,
    encode_push,
    judge,
)
from edgeflow.errors import ConfigError, ProtocolError

ASKED = Configuration(device_id="a", version=3, state="pending", desired={"x": 0.1, "on": True})
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.dictionaries(
            st.sampled_from(["version", "refused", "reason", "x", "on", "other"]), JSON
        ).map(lambda said: json.dumps(said).encode()),
    )
)
def test_no_answer_breaks_anything(payload: bytes) -> None:
    try:
        answer = decode_answer(payload)
    except ProtocolError:
        return
    assert len(answer.refused) <= 256
    after = judge(ASKED, answer, 5.0)
    assert after.state in ("pending", "applied", "refused")
    assert bool(after.reason) == (after.state == "refused")
    assert after.version == 3


@pytest.mark.parametrize(
    ("said", "state", "reason"),
    [
        ({"version": 3, "x": 0.1, "on": True}, "applied", ""),
        ({"version": 3, "x": 0.10000001, "on": 1, "more": 5}, "applied", ""),
        ({"version": 2, "x": 0.1, "on": True}, "pending", ""),
        ({"version": 4, "x": 0.1, "on": True}, "pending", ""),
        ({"x": 0.1, "on": True}, "applied", ""),
        ({"x": 0.2, "on": True}, "pending", ""),
        ({"refused": "x"}, "refused", "the device refused x"),
        ({"version": 3, "refused": "x"}, "refused", "the device refused x"),
        ({"version": 3, "refused": "", "x": 0.1}, "refused", "the device knows no on"),
        ({"version": 3, "x": 0.2, "on": True}, "refused", "the device has another x"),
        ({"version": 3, "x": "0.1", "on": True}, "refused", "the device has another x"),
    ],
)
def test_an_answer_decides_what_became_of_it(
    said: dict[str, object], state: str, reason: str
) -> None:
    after = judge(ASKED, decode_answer(json.dumps(said).encode()), 5.0)
    assert (after.state, after.reason) == (state, reason)


def test_an_answer_that_nobody_asked_for_is_only_noted() -> None:
    after = judge(Configuration(device_id="a"), Answer(refused="x", reported={"x": 1}), 5.0)
    assert (after.state, after.reported) == ("none", {"x": 1})


@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 400, "1e308"])
def test_numbers_that_no_device_has_are_another_value(number: str) -> None:
    answer = decode_answer(b'{"version": 3, "on": true, "x": %s}' % number.encode())
    assert judge(ASKED, answer, 5.0).reason == "the device has another x"
    with pytest.raises(ConfigError, match="a: x is"):
        check_settings("a", {"x": float("inf") if "e" in number else int(number)})


def test_answers_that_are_too_long_or_too_deep_are_refused() -> None:
    for payload in (b"[" * 4000, b'{"a":' * 800, b" " * (MAX_CONFIGURATION + 1), b"[]", b""):
        with pytest.raises(ProtocolError, match="acknowledged configuration"):
            decode_answer(payload)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=70), JSON, max_size=70))
def test_what_passes_the_check_can_be_sent(wanted: dict[str, object]) -> None:
    try:
        found = check_settings("a", wanted)
    except ConfigError:
        return
    sent = json.loads(encode_push(7, found))
    assert sent.pop("version") == 7
    assert len(sent) == len(wanted)
