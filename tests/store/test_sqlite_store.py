import sqlite3
import threading
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import StoreError
from edgeflow.store import Event, open_store

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.one_of(JSON, st.binary(), st.floats(allow_nan=False, allow_infinity=False)))
def test_values_come_back_as_they_were(value):
    store = open_store("sqlite://:memory:")
    store.append([Event(time=1.0, topic="t", value=value, meta={"k": [1, "ä"]})])
    (event,) = store.query("t")
    store.close()
    assert event.value == value
    assert type(event.value) is type(value)
    assert event.meta == {"k": [1, "ä"]}


@pytest.fixture
def store(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/flow.db")
    yield store
    store.close()


def test_queries_by_topic_source_and_time(store):
    store.append([Event(time=t, topic=f"t{t % 2}", source="s", id=t, value=t) for t in range(10)])
    assert [e.value for e in store.query("t1")] == [1, 3, 5, 7, 9]
    assert [e.value for e in store.query("t1", since=3, until=9)] == [3, 5, 7]
    assert [e.value for e in store.query(limit=2)] == [8, 9]
    assert store.query(source="other") == []
    assert store.query("t0' OR 1=1 --") == []


def test_a_file_is_found_again_and_can_be_read_by_others(tmp_path):
    url = f"sqlite:///{tmp_path}/flow.db"
    first = open_store(url)
    first.append([Event(time=1.0, topic="t", value="kept")])
    with closing(sqlite3.connect(tmp_path / "flow.db")) as other:
        assert other.execute("SELECT value FROM events").fetchall() == [("kept",)]
    other.close()
    first.close()
    first.close()
    second = open_store(url)
    assert second.query()[0].value == "kept"
    second.close()


def test_many_threads_lose_nothing(store):
    def work(number: int) -> None:
        for i in range(50):
            store.append([Event(time=i, topic=str(number), value=i)])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.query(limit=1000)) == 200


def test_a_batch_is_kept_whole_or_not_at_all(store):
    with pytest.raises(StoreError, match="cannot be stored"):
        store.append([Event(time=1, topic="t", value=1), Event(time=2, topic="t", value=object())])
    assert store.query() == []


@pytest.mark.parametrize("url", ["nothing", "postgres://x", "sqlite:///", "sqlit:///x"])
def test_bad_urls(url):
    with pytest.raises(StoreError):
        open_store(url)


def test_what_is_no_database_is_refused(tmp_path):
    (tmp_path / "text.db").write_text("no database at all, just some text that is long enough")
    with pytest.raises(StoreError, match="text"):
        open_store(f"sqlite:///{tmp_path}/text.db")
    with closing(sqlite3.connect(tmp_path / "new.db")) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreError, match="schema 99"):
        open_store(f"sqlite:///{tmp_path}/new.db")
    with pytest.raises(StoreError):
        open_store(f"sqlite:///{tmp_path}/absent/flow.db")


def test_a_closed_store_says_so(store):
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.append([Event(time=1, topic="t")])


def test_a_full_disk_is_named_and_survived(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/flow.db")
    store._database.execute("PRAGMA max_page_count = 12")
    with pytest.raises(StoreError, match="full"):
        store.append([Event(time=1.0, topic="t", value="x" * 200_000)])
    store.append([Event(time=2.0, topic="t", value="small")])
    assert [event.value for event in store.query("t")] == ["small"]
    store.close()


def test_a_number_that_no_column_holds_is_a_clear_error(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/flow.db")
    with pytest.raises(StoreError, match="too large"):
        store.append([Event(time=1.0, topic="t", value=2**70)])
    store.append([Event(time=2.0, topic="t", value=1)])
    store.close()
