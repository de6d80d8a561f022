"""``redeliver``: webhooks that were given up."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeflow.cli.terminal import JsonOption, new_group, write, write_json
from edgeflow.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from edgeflow.pipelines.actions.dead_letters import DeadLetter

group = new_group()


@group.command(epilog="Example: edgeflow redeliver pipelines.yaml office")
def redeliver(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The pipelines.yaml.")],
    name: Annotated[str, typer.Argument(metavar="ACTION", help="Which webhook action.")],
    show: Annotated[bool, typer.Option("--show", help="Only list what would be sent.")] = False,
    json: JsonOption = False,
) -> int:
    """Send webhooks again that were given up.

    They lie in the file that the action's dead_letters key names; the oldest goes first. What is
    given up again stays in the file. The flow may run meanwhile.
    """
    hook = _webhook(file, name)
    if show:
        letters = hook.dead_letters()
        for letter in letters if not json else ():
            write(_line(letter))
        if json:
            write_json(letters)
        return 0
    delivered, failed = asyncio.run(_replay(hook))
    if json:
        write_json({"delivered": delivered, "given_up": failed})
    else:
        write(f"{delivered} delivered, {failed} given up again")
    return 1 if failed else 0


def _webhook(file: Path, name: str) -> Any:
    """Return the dispatcher of an action; ConfigError when it is no webhook."""
    from edgeflow.pipelines.actions.webhook import WebhookDispatcher
    from edgeflow.pipelines.loading.loader import load

    declaration = load(file)
    declaration.plugins.close()
    hooks = {
        plan.name: plan for plan in declaration.actions if issubclass(plan.kind, WebhookDispatcher)
    }
    if name not in hooks:
        raise ConfigError(f"{file}: no webhook {name!r}", hint=did_you_mean(name, list(hooks)))
    return hooks[name].kind(name, hooks[name].options)


async def _replay(hook: Any) -> tuple[int, int]:
    await hook.start()
    try:
        result: tuple[int, int] = await hook.replay()
    finally:
        await hook.stop()
    return result


def _line(letter: "DeadLetter") -> str:
    from datetime import datetime

    when = datetime.fromtimestamp(letter.time).astimezone().isoformat(timespec="seconds")
    return f"{when}  {letter.pipeline}/{letter.agent}  {letter.error}"
