"""Virtual boards in processes of their own, paced as a real line and a real chip would be."""

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from edgeflow._native.model import NativeModel
from edgeflow.protocols.model_file import LstmWeights, SelfTestVector, efm1, lstm_file

__all__ = ["FEATURES", "HIDDEN", "HORIZON", "STEPS", "BoardProcess", "container", "model", "sample"]

STEPS, FEATURES, HORIZON, HIDDEN = 32, 4, 8, 32
EDGEFLOW = str(Path(sys.executable).with_name("edgeflow"))


def weights(seed: int) -> LstmWeights:
    """Return random weights; only their number matters here."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    gates = 4 * HIDDEN
    return LstmWeights(
        draw(gates, FEATURES),
        draw(gates, HIDDEN),
        draw(gates),
        draw(HORIZON, HIDDEN),
        draw(HORIZON),
    )


def model(seed: int = 1) -> bytes:
    """Return a reference file of 20,016 bytes."""
    return lstm_file(weights(seed), steps=STEPS)


def container(seed: int) -> bytes:
    """Return a container with a self-test vector."""
    given = sample(seed)
    test = SelfTestVector(given, NativeModel(model(seed)).run(given), 1e-4)
    return efm1(weights(seed), steps=STEPS, name=f"bench-{seed}", version=seed, test=test)


def sample(seed: int = 0) -> np.ndarray:
    """Return one float32 (T, F)."""
    return np.random.default_rng(seed).normal(size=(STEPS, FEATURES)).astype(np.float32)


class BoardProcess(contextlib.AbstractContextManager["BoardProcess"]):
    """A process with ``count`` virtual boards.

    Attributes:
        ports: what to open, board by board.
        pid: the process.
    """

    def __init__(self, *options: str, baud: int = 115200, count: int = 1) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-boards-")
        file = Path(self._folder.name, "model_fp32.bin")
        file.write_bytes(model())
        self._process = subprocess.Popen(
            [
                *(EDGEFLOW, "devices", "virtual", "--model", str(file), "--baud", str(baud)),
                *("--count", str(count), *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        self.ports = [self._process.stdout.readline().strip() for _ in range(count)]
        if not all(self.ports):
            self.close()
            raise RuntimeError("the virtual boards did not start")

    @property
    def port(self) -> str:
        """The first one."""
        return self.ports[0]

    def close(self) -> None:
        """Unplug."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait(5)
        self._folder.cleanup()

    def __exit__(self, *_: object) -> None:
        self.close()
