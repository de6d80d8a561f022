"""Memory that is kept for the next tensor."""

import json
import platform
import subprocess
import sys

import pytest

COUNT = """
import resource
from edgeflow.runtime.allocation import keep_freed_memory
assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(8_000_000)
before = faults()
for _ in range(50):
    one, other = bytearray(900_000), bytearray(7_000_000)
    del one, other
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="tunes glibc only")
def test_freed_memory_is_not_faulted_in_again():
    words = [sys.executable, "-c", COUNT]
    run = subprocess.run(words, capture_output=True, check=True, timeout=60)
    assert int(run.stdout) < 1000


HEAPS = """
import ctypes, sys, threading
from edgeflow.runtime.allocation import share_heaps
assert share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.open_memstream.restype = ctypes.c_void_p
together = threading.Barrier(12)
def work():
    libc.malloc(100_000)
    together.wait(30)
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
text, size = ctypes.c_char_p(), ctypes.c_size_t()
stream = ctypes.c_void_p(libc.open_memstream(ctypes.byref(text), ctypes.byref(size)))
libc.malloc_info(0, stream)
libc.fclose(stream)
print(text.value.count(b"<heap nr="))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="tunes glibc only")
def test_threads_share_two_heaps():
    run = subprocess.run([sys.executable, "-c", HEAPS], capture_output=True, check=True, timeout=60)
    assert int(run.stdout) == 2


SPARED = """
import gc, json, sys
from edgeflow.runtime.allocation import Spared

class Ring:
    alive = 0
    def __init__(self):
        self.own, Ring.alive = self, Ring.alive + 1
    def __del__(self):
        Ring.alive -= 1

now = 0.0
spared = Spared(lambda: now)
kept = Ring()
looks = [spared.look(), spared.look()]
frozen = gc.get_freeze_count()
del kept
gc.collect()
unseen = Ring.alive
Ring()
gc.collect()
young = Ring.alive
import xml.dom.minidom
looks.append(spared.look())
now = 2.0
looks.append(spared.look())
print(json.dumps([looks, frozen > 1000, unseen, young, Ring.alive]))
"""


def test_what_lives_long_is_spared_until_packages_are_loaded():
    words = [sys.executable, "-c", SPARED]
    run = subprocess.run(words, capture_output=True, check=True, timeout=60)
    looks, frozen, unseen, young, alive = json.loads(run.stdout)
    assert looks == [True, False, False, True]
    assert frozen
    assert (unseen, young, alive) == (1, 1, 0)
