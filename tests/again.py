"""Runs the few tests that failed beside others once more, alone, and says which passed only then.

Several thousand tests share two cores with servers, compilers and a browser, and a machine that
stands still for ten seconds fails one that is right. Such a test is told by name, since what
passes only alone wants a cure; what fails alone as well, or in numbers, fails the run.
"""

import json
import subprocess
import sys
from pathlib import Path

MOST = 3
"""More failures than these have another cause than a busy machine."""

FAILED = Path(".pytest_cache/v/cache/lastfailed")


def main() -> int:
    """Return 0 when all that failed passes alone."""
    failed = sorted(json.loads(FAILED.read_text())) if FAILED.exists() else []
    if not 0 < len(failed) <= MOST or not all("::" in each for each in failed):
        return 1
    print(f"\n{len(failed)} failed beside others; alone:", flush=True)
    alone = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", *failed],
        check=False,
    )
    if alone.returncode == 0:
        print("FLAKY, passed only alone:", *failed, sep="\n  ", flush=True)
    return alone.returncode


if __name__ == "__main__":
    sys.exit(main())
