"""What a dispatcher is: it carries actions out and says how that went."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import structlog
from pydantic import BaseModel, ConfigDict, Field

from edgeflow.pipelines.message import Action, ActionResult

__all__ = ["LIMIT_SECONDS", "Dispatcher", "DispatcherOptions"]

LIMIT_SECONDS = 120.0


class DispatcherOptions(BaseModel):
    """Keys of an action in the YAML beside ``type``; subclasses add theirs.

    Attributes:
        timeout_s: seconds that one action may take in all, waiting and retries included; then it
            has failed. 120 if not given, and more where another key of the type says so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout_s: float | None = Field(None, gt=0, le=7200)


class Dispatcher(ABC):
    """Carries actions out. Runs on the shared event loop: it awaits and never blocks.

    Retries are its own business, bounded in number and time; what it gives up is in its result.

    Args:
        name: its key in the YAML.
        options: validated options.

    Attributes:
        limit_s: seconds that ``dispatch`` may take where the YAML gives no ``timeout_s``; a
            subclass sets its own. What takes longer is cancelled and has failed.
    """

    Options: ClassVar[type[DispatcherOptions]] = DispatcherOptions
    limit_s: float = LIMIT_SECONDS

    def __init__(self, name: str, options: Any) -> None:
        self.name = name
        self.options = options
        self.log: Any = structlog.get_logger("edgeflow.action").bind(dispatcher=name)

    async def start(self) -> None:
        """Prepare; do not wait for a peer that is away.

        Raises:
            ConfigError: an option cannot work.
            MissingExtraError: a package is not installed.
        """

    async def stop(self) -> None:
        """Release everything."""

    @abstractmethod
    async def dispatch(self, action: Action, *, agent: str, pipeline: str) -> ActionResult:
        """Carry ``action`` out. An exception counts as a result that is not ok."""
