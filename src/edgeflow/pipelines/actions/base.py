"""What a dispatcher is: it carries actions out and says how that went."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import structlog
from pydantic import BaseModel, ConfigDict

from edgeflow.pipelines.message import Action, ActionResult

__all__ = ["Dispatcher", "DispatcherOptions"]


class DispatcherOptions(BaseModel):
    """Keys of an action in the YAML beside ``type``; subclasses add theirs."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Dispatcher(ABC):
    """Carries actions out. Runs on the shared event loop: it awaits and never blocks.

    Retries are its own business, bounded in number and time; what it gives up is in its result.

    Args:
        name: its key in the YAML.
        options: validated options.
    """

    Options: ClassVar[type[DispatcherOptions]] = DispatcherOptions

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
