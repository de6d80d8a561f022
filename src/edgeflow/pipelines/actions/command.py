"""Actions as commands of this machine: only listed ones, never through a shell."""

import asyncio
import os
import re
import signal
import uuid
from contextlib import suppress
from typing import Any

from pydantic import Field, field_validator

from edgeflow.errors import ActionError, ConfigError, did_you_mean
from edgeflow.pipelines.actions.base import LIMIT_SECONDS, Dispatcher, DispatcherOptions
from edgeflow.pipelines.actions.processes import MARK, kill_all
from edgeflow.pipelines.message import Action, ActionResult
from edgeflow.pipelines.paths import LocalPath

__all__ = ["CommandDispatcher", "CommandOptions"]

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")
MAX_ARGUMENT = 4096
KILL_SECONDS = 0.5


class CommandOptions(DispatcherOptions):
    """Keys of an action of type ``command``.

    Attributes:
        commands: argument lists by name. ``"{key}"`` as a whole argument stands for that key of
            the payload; ``key.inner`` goes deeper.
        command: name of the command that runs where the action has no target.
        allow: payload keys that placeholders may name.
        timeout: seconds after which the command and all it started are killed, also what has
            left its session.
        pending: actions that may wait for one command; it runs once at a time.
        max_output: bytes kept of what it prints.
        directory: where it runs.
        environment: variables of the commands; beside them they get PATH, HOME and LANG only,
            and EDGEFLOW_COMMAND_ID, by which their processes are known.
        allow_options: let values begin with ``-``, which programs take for options: ``true``, or
            the payload keys of which this is wanted (a number below zero).
    """

    commands: dict[str, list[str]]
    command: str | None = None
    allow: list[str] = []
    timeout: float = Field(5.0, gt=0, le=3600)
    pending: int = Field(16, ge=0, le=1000)
    max_output: int = Field(4096, ge=0, le=1024 * 1024)
    directory: LocalPath | None = None
    environment: dict[str, str] = {}
    allow_options: bool | list[str] = False

    @field_validator("commands")
    @classmethod
    def _not_empty(cls, commands: dict[str, list[str]]) -> dict[str, list[str]]:
        if not commands or not all(arguments and arguments[0] for arguments in commands.values()):
            raise ValueError("each command needs a name and a list that begins with its program")
        return commands


class CommandDispatcher(Dispatcher):
    """Runs the command that the action's target names; each one once at a time.

    A command ends with the call of ``dispatch`` that began it, also when that is cancelled.
    """

    Options = CommandOptions
    options: CommandOptions

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self.limit_s = max(LIMIT_SECONDS, 2 * options.timeout)
        self._turns = {name: asyncio.Lock() for name in options.commands}
        self._open = dict.fromkeys(options.commands, 0)

    async def start(self) -> None:
        """Check the commands.

        Raises:
            ConfigError: a placeholder is not allowed, or is only part of an argument.
        """
        known = list(self.options.commands)
        if self.options.command is not None and self.options.command not in known:
            raise ConfigError(
                f"action {self.name!r}: there is no command {self.options.command!r}",
                hint=did_you_mean(self.options.command, known),
            )
        for name, arguments in self.options.commands.items():
            self._check(name, arguments)

    async def dispatch(self, action: Action, *, agent: str, pipeline: str) -> ActionResult:
        """Run a command to its end.

        Raises:
            ActionError: it is not listed, or the payload does not fit.
        """
        known = list(self.options.commands)
        name = action.target or self.options.command or (known[0] if len(known) == 1 else "")
        if name not in self.options.commands:
            raise ActionError(f"command {name!r} is not listed", hint=did_you_mean(name, known))
        arguments = [
            self._fill(argument, action.payload) for argument in self.options.commands[name]
        ]
        if self._open[name] > self.options.pending:
            return ActionResult(
                ok=False, detail="too many wait for this command", attempts=0, target=name
            )
        self._open[name] += 1
        try:
            async with self._turns[name]:
                return await self._run(name, arguments)
        finally:
            self._open[name] -= 1

    def _check(self, name: str, arguments: list[str]) -> None:
        for place, argument in enumerate(arguments):
            whole = PLACEHOLDER.fullmatch(argument)
            key = whole.group(1) if whole else None
            if place == 0 and PLACEHOLDER.search(argument):
                problem = "the program itself cannot come from a payload"
            elif key is not None and key not in self.options.allow:
                problem = f"{argument} is not allowed: list {key!r} under allow:"
            elif key is None and PLACEHOLDER.search(argument):
                problem = f"{argument!r}: a placeholder must be a whole argument"
            elif "\0" in argument:
                problem = "an argument holds a null byte"
            else:
                continue
            raise ConfigError(f"action {self.name!r}, command {name!r}: {problem}")

    def _fill(self, argument: str, payload: Any) -> str:
        """Return an argument with the payload's value in place of its placeholder."""
        found = PLACEHOLDER.fullmatch(argument)
        if found is None:
            return argument
        value, key = payload, found.group(1)
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                raise ActionError(f"the payload has no {key!r}")
            value = value[part]
        text = _text(key, value)
        if text.startswith("-") and not self._may_be_option(key):
            raise ActionError(
                f"{key!r} begins with '-', which would be an option",
                hint=f"put '--' before the placeholder and set allow_options: [{key}]",
            )
        return text

    def _may_be_option(self, key: str) -> bool:
        allowed = self.options.allow_options
        return allowed if isinstance(allowed, bool) else key in allowed

    async def _run(self, name: str, arguments: list[str]) -> ActionResult:
        inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        loop = asyncio.get_running_loop()
        mark = uuid.uuid4().hex
        try:
            transport, command = await loop.subprocess_exec(
                lambda: _Command(self.options.max_output),
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self.options.directory,
                env=inherited | self.options.environment | {MARK: mark},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ActionError(f"{arguments[0]!r} cannot be run: {error}") from None
        try:
            async with asyncio.timeout(self.options.timeout):
                await command.over.wait()
        except TimeoutError:
            return ActionResult(
                ok=False, detail=f"killed after {self.options.timeout:g} s", target=name
            )
        finally:
            await _end(transport, command, mark)
        code = transport.get_returncode()
        said = command.output.decode(errors="replace").strip()
        detail = f"exit code {code}" + (f": {said}" if said else "")
        return ActionResult(ok=code == 0, detail=detail, target=name)


class _Command(asyncio.SubprocessProtocol):
    """Hears a command out, and keeps the beginning of what it prints."""

    def __init__(self, bound: int) -> None:
        self.output = bytearray()
        self.exited = asyncio.Event()
        self.over = asyncio.Event()
        self._bound = bound

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.output += data[: max(0, self._bound - len(self.output))]

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise ActionError(f"{key!r} is {type(value).__name__}: only text and numbers are passed on")
    text = str(value)
    if len(text) > MAX_ARGUMENT or "\0" in text:
        raise ActionError(f"{key!r} is too long, or holds a null byte")
    return text


async def _end(transport: asyncio.SubprocessTransport, command: _Command, mark: str) -> None:
    """Kill a command that is not over, with all that it started, and wait for it."""
    if not command.over.is_set():
        kill_all(transport.get_pid(), mark)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(transport.get_pid(), signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(KILL_SECONDS):
                await command.exited.wait()
    transport.close()
