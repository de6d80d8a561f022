"""The interface every peer implements."""

from pathlib import Path

import numpy as np

from benchmarks.case import Case


class Sender:
    """The producing end.

    Args:
        case: what is run.
        folder: an empty folder of the run, for sockets; its name is unique on this host.
    """

    def __init__(self, case: Case, folder: Path) -> None:
        raise NotImplementedError

    def send(self, frame: np.ndarray) -> None:
        """Hand over a flat uint8 array, which the caller writes again afterwards."""
        raise NotImplementedError

    def loan(self) -> np.ndarray:
        """Return memory of the transport itself, to be filled and given to ``commit``."""
        raise NotImplementedError

    def commit(self) -> None:
        """Send what was loaned."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of everything."""


class Receiver:
    """A consuming end; arguments as of ``Sender``, with the consumer's number."""

    def __init__(self, case: Case, folder: Path, index: int) -> None:
        raise NotImplementedError

    def receive(self, timeout: float) -> np.ndarray | None:
        """Return the next frame as a flat uint8 array, valid until the next call."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of everything."""
