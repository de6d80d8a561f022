"""Bars of a rollout: one for all nodes, and one for each that is being updated now."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeflow.devices.updates.rollout import Step

__all__ = ["update_bars"]

_OVER = ("updated", "already", "failed")


@contextmanager
def update_bars(count: int) -> "Iterator[Callable[[Step], None]]":
    """Give a function that shows what happens with a node."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True, highlight=False)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    lock, tasks = threading.Lock(), dict[Any, Any]()
    with Progress(*columns, console=console, transient=True) as bars:
        whole = bars.add_task("nodes", total=count)

        def tell(step: "Step") -> None:
            with lock:
                if step.doing in _OVER:
                    bars.advance(whole)
                    task = tasks.pop(step.address, None)
                    if task is not None:
                        bars.remove_task(task)
                    bars.console.print(f"{step.address}: {step.doing}", markup=False)
                    return
                if step.address not in tasks:
                    tasks[step.address] = bars.add_task(str(step.address), total=100)
                done = 100 * step.part if step.doing == "sending" else None
                text = f"{step.address} {step.doing}"
                bars.update(tasks[step.address], description=text, completed=done)

        yield tell
