from hypothesis import given
from hypothesis import strategies as st

from edgeflow.nodes.align import TimeAligner


def aligner(inputs: int = 2, slop: float = 0.05, **options) -> TimeAligner[float]:
    return TimeAligner(inputs, slop, timestamp=lambda item: item, **options)


def test_pairs_within_slop():
    a = aligner()
    assert a.push(0, 1.00, 0) == []
    assert a.push(1, 1.04, 0) == [[1.00, 1.04]]
    assert (a.late, a.unmatched) == (0, 0)


def test_the_nearest_partner_is_taken():
    a = aligner(slop=0.1)
    a.push(0, 1.00, 0)
    a.push(0, 1.05, 0)
    assert a.push(1, 1.06, 0) == [[1.05, 1.06]]
    assert a.unmatched == 1


def test_too_far_apart_is_unmatched():
    dropped = []
    a = aligner(on_drop=dropped.append)
    a.push(0, 1.0, 0)
    assert a.push(1, 2.0, 0) == []
    assert dropped == [1.0]
    assert a.push(0, 2.0, 0) == [[2.0, 2.0]]


def test_late_items_are_counted_and_dropped():
    a = aligner()
    a.push(0, 2.0, 0)
    a.push(1, 2.0, 0)
    assert a.push(0, 1.0, 0) == []
    assert a.late == 1


def test_patience_frees_what_waits_for_a_dead_input():
    a = aligner(patience=1.0)
    for i in range(10):
        a.push(0, float(i), now=i * 0.1)
    a.poll(now=5.0)
    assert a.unmatched == 10


def test_depth_bounds_each_input():
    a = aligner(depth=5, patience=1e9)
    for i in range(100):
        a.push(0, float(i), 0)
    assert a.unmatched == 95


def test_a_silent_input_is_left_out_when_asked_and_taken_back():
    a = aligner(inputs=3, partial_after=3.0, patience=10)
    sets = []
    for second in range(4):
        sets += a.push(0, float(second), second)
        sets += a.push(1, float(second), second)
    assert sets == [[float(second), float(second), None] for second in range(4)]
    assert a.push(2, 4.0, 4) == []
    assert a.push(0, 4.0, 4) == []
    assert a.push(1, 4.0, 4) == [[4.0, 4.0, 4.0]]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(0, 10, allow_nan=False)), max_size=200),
    st.floats(0, 0.5),
)
def test_every_set_is_within_slop_and_every_item_is_accounted_for(items, slop):
    dropped: list[float] = []
    a = aligner(3, slop, patience=1e9, depth=20, on_drop=dropped.append)
    sets = [found for index, captured in items for found in a.push(index, captured, 0)]
    a.flush()
    for found in sets:
        assert max(found) - min(found) <= slop
    assert 3 * len(sets) + len(dropped) == len(items)
    assert a.late + a.unmatched == len(dropped)
    for index in range(3):
        stream = [found[index] for found in sets]
        assert stream == sorted(stream)
