"""The C reader of docs/reference/shm-protocol.md compiles without a warning and reads frames."""

import re
import subprocess
from pathlib import Path

import numpy as np
from shm_kit import until

from edgeflow.comms.brokers import ShmBroker
from edgeflow.core.frame import Frame

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "shm-protocol.md"


def test_the_documented_c_reader_reads_frames(shm: ShmBroker, run_dir: Path, tmp_path: Path):
    (source,) = re.findall(r"```c\n(.*?)```", PAGE.read_text(), flags=re.S)
    program = tmp_path / "newest"
    (tmp_path / "newest.c").write_text(source)
    subprocess.run(
        ["gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program,
         tmp_path / "newest.c"], check=True, timeout=60,
    )  # fmt: skip
    publisher = shm.publisher("cam")
    (path,) = run_dir.rglob("*.sock")
    sizes = [10, 100_000, 6_000_000, 3_000, 70_000, 0]
    with subprocess.Popen([program, path, str(len(sizes))], stdout=subprocess.PIPE) as reader:
        until(lambda: list(publisher.links) == ["newest"])
        for number, size in enumerate(sizes):
            publisher.publish(Frame(data=np.zeros(size, np.uint8), id=number))
            assert reader.stdout.readline().split() == [b"%d" % number, b"%d" % size]
        assert reader.wait(10) == 0
    publisher.close()
