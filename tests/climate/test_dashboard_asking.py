"""Answers that viewers share: kept for a moment, made once, bounded."""

import threading
from itertools import count

import pytest

from edgeflow.climate.dashboard.asking import Pages


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_kept_for_its_seconds() -> None:
    clock, numbers = Clock(), count()
    pages = Pages(2.0, now=clock)
    assert [pages.get("a", lambda: next(numbers)) for _ in range(3)] == [0, 0, 0]
    assert pages.get("b", lambda: next(numbers)) == 1
    clock.now += 2.0
    assert pages.get("a", lambda: next(numbers)) == 2


def test_a_slow_answer_is_kept_for_longer() -> None:
    clock, numbers = Clock(), count()
    pages = Pages(2.0, now=clock)

    def slow() -> int:
        clock.now += 5.0
        return next(numbers)

    assert pages.get("a", slow) == 0
    clock.now += 19.0
    assert pages.get("a", slow) == 0
    clock.now += 1.0
    assert pages.get("a", slow) == 1


def test_only_so_many_are_kept_and_all_can_be_forgotten() -> None:
    clock, numbers = Clock(), count()
    pages = Pages(1000.0, capacity=2, now=clock)
    for key in "abc":
        pages.get(key, lambda: next(numbers))
    assert pages.get("b", lambda: next(numbers)) == 1
    assert pages.get("a", lambda: next(numbers)) == 3
    pages.forget()
    assert pages.get("b", lambda: next(numbers)) == 4


def test_an_answer_that_fails_is_not_kept() -> None:
    pages = Pages(1000.0)
    with pytest.raises(ZeroDivisionError):
        pages.get("a", lambda: 1 // 0)
    assert pages.get("a", lambda: 7) == 7


def test_many_who_ask_at_once_are_answered_once() -> None:
    pages, made = Pages(1000.0), []
    begun, go_on = threading.Event(), threading.Event()

    def make() -> str:
        made.append(threading.get_ident())
        begun.set()
        go_on.wait(20.0)
        return "answer"

    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(pages.get("a", make))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert begun.wait(20.0)
    go_on.set()
    for thread in threads:
        thread.join(20.0)
    assert found == ["answer"] * 8
    assert len(made) == 1
