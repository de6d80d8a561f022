"""Memory that is kept for the next tensor."""

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
