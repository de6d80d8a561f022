"""One end of a dora dataflow: ``sender`` writes into dora's shared memory, ``receiver`` reads it.

Started by ``dora run``, set up through the environment.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from dora import Node

from benchmarks.stamps import Control, Recorder, Setup, blank, stamp
from benchmarks.transport import pace


def send(setup: Setup) -> None:
    node, control = Node(), Control(setup.folder)
    image = blank(setup.shape).reshape(-1)
    size, due, sequence = setup.size, time.monotonic(), 0
    while not control.stopped:
        if not setup.in_place:
            stamp(image, size, sequence)
        sample = node.send_output_raw("frame", size)
        memory = sample.as_memoryview()
        slot = np.frombuffer(memory, np.uint8)
        if setup.in_place:
            stamp(slot, size, sequence)
        else:
            np.copyto(slot, image)
        del slot
        memory.release()
        sample.send()
        sequence += 1
        due = pace(due, setup.fps)


def receive(setup: Setup, index: int) -> None:
    node, recorder = Node(), Recorder(setup, index)
    while not recorder.stopped:
        event = node.next(timeout=0.2)
        if event is None or event["type"] == "STOP":
            if recorder.stopped:
                break
            continue
        if event["type"] == "INPUT":
            recorder.saw(event["value"].to_numpy(zero_copy_only=True).reshape(setup.shape))
    recorder.save()


if __name__ == "__main__":
    setup = Setup.from_environment()
    if sys.argv[1] == "sender":
        send(setup)
    else:
        receive(setup, int(sys.argv[2]))
