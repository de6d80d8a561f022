"""Lending a bounded number of things to calls."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from edgeflow.errors import EngineError
from edgeflow.inference.engines.places import Places


def test_things_are_made_when_they_are_needed_and_never_shared() -> None:
    numbers, freed = itertools.count(1), []
    places = Places("mine", 0, lambda: next(numbers), 3, freed.append)
    with places.borrow() as one:
        assert one == 0
    with places.borrow() as one, places.borrow() as two, places.borrow() as three:
        assert {one, two, three} == {0, 1, 2}
    taken: set[int] = set()
    lock = threading.Lock()

    def work(_: int) -> None:
        with places.borrow() as thing:
            with lock:
                assert thing not in taken
                taken.add(thing)
            with lock:
                taken.discard(thing)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(300)))
    assert next(numbers) == 3
    places.close()
    assert sorted(freed) == [0, 1, 2]


def test_what_is_lent_while_it_closes_is_freed_when_it_comes_back() -> None:
    freed: list[int] = []
    places = Places("mine", 0, lambda: 1, 2, freed.append)
    with places.borrow() as thing:
        places.close()
        places.close()
        assert freed == []
    assert freed == [thing]
    with pytest.raises(EngineError, match="mine: the engine is closed"), places.borrow():
        pass


def test_a_place_survives_that_nothing_could_be_made_for_it() -> None:
    attempts = iter([RuntimeError("no memory"), None])

    def make() -> int:
        error = next(attempts)
        if error:
            raise error
        return 1

    places = Places("mine", 0, make, 2)
    with places.borrow():
        with pytest.raises(RuntimeError, match="no memory"), places.borrow():
            pass
        with places.borrow() as other:
            assert other == 1
