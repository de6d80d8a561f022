"""The one error tree: every error has a code, a place and a hint that says what to do.

::

    EdgeFlowError
    ├── ConfigError            a setting, option or file is wrong
    ├── GraphError             the declared graph cannot run (carries every problem found)
    ├── NodeError              user code of a node failed, or a node was used wrongly
    │   └── PayloadError       a value that cannot travel in a frame
    ├── CommsError             moving frames failed
    │   ├── FrameDecodeError   bytes from outside are not a valid frame
    │   ├── FrameTooLargeError a frame or message exceeds the configured bound
    │   ├── ProtocolError      bytes from outside are not a valid message of a wire protocol
    │   └── UnreachableError   a server or peer does not answer
    ├── EngineError            a model cannot be loaded, or not run on what it was given
    │   ├── UnknownModelError  no model of that name, or it cannot be loaded
    │   ├── TensorError        names, dtypes or shapes do not fit the model
    │   ├── OverloadedError    the model's queue is full
    │   ├── DeadlineError      the answer would come too late
    │   └── CancelledError     whoever asked has left
    ├── StoreError             a database or recording cannot be read or written
    ├── PipelineError          a stage, agent or connector failed on a message
    │   └── ActionError        a command to the outside failed
    ├── AssetError             a model or clip cannot be fetched or verified
    ├── DeployError            building, pushing or applying failed
    └── MissingExtraError      an optional dependency is not installed
"""

from collections.abc import Sequence
from difflib import get_close_matches

__all__ = [
    "ActionError",
    "AssetError",
    "CancelledError",
    "CommsError",
    "ConfigError",
    "DeadlineError",
    "DeployError",
    "EdgeFlowError",
    "EngineError",
    "FrameDecodeError",
    "FrameTooLargeError",
    "GraphError",
    "MissingExtraError",
    "NodeError",
    "OverloadedError",
    "PayloadError",
    "PipelineError",
    "ProtocolError",
    "StoreError",
    "TensorError",
    "UnknownModelError",
    "UnreachableError",
    "describe",
    "did_you_mean",
]


class EdgeFlowError(Exception):
    """Base of everything EdgeFlow raises on purpose.

    Args:
        message: what is wrong, naming the place (node, topic, file, byte offset).
        hint: what to do about it; shown on its own line.
        code: stable identifier such as ``EF-GRAPH-002``; defaults to the class's code.
    """

    code = "EF-000"
    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(EdgeFlowError):
    """A setting, option or file is wrong."""

    code = "EF-CONFIG-001"
    exit_code = 3


class GraphError(EdgeFlowError):
    """The declared graph cannot run. ``problems`` holds every finding, not just the first."""

    code = "EF-GRAPH-001"
    exit_code = 3

    def __init__(self, problems: Sequence[EdgeFlowError]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems]
        super().__init__("\n".join(lines), code=problems[0].code if len(problems) == 1 else None)


class NodeError(EdgeFlowError):
    """User code of a node failed, or a node was used wrongly."""

    code = "EF-NODE-001"


class PayloadError(NodeError):
    """A value that cannot travel in a frame."""

    code = "EF-NODE-002"


class CommsError(EdgeFlowError):
    """Moving frames failed."""

    code = "EF-COMMS-001"


class FrameDecodeError(CommsError):
    """Bytes from outside are not a valid frame."""

    code = "EF-COMMS-002"


class FrameTooLargeError(CommsError):
    """A frame or message exceeds the configured bound."""

    code = "EF-COMMS-003"


class ProtocolError(CommsError):
    """Bytes from outside are not a valid message of a wire protocol."""

    code = "EF-COMMS-005"


class UnreachableError(CommsError):
    """A server or peer does not answer."""

    code = "EF-COMMS-004"
    exit_code = 4


class EngineError(EdgeFlowError):
    """A model cannot be loaded, or not run on what it was given."""

    code = "EF-ENGINE-001"


class UnknownModelError(EngineError):
    """There is no model of that name, or it cannot be loaded."""

    code = "EF-ENGINE-002"


class TensorError(EngineError):
    """Names, dtypes or shapes do not fit the model."""

    code = "EF-ENGINE-003"


class OverloadedError(EngineError):
    """The model's queue is full, or its circuit breaker is open: try again later."""

    code = "EF-ENGINE-004"


class DeadlineError(EngineError):
    """The answer would come too late; nothing was computed, or its result was thrown away."""

    code = "EF-ENGINE-005"


class CancelledError(EngineError):
    """Whoever asked has left, or the server ends."""

    code = "EF-ENGINE-006"


class StoreError(EdgeFlowError):
    """A database or recording cannot be read or written."""

    code = "EF-STORE-001"


class PipelineError(EdgeFlowError):
    """A stage, agent or connector failed on a message."""

    code = "EF-PIPELINE-001"


class ActionError(PipelineError):
    """A command to the outside failed for good."""

    code = "EF-PIPELINE-002"


class AssetError(EdgeFlowError):
    """A model or clip cannot be fetched or verified."""

    code = "EF-ASSET-001"


class DeployError(EdgeFlowError):
    """Building, pushing or applying failed: a program that does it says so."""

    code = "EF-DEPLOY-001"


class MissingExtraError(EdgeFlowError):
    """An optional dependency is not installed."""

    code = "EF-EXTRA-001"
    exit_code = 3

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"this needs the package {module!r}, which is not installed",
            hint=f"pip install 'edgeflow[{extra}]'",
        )


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return ``did you mean 'x'?`` or a list of what is known, for use as a hint."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(sorted(known))}" if known else "nothing is declared yet"


def describe(error: EdgeFlowError) -> str:
    """Return the form in which people see an error: code and message, then what to do."""
    problems = error.problems if isinstance(error, GraphError) else (error,)
    lines = []
    for problem in problems:
        lines.append(f"error[{problem.code}]: {problem.message}")
        if problem.hint:
            lines.append(f"  help: {problem.hint}")
    return "\n".join(lines)
