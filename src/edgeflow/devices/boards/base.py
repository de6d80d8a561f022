"""What a board is to the rest of the platform, whatever it speaks and whether it is real or not."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeflow.core.status import DeviceStatus
from edgeflow.errors import DeadlineError

__all__ = [
    "Board",
    "BoardInfo",
    "BoardModel",
    "BoardState",
    "Forecast",
    "OnProgress",
    "Protocol",
    "Slot",
    "SwapProgress",
    "Timing",
]

Floats: TypeAlias = npt.NDArray[np.float32]


class Protocol(StrEnum):
    """What a board speaks."""

    REFERENCE = "reference"
    EXTENDED = "extended"


class BoardState(StrEnum):
    """Where a board stands, as the host sees it."""

    CONNECTING = "connecting"
    READY = "ready"
    NO_MODEL = "no-model"
    SWAPPING = "swapping"
    LOST = "lost"


class Slot(StrEnum):
    """Where a model lies on the board."""

    A = "A"
    B = "B"
    FILE = "file"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class BoardInfo:
    """What a board says of itself; a board of the reference protocol says little.

    Attributes:
        port: the port it was opened by.
        unique_id: its MAC as ``aa:bb:...``; empty where it does not tell.
        window: requests it takes unanswered; ``window_bytes``: their bytes.
        capabilities: ``slots``, ``streams``, ``int8``, ``baud``, ``restart``, ``layers``.
        model_ids: how many models can be resident.
        slot_bytes: largest model file that fits a slot; 0 without slots.
        arena_bytes: scratch memory for one run; 0 where it does not tell.
    """

    port: str
    protocol: Protocol
    chip: str = ""
    firmware: str = ""
    unique_id: str = ""
    baud: int = 115200
    window: int = 1
    window_bytes: int = 4096
    capabilities: frozenset[str] = frozenset()
    model_ids: int = 1
    slot_bytes: int = 0
    arena_bytes: int = 0


@dataclass(frozen=True, slots=True)
class BoardModel:
    """One model id of a board.

    Attributes:
        steps, features, horizon, hidden: T, F, H and the width; zeros without a model.
        kind: ``lstm`` or ``layers``; ``dtype``: ``float32`` or ``int8``.
        slot: where the answering model lies; ``previous``: where a roll-back leads.
        state: ``empty``, ``trial`` or ``confirmed``.
        sha256: of the payload, hex; empty where the board does not tell.
        multiply_adds, activations: of one run.
    """

    id: int
    steps: int
    features: int
    horizon: int
    hidden: int
    kind: str = "lstm"
    dtype: str = "float32"
    name: str = ""
    version: int = 0
    slot: Slot = Slot.FILE
    previous: Slot = Slot.NONE
    state: str = "confirmed"
    parameters: int = 0
    file_bytes: int = 0
    sha256: str = ""
    multiply_adds: int = 0
    activations: int = 0


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one answer.

    Attributes:
        compute, board_queue: the board's own words, 0 where it has none.
        queue: waited on the host.
        wire: everything between that is neither of the others.
        total: from the call to the answer.
    """

    queue: float
    wire: float
    board_queue: float
    compute: float
    total: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """One answer: float32[H], read-only."""

    values: Floats
    timing: Timing


@dataclass(frozen=True, slots=True)
class SwapProgress:
    """One step of a swap, for people and for server-sent events.

    Attributes:
        step: ``validate``, ``build``, ``erase``, ``write``, ``verify``, ``self-test``,
            ``activate``, ``confirm``, ``restart``, ``done`` or ``failed``.
        done, total: bytes, 0 where the step has none.
        error: what went wrong, with ``failed``.
        detail: JSON-like particulars (self-test error, slot, seconds).
    """

    step: str
    done: int = 0
    total: int = 0
    text: str = ""
    error: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


OnProgress: TypeAlias = Callable[[SwapProgress], None]


class Board(ABC):
    """A microcontroller that runs models. Safe to call from several threads.

    Calls wait for their turn on the board's own queue, which is bounded (OverloadedError when it is
    full). Errors: UnreachableError (unplugged, silent), DeadlineError (no answer in time),
    TensorError (shape, values that are not finite), EngineError (the board refused; the message
    has its words).

    Attributes:
        name: how people call it: a name from the configuration, or the port.
        lent: another program has its port, such as esptool.
    """

    name: str
    lent: bool = False

    @property
    def answering(self) -> bool:
        """Whether it answers with a model now. By slots it does while a new one comes."""
        if self.state is BoardState.SWAPPING and not self.lent:
            return any(each.steps for each in self.models)
        return self.state is BoardState.READY

    @property
    @abstractmethod
    def state(self) -> BoardState:
        """Where it stands now. Never waits for the wire."""

    @property
    @abstractmethod
    def last_error(self) -> str:
        """Why it is lost, or what failed last; empty if nothing did."""

    @property
    @abstractmethod
    def info(self) -> BoardInfo:
        """What it said when it was found.

        Raises:
            UnreachableError: it has not been found yet.
        """

    @property
    @abstractmethod
    def models(self) -> tuple[BoardModel, ...]:
        """The models as last asked. Never waits for the wire."""

    @abstractmethod
    def refresh(self, timeout: float = 5.0) -> tuple[BoardModel, ...]:
        """Ask for the models anew."""

    @abstractmethod
    def submit(self, sample: Floats, *, model: int = 0, timeout: float = 10.0) -> Future[Forecast]:
        """Queue one sample, float32 (T, F), and return at once; the board's window is kept full.

        Raises:
            TensorError: the sample does not fit the model, or is not finite.
            OverloadedError: the queue is full.
            UnreachableError: the board is lost.
        """

    @abstractmethod
    def statistics(self, timeout: float = 5.0) -> dict[str, int]:
        """Return the board's own counters by the protocol page's names; empty if it has none."""

    @abstractmethod
    def swap(
        self,
        file: bytes,
        *,
        model: int = 0,
        on_progress: OnProgress | None = None,
        timeout: float = 60.0,
    ) -> BoardModel:
        """Put a model file (EFM1 or LST0) on the board; the old one serves till the new one does.

        Raises:
            ConfigError: the file is no valid model, or does not fit the board.
            EngineError: the board refused it; the model before goes on answering.
        """

    @abstractmethod
    def roll_back(self, *, model: int = 0, timeout: float = 10.0) -> BoardModel:
        """Go back to the model before.

        Raises:
            EngineError: there is none.
        """

    @abstractmethod
    def status(self) -> DeviceStatus:
        """Return where it stands, its models and its latest figures. Never waits for the wire.

        ``swap`` is left empty; whoever runs swaps fills it in.
        """

    @abstractmethod
    def queue_depth(self) -> int:
        """Requests that wait on the host or are under way."""

    @abstractmethod
    def close(self) -> None:
        """Fail what is under way, close the port, join the thread. Idempotent, under 3 s."""

    def infer(self, sample: Floats, *, model: int = 0, timeout: float = 10.0) -> Forecast:
        """Run one sample, float32 (T, F), and wait for the answer."""
        future = self.submit(sample, model=model, timeout=timeout)
        try:
            return future.result(timeout + 1.0)
        except TimeoutError:
            future.cancel()
            raise DeadlineError(f"{self.name}: no answer in time") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
