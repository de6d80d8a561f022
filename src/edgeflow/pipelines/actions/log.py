"""Actions as lines of the log."""

from typing import Literal

from edgeflow.pipelines.actions.base import Dispatcher, DispatcherOptions
from edgeflow.pipelines.actions.body import printable
from edgeflow.pipelines.message import Action, ActionResult

__all__ = ["LogDispatcher", "LogOptions"]


class LogOptions(DispatcherOptions):
    """Keys of an action of type ``log``.

    Attributes:
        level: of the lines.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"


class LogDispatcher(Dispatcher):
    """Writes ``action_logged`` for each action; what is long is cut and told by its size."""

    Options = LogOptions
    options: LogOptions

    async def dispatch(self, action: Action, *, agent: str, pipeline: str) -> ActionResult:
        """Write the line."""
        text = str(action.metadata.get("text", ""))
        tell = getattr(self.log, self.options.level)
        tell(
            "action_logged",
            agent=agent,
            pipeline=pipeline,
            target=action.target or "",
            text=printable(text),
            payload=printable(action.payload),
        )
        return ActionResult(ok=True, detail=printable(text) or "logged", target="log")
