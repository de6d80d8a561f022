"""A message is acknowledged once, when everything that follows from it is done."""

import gc
import threading

from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.receipts import Receipts


def message(number=1):
    return EdgeMessage(sensor_id="s", payload=b"", receipt=number)


class Book:
    def __init__(self):
        self.told = []
        self.live = True
        self.receipts = Receipts(lambda m: self.told.append(m.receipt), lambda: self.live)


def test_it_is_told_once_when_all_parts_are_done():
    book = Book()
    receipt = book.receipts.issue(message(), 2)
    receipt.add(2)
    for _ in range(3):
        receipt.done()
        assert book.told == []
    receipt.done()
    receipt.done()
    assert book.told == [1]
    assert book.receipts.wait(0.0)


def test_what_is_thrown_away_counts_as_given_up():
    book = Book()
    receipt = book.receipts.issue(message(), 3)
    receipt.done()
    del receipt
    gc.collect()
    assert book.told == [1] and book.receipts.open == 0


def test_what_is_thrown_away_at_the_end_stays_unacknowledged():
    book = Book()
    receipt = book.receipts.issue(message(), 1)
    book.live = False
    del receipt
    gc.collect()
    assert book.told == []
    receipt = book.receipts.issue(message(2), 1)
    receipt.done()
    assert book.told == [2]


def test_many_threads_count_one_receipt():
    book = Book()
    for number in range(50):
        receipt = book.receipts.issue(message(number), 64)
        threads = [
            threading.Thread(target=lambda r=receipt: [r.done() for _ in range(8)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert book.told == list(range(number + 1))
