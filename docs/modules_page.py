"""Writes the table of sensing modules into ``docs/reference/csi-modules.md``.

::

    python docs/modules_page.py [--check]

Instructions are counted as on a node, over two simulated rooms. ``--check`` exits with 1 where the
page tells other modules, events or status than the manifests, or sizes that are off by a fifth.
"""

import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

from edgeflow._native.csi import CsiProcessor
from edgeflow._native.library import ffi
from edgeflow._native.modules import ModuleFeed
from edgeflow.errors import EngineError
from edgeflow.sensing.modules.build import build_module
from edgeflow.sensing.modules.catalogue import ModuleSource, catalogue
from edgeflow.sensing.modules.runtime import ModuleInstance
from edgeflow.sensing.simulate import Radio, Simulation, preset

PAGE = Path(__file__).parent / "reference" / "csi-modules.md"
BEGIN, END = "<!-- modules: written by docs/modules_page.py -->\n", "<!-- end of modules -->"
PER_US = 10
"""Instructions of an interpreter at 160 MHz: an assumption, no board was run."""
SIZE_BETWEEN = (0.8, 1.25)


class Cost(NamedTuple):
    """Of one module: bytes, instructions (mean frame, most of any call), us of a frame here."""

    size: int
    mean: int
    most: int
    host_us: float


def rooms(seconds: float = 10.0) -> list[tuple[int, bytes]]:
    """Return what modules see of somebody who walks, and of an empty room, at 20 frames/s."""
    seen = []
    start = 0
    processor, feed = CsiProcessor(), ModuleFeed()
    for name in ("walking", "empty"):
        for frame in Simulation(preset(name, seconds=seconds, radio=Radio(rate_hz=20.0))):
            now = start + frame.time_us
            if processor.push(now, frame.payload) is None:
                feed.frame(processor, now)
                seen.append((now, feed.snapshot()))
        start += round(seconds * 1e6)
    return seen


def cost_of(source: ModuleSource, seen: list[tuple[int, bytes]]) -> Cost:
    """Run a module over the rooms."""
    wasm = build_module(source.path)
    module = ModuleInstance(wasm, capabilities=source.manifest.capabilities, fuel=10_000_000)
    spent, timer, busy = [], 0, 0.0
    second = -1
    for number, (now, snapshot) in enumerate(seen):
        inputs = ffi.cast("ef_module_inputs *", ffi.from_buffer(snapshot))
        if number == 0:
            module.call("on_init", inputs)
        if now // 1_000_000 != second:
            second = now // 1_000_000
            module.call("on_timer", inputs)
            timer = max(timer, module.spent)
        begun = time.thread_time()
        try:
            module.call("on_frame", inputs)
        except EngineError as error:
            raise SystemExit(f"{source.path.stem}: {error}") from error
        busy += time.thread_time() - begun
        spent.append(module.spent)
    return Cost(len(wasm), sum(spent) // len(spent), max(*spent, timer), busy / len(spent) * 1e6)


def table(sources: list[ModuleSource]) -> str:
    """Return the table."""
    seen = rooms()
    lines = [
        "| module | status | events | bytes | instructions: mean frame, most call | ms on a node"
    ]
    lines[0] += " (estimate), of | us here |"
    lines.append("|---|---|---|---|---|---|---|")
    for source in sources:
        cost = cost_of(source, seen)
        events = ", ".join(f"{event.id} {event.name}" for event in source.events)
        status = source.status if source.status == "working" else f"experimental: {source.reason}"
        budget = (source.manifest.max_frame_us or 10_000) / 1000
        lines.append(
            f"| `{source.manifest.name}` | {status} | {events} | {cost.size} | "
            f"{cost.mean}, {cost.most} | {cost.most / PER_US / 1000:.2f} of {budget:g} | "
            f"{cost.host_us:.0f} |"
        )
    return "\n".join(lines) + "\n"


def rows(text: str) -> dict[str, tuple[str, str, int]]:
    """Return status, events and bytes by module from the page."""
    inside = text.split(BEGIN)[1].split(END, maxsplit=1)[0]
    found = re.findall(r"^\| `(\S+)` \| (.*?) \| (.*?) \| (\d+) \|", inside, re.MULTILINE)
    return {name: (status, events, int(size)) for name, status, events, size in found}


def differences() -> list[str]:
    """Return what the page tells wrong, in words."""
    told = rows(PAGE.read_text())
    sources = {source.manifest.name: source for source in catalogue()}
    wrong = [f"{name} is not there any more" for name in told.keys() - sources.keys()]
    for name, source in sources.items():
        if name not in told:
            wrong.append(f"{name} is missing")
            continue
        status, events, size = told[name]
        names = ", ".join(f"{event.id} {event.name}" for event in source.events)
        if events != names or not status.startswith(source.status):
            wrong.append(f"{name}: events or status")
        made = len(build_module(source.path))
        if not SIZE_BETWEEN[0] <= made / size <= SIZE_BETWEEN[1]:
            wrong.append(f"{name}: {made} bytes, not {size}")
    return wrong


def main() -> int:
    """Write the page, or check it."""
    if "--check" in sys.argv[1:]:
        wrong = differences()
        for each in wrong:
            sys.stderr.write(f"{each}\n")
        return 1 if wrong else 0
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{table(catalogue())}{END}{rest.split(END, 1)[1]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
