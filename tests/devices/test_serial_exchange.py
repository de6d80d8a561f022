"""Windows, losses and time limits, with a clock that moves only when told."""

import gc
import struct
import weakref

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.devices.serial.exchange import ExtendedExchange
from edgeflow.devices.serial.reference import ReferenceExchange
from edgeflow.devices.serial.requests import Request
from edgeflow.errors import DeadlineError, UnreachableError
from edgeflow.protocols.uart import Info, Message, Prediction, Receiver, Type, encode

INFO = Info(4, 2, 1, 8)


def request(kind=Type.INFER, payload=b"\0\0\0\0" + bytes(32), **options):
    return Request(kind, payload, lambda reply, _: reply, submitted=0.0, deadline=1e9, **options)


def extended(window=4, window_bytes=4096):
    return ExtendedExchange(Receiver(), 115200, window, window_bytes)


def sent(exchange, now=0.0):
    """Take what is to be sent; return it as messages."""
    return [each for each in Receiver().feed(exchange.take(now)) if isinstance(each, Message)]


def reply(message, status=0, kind=None):
    kind = message.type | 0x80 if kind is None else kind
    return Message(kind, status, message.id, message.model, b"")


def filled(exchange, count, **options):
    requests = [request(**options) for _ in range(count)]
    for each in requests:
        exchange.add(each)
    return requests


def test_no_more_requests_than_the_window():
    exchange = extended(window=3)
    requests = filled(exchange, 5)
    first = sent(exchange)
    assert len(first) == 3 and sent(exchange) == []
    exchange.event(reply(first[0]), 0.1)
    assert requests[0].done
    assert len(sent(exchange)) == 1


def test_requests_that_were_given_up_do_not_pile_up_behind_one_that_takes_long():
    exchange = extended(window=1)
    (first,) = filled(exchange, 1)
    assert len(sent(exchange)) == 1
    (second,) = filled(exchange, 1)
    others = []
    for _ in range(3000):
        future = filled(exchange, 1)[0].future
        future.cancel()
        others.append(weakref.ref(future))
    del future
    gc.collect()
    assert sum(each() is not None for each in others) < 1000
    exchange.fail(UnreachableError("gone"))
    assert first.done and second.done


def test_no_more_bytes_than_the_window():
    exchange = extended(window=10, window_bytes=200)
    filled(exchange, 10, payload=bytes(80))
    assert len(sent(exchange)) == 2
    exchange = extended(window=10, window_bytes=64)
    filled(exchange, 2, payload=bytes(500))
    assert len(sent(exchange)) == 1, "one that is larger than the window goes alone"


def test_a_reply_that_is_passed_over_is_lost_at_once():
    exchange = extended()
    requests = filled(exchange, 4)
    messages = sent(exchange)
    exchange.event(reply(messages[2]), 0.1)
    assert [each.done for each in requests] == [False, False, True, False]
    again = sent(exchange, 0.1)
    assert len(again) == 2 and {each.id for each in again}.isdisjoint(m.id for m in messages)
    exchange.event(reply(messages[0]), 0.2)
    assert not requests[0].done, "an answer to an id that was given up is none"


def test_what_may_not_be_repeated_fails_when_it_is_lost():
    exchange = extended()
    once, other = request(repeat=False), request()
    exchange.add(once)
    exchange.add(other)
    messages = sent(exchange)
    exchange.event(reply(messages[1]), 0.1)
    assert isinstance(once.future.exception(), DeadlineError)
    assert other.done


def test_damaged_requests_are_sent_again_but_not_for_ever():
    exchange = extended()
    (only,) = filled(exchange, 1)
    tries = 0
    while not only.done:
        (message,) = sent(exchange)
        exchange.event(reply(message, status=1, kind=0xFF), 0.0)
        tries += 1
    assert tries == 12
    assert "damages" in str(only.future.exception())


def test_time_limits_grow_and_end_in_silence():
    exchange = extended()
    filled(exchange, 2)
    now, limits = 0.0, []
    while not exchange.silent:
        started = now
        while not sent(exchange, now):
            now = exchange.due()
            exchange.expire(now)
            if exchange.silent:
                break
        limits.append(now - started)
    assert len(limits) == 4
    assert limits[3] > limits[2] > limits[1] > 0
    assert now < 20


def test_an_echo_behind_a_lone_request_shows_that_it_was_lost():
    exchange = extended()
    (lone,) = filled(exchange, 1, kind=Type.UPLOAD_END, payload=b"", repeat=False)
    sent(exchange)
    now = exchange.due()
    exchange.expire(now)
    (echo,) = sent(exchange, now)
    assert echo.type == Type.ECHO and now < 1.0
    exchange.event(reply(echo), now + 0.01)
    assert isinstance(lone.future.exception(), DeadlineError)


def test_a_boot_hands_everything_over_that_may_be_repeated():
    exchange = extended()
    requests = filled(exchange, 3) + filled(exchange, 1, repeat=False)
    sent(exchange)
    waiting = filled(exchange, 2)
    exchange.event(Message(Type.BOOTED, 0, 0, 0, bytes(28)), 1.0)
    assert exchange.rebooted
    assert exchange.hand_over() == requests[:3] + waiting
    assert isinstance(requests[3].future.exception(), DeadlineError)


def test_failing_tells_everybody():
    exchange = extended()
    requests = filled(exchange, 6)
    sent(exchange)
    exchange.fail(UnreachableError("gone"))
    assert all(isinstance(each.future.exception(), UnreachableError) for each in requests)


@settings(max_examples=60)
@given(st.data())
def test_whatever_a_board_does_every_request_is_answered_rightly_or_fails(data):
    exchange = extended(window=3)
    requests = [request(payload=struct.pack("<I", number)) for number in range(12)]
    for each in requests:
        exchange.add(each)
    now, line = 0.0, []
    for _ in range(600):
        line += sent(exchange, now)
        if all(each.done for each in requests) or exchange.silent:
            break
        act = data.draw(st.sampled_from(["answer", "answer", "lose", "damage", "wait", "noise"]))
        if act == "wait" or not line:
            due = exchange.due()
            now = now + 0.01 if due is None else max(now, due)
            exchange.expire(now)
        elif act == "answer":
            message = line.pop(0)
            answer = Message(message.type | 0x80, 0, message.id, 0, message.payload)
            exchange.event(answer, now)
        elif act == "damage":
            exchange.event(reply(line.pop(0), status=1, kind=0xFF), now)
        elif act == "lose":
            line.pop(0)
        else:
            number = data.draw(st.integers(0, 65535))
            exchange.event(Message(data.draw(st.integers(0, 255)), 7, number, 0, b""), now)
            if exchange.rebooted:
                exchange.rebooted = False
    exchange.fail(UnreachableError("over"))
    for number, each in enumerate(requests):
        assert each.done
        if each.future.exception() is None and each.future.result().status == 0:
            assert each.future.result().payload == struct.pack("<I", number)


def prediction(*values):
    return Prediction(np.array(values, np.float32))


def test_the_reference_protocol_is_spoken_byte_for_byte_and_one_at_a_time():
    exchange = ReferenceExchange(Receiver(), 115200, INFO)
    first, second = filled(exchange, 2)
    assert exchange.take(0.0) == b"INFR\x08\0\0\0" + bytes(32)
    assert exchange.take(0.0) == b""
    exchange.event(prediction(1.5), 0.1)
    assert first.future.result().payload == bytes(8) + np.float32(1.5).tobytes()
    assert exchange.take(0.2).startswith(b"INFR") and not second.done


def test_a_missing_answer_is_waited_out_with_meta():
    exchange = ReferenceExchange(Receiver(), 115200, INFO)
    (only,) = filled(exchange, 1)
    exchange.take(0.0)
    now = exchange.due()
    exchange.expire(now)
    assert exchange.take(now) == b"META"
    exchange.event(prediction(9.9), now)
    assert not only.done, "an answer that comes while out of step may be of the request before"
    now = exchange.due()
    assert exchange.take(now) == b"META" * 2
    exchange.event(INFO, now)
    assert exchange.take(now).startswith(b"INFR")
    exchange.event(prediction(1.0), now)
    assert only.done


def test_other_dimensions_count_when_they_were_told_twice():
    exchange = ReferenceExchange(Receiver(), 115200, INFO)
    (only,) = filled(exchange, 1)
    exchange.take(0.0)
    exchange.expire(exchange.due())
    now = exchange.due()
    exchange.take(now)
    wrong = Info(4, 2, 1, 9)
    exchange.event(wrong, now)
    assert exchange.info == INFO
    exchange.event(wrong, now)
    assert exchange.info == wrong
    assert not only.done


def test_refusals_and_answers_that_are_not_finite_end_as_an_error():
    exchange = ReferenceExchange(Receiver(), 115200, INFO)
    (only,) = filled(exchange, 1)
    now = 0.0
    for answer in (prediction(), prediction(np.nan), prediction()):
        assert exchange.take(now).startswith(b"INFR")
        exchange.event(answer, now)
        if not only.done:
            assert exchange.take(now) == b"META"
            exchange.event(INFO, now)
    assert only.future.result().status == 4


def test_a_reference_board_that_answers_nothing_is_silent():
    exchange = ReferenceExchange(Receiver(), 115200, INFO)
    filled(exchange, 1)
    now, metas = 0.0, 0
    for _ in range(200):
        metas += exchange.take(now).count(b"META")
        if exchange.silent:
            break
        now = exchange.due()
        exchange.expire(now)
    assert exchange.silent and 10 < metas < 3000 and now < 15


@given(st.lists(st.binary(max_size=80), max_size=20), st.booleans())
def test_arbitrary_bytes_never_break_an_exchange(chunks, reference):
    receiver = Receiver()
    if reference:
        exchange = ReferenceExchange(receiver, 115200, INFO)
    else:
        exchange = ExtendedExchange(receiver, 115200, 4, 4096)
    filled(exchange, 8)
    now = 0.0
    for chunk in chunks:
        exchange.take(now)
        for event in receiver.feed(chunk + encode(0x83, 1)[: len(chunk) % 21]):
            exchange.event(event, now)
        now += 0.2
        exchange.expire(now)
    exchange.fail(UnreachableError("over"))
