"""What a broker kept is deleted, and nothing else."""

import subprocess
import sys

from edgeflow.comms.mqtt.discarding import MANY, discard


def sessions(folder, count):
    for number in range(count):
        made = folder / "streams" / str(number % 7) / "obs" / str(number)
        made.mkdir(parents=True)
        (made / "o.dat").write_bytes(b"1")
    return folder


def test_many_sessions_are_deleted_but_not_what_is_only_named_there(tmp_path):
    kept, store = sessions(tmp_path / "kept", 3), sessions(tmp_path / "store", 2 * MANY)
    (store / "streams" / "other").symlink_to(kept)
    discard(store)
    assert not store.exists()
    assert len(list(kept.rglob("o.dat"))) == 3
    discard(store)  # it is gone already


def test_they_are_deleted_at_the_end_of_the_interpreter_too(tmp_path):
    store = sessions(tmp_path / "store", 2 * MANY)
    text = (
        "import atexit, pathlib; from edgeflow.comms.mqtt.discarding import discard\n"
        f"atexit.register(discard, pathlib.Path({str(store)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", text], check=True, timeout=60, capture_output=True)
    assert (done.stderr, store.exists()) == (b"", False)
