"""Zero-copy receive and send: who may look at a slot, and for how long."""

import gc

import numpy as np
import pytest
from shm_kit import descriptors, shared_bytes

from edgeflow.comms.brokers import ShmBroker, Subscription
from edgeflow.comms.shm.segments import SlotPool, slot_class
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS

LATEST = Subscription("cam", "g", QoS.REALTIME)
ALL = Subscription("cam", "g", QoS.DURABLE, 64)


def image(value: int, shape: tuple[int, ...] = (120, 160, 3)) -> np.ndarray:
    return np.full(shape, value, np.uint8)


@pytest.fixture
def link(shm: ShmBroker):
    publisher = shm.publisher("cam", [LATEST])
    subscriber = shm.subscriber([LATEST])
    yield publisher, subscriber
    subscriber.close()
    publisher.close()


def send_and_take(publisher, subscriber, value: int) -> np.ndarray:
    assert publisher.publish(Frame(data=image(value)))
    delivery = subscriber.receive(2)
    assert delivery is not None
    return delivery.frame.data


def test_an_array_arrives_as_a_read_only_view_of_the_shared_memory(link):
    data = send_and_take(*link, 7)
    assert np.array_equal(data, image(7))
    assert not data.flags.writeable and not data.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        data[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        data.flags.writeable = True


@pytest.mark.parametrize("keep", [lambda a: a, lambda a: a[1:3, ::2], memoryview])
def test_what_the_user_keeps_never_changes(link, keep):
    kept = [keep(send_and_take(*link, value)) for value in range(3)]
    for value in range(100, 200):
        send_and_take(*link, value)
    for value, view in enumerate(kept):
        assert (np.asarray(view) == value).all()


def test_a_slot_is_used_again_once_its_views_are_gone(link):
    addresses = set()
    for value in range(50):
        data = send_and_take(*link, value)
        addresses.add(data.__array_interface__["data"][0])
        del data
    assert len(addresses) <= 4


def test_a_view_outlives_subscriber_publisher_and_socket(shm: ShmBroker):
    publisher, subscriber = shm.publisher("cam", [LATEST]), shm.subscriber([LATEST])
    data = send_and_take(publisher, subscriber, 5)
    subscriber.close()
    for value in range(20):
        publisher.publish(Frame(data=image(value)))
    assert (data == 5).all()
    publisher.close()
    assert (data == 5).all()


def test_one_who_hoards_gets_copies_and_the_producer_goes_on(link):
    hoard = [send_and_take(*link, value) for value in range(40)]
    assert sum(array.base is None for array in hoard) >= 30
    assert all((array == value).all() for value, array in enumerate(hoard))
    assert not hoard[-1].flags.writeable


def test_an_array_written_in_place_is_published_without_a_copy(link):
    publisher, subscriber = link
    array = publisher.allocate((120, 160, 3), np.dtype(np.uint8))
    array[:] = 3
    assert publisher.publish(Frame(data=array))
    assert not array.flags.writeable
    received = subscriber.receive(2).frame.data
    assert (received == 3).all()
    pool_memory = array.base.slot.memory
    pool_memory[4096] = 77  # the reader looks at the very same page
    assert received.flat[0] == 77


def test_a_view_of_the_whole_in_place_array_counts_as_the_array(link):
    publisher, subscriber = link
    array = publisher.allocate((120, 480), np.dtype(np.uint8))
    array[:] = 9
    publisher.publish(Frame(data=array.reshape(120, 160, 3)))
    assert array.base.published
    assert subscriber.receive(2).frame.data.shape == (120, 160, 3)


def test_a_part_of_an_in_place_array_is_copied(link):
    publisher, subscriber = link
    array = publisher.allocate((240, 160, 3), np.dtype(np.uint8))
    array[:] = 9
    publisher.publish(Frame(data=array[:120]))
    assert not array.base.published and array.flags.writeable
    assert (subscriber.receive(2).frame.data == 9).all()


def test_publishing_an_in_place_array_twice_sends_it_twice(link):
    publisher, subscriber = link
    array = publisher.allocate((120, 160, 3), np.dtype(np.uint8))
    array[:] = 4
    for number in range(2):
        publisher.publish(Frame(data=array, id=number))
        delivery = subscriber.receive(2)
        assert (delivery.frame.id, int(delivery.frame.data[0, 0, 0])) == (number, 4)


def test_an_in_place_array_of_another_publisher_is_copied(shm: ShmBroker, link):
    publisher, subscriber = link
    other = shm.publisher("other")
    array = other.allocate((120, 160, 3), np.dtype(np.uint8))
    array[:] = 6
    publisher.publish(Frame(data=array))
    assert not array.base.published
    assert (subscriber.receive(2).frame.data == 6).all()
    other.close()


def test_arrays_that_were_never_published_give_their_slot_back(link):
    publisher, _ = link
    for _ in range(200):
        publisher.allocate((1080, 1920, 3), np.dtype(np.uint8))
    assert shared_bytes() < 2 * 5 * slot_class(1080 * 1920 * 3 + 4096)


def test_what_cannot_be_shared_is_allocated_in_ordinary_memory(link):
    publisher, _ = link
    assert publisher.allocate((0, 3), np.dtype(np.uint8)).shape == (0, 3)
    assert publisher.allocate((3,), np.dtype(object)).base is None


def test_without_free_slots_allocation_falls_back_and_realtime_counts_a_drop(run_dir):
    shm = ShmBroker(run_dir, budget=1)
    publisher = shm.publisher("cam", [LATEST])
    held = [publisher.allocate((200, 200, 3), np.dtype(np.uint8)) for _ in range(5)]
    assert [array.base is None for array in held] == [False] * 4 + [True]
    assert publisher.publish(Frame(data=image(1, (200, 200, 3))))
    assert publisher.links["g"].dropped == 1
    publisher.close()


def test_without_free_slots_durable_waits(run_dir):
    shm = ShmBroker(run_dir, budget=1)
    publisher = shm.publisher("cam", [ALL])
    accepted = [publisher.publish(Frame(data=image(i, (200, 200, 3)))) for i in range(6)]
    assert accepted == [True] * 4 + [False] * 2
    subscriber = shm.subscriber([ALL])
    for value in range(4):
        delivery = subscriber.receive(2)
        assert (delivery.frame.data == value).all()
        subscriber.ack(delivery)
    del delivery
    assert subscriber.receive(0.05) is None
    assert publisher.publish(Frame(data=image(9, (200, 200, 3))), 2)
    subscriber.close()
    publisher.close()


def test_payloads_of_all_sizes_around_the_inline_limit(shm: ShmBroker):
    publisher, subscriber = shm.publisher("cam", [ALL]), shm.subscriber([ALL])
    for size in (0, 1, 7900, 8000, 8192, 9000, 65536, 1 << 20):
        for meta in ({}, {"note": "x" * 6000}):
            payload = bytes(range(256)) * (size // 256) + b"y" * (size % 256)
            assert publisher.publish(Frame(data=payload, meta=dict(meta)))
            delivery = subscriber.receive(2)
            assert (delivery.frame.data, delivery.frame.meta) == (payload, meta)
            subscriber.ack(delivery)
    subscriber.close()
    publisher.close()


def test_segments_of_an_old_resolution_are_given_back_when_memory_is_short(run_dir):
    shm = ShmBroker(run_dir, budget=8 << 20)
    publisher, subscriber = shm.publisher("cam", [ALL]), shm.subscriber([ALL])
    for size in (1 << 20, 3 << 19, 1 << 19, 1 << 20):
        for value in range(12):
            assert publisher.publish(Frame(data=image(value, (size,))), 2)
            delivery = subscriber.receive(2)
            assert (delivery.frame.data == value).all()
            subscriber.ack(delivery)
    del delivery
    publisher.publish(Frame(data=b""))
    subscriber.receive(1)
    assert shared_bytes() <= 2 * ((8 << 20) + 4 * slot_class((3 << 19) + 4096))
    subscriber.close()
    publisher.close()


def test_nothing_is_left_open_or_mapped(shm: ShmBroker, run_dir):
    before, mapped = descriptors(), shared_bytes()
    for _ in range(3):
        publisher, subscriber = shm.publisher("cam", [LATEST]), shm.subscriber([LATEST])
        data = send_and_take(publisher, subscriber, 1)
        subscriber.close()
        publisher.close()
        del data
    del publisher, subscriber
    gc.collect()
    assert (descriptors(), shared_bytes()) == (before, mapped)
    assert not [path for path in run_dir.rglob("*") if not path.is_dir()]


@pytest.mark.parametrize("size", [1, 65536, 65537, 925696, 6224896, 1 << 20, (1 << 20) + 1])
def test_a_slot_class_wastes_at_most_a_quarter(size: int):
    chosen = slot_class(size)
    assert size <= chosen <= max(65536, size * 1.25 + 4096)
    assert chosen % 4096 == 0
    assert slot_class(chosen) == chosen


def test_the_pool_hands_out_each_slot_once():
    pool = SlotPool(budget=1 << 20)
    slots = [pool.take(60000) for _ in range(20)]
    taken = [slot for slot in slots if slot is not None]
    assert len(taken) == len({slot.address for slot in taken}) == 16
    pool.drop(taken[0])
    assert pool.take(60000) is taken[0]
    pool.close()
