"""Measures the core's text and stack with a compiler, and holds them to ``budgets.json``.

::

    python firmware/tools/budget.py [COMPILER]

Without a compiler the ones that are there are used: gcc for Xtensa (lx106: the instruction set of
the ESP32, without floating point and windows), and the machine's own. Exits with 1 above a budget.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pathlib import Path

FIRMWARE = Path(__file__).parents[1]
COMPILERS = {"xtensa-lx106": "xtensa-lx106-elf-gcc", "host": "gcc"}
FLAGS = ["-std=c11", "-Os", "-ffp-contract=off", "-fno-pic", "-fstack-usage", "-fcallgraph-info=su"]
_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "([^"\\]+)[^"]*?\\n(\d+) bytes \(([^)]*)\)')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')


@dataclass(frozen=True)
class Usage:
    """What one compiler makes of the core.

    Attributes:
        text: bytes of code and constants per object; variables: bytes of .data and .bss.
        frames: bytes of stack per function; growing: functions whose frame grows at run time.
        calls: functions called, by function; calls through pointers are not among them.
    """

    text: dict[str, int]
    variables: int
    frames: dict[str, int]
    growing: list[str]
    calls: dict[str, set[str]]

    def deepest(self) -> tuple[int, list[str]]:
        """Return the largest sum of frames from any function down, and its way.

        Raises:
            RecursionError: a function calls itself.
        """

        @cache
        def below(name: str) -> tuple[int, tuple[str, ...]]:
            callees = [below(callee) for callee in self.calls.get(name, set())]
            most, way = max(callees, default=(0, ()))
            return most + self.frames.get(name, 0), (name, *way)

        most, way = max(below(name) for name in self.frames)
        return most, list(way)


def measure(compiler: str) -> Usage:
    """Compile the core for size and read what came out.

    Raises:
        subprocess.CalledProcessError: the compiler refuses a source.
    """
    text: dict[str, int] = {}
    variables, growing = 0, []
    frames: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    size = compiler.removesuffix("gcc") + "size"
    sources = sorted((FIRMWARE / "core/src").glob("*.c"))
    with tempfile.TemporaryDirectory() as folder:
        include = f"-I{FIRMWARE / 'core/include'}"
        commands = [[compiler, *FLAGS, include, "-c", str(source)] for source in sources]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_run, commands, repeat(folder)))
        rows = _run([size, *(f"{source.stem}.o" for source in sources)], folder).splitlines()[1:]
        for source, row in zip(sources, rows, strict=True):
            code, *held = map(int, row.split()[:3])
            text[source.name] = code
            variables += sum(held)
            graph = (Path(folder) / f"{source.stem}.ci").read_text()
            for title, _, used, kind in _NODE.findall(graph):
                frames[_short(title)] = int(used)
                growing += [_short(title)] if kind != "static" else []
            for caller, callee in _EDGE.findall(graph):
                calls.setdefault(_short(caller), set()).add(_short(callee))
    return Usage(text, variables, frames, growing, calls)


def _run(command: list[str], folder: str) -> str:
    """Return what a command prints that works in ``folder``."""
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout


def _short(title: str) -> str:
    """Return ``file.c:function`` of a static function, or the name of a public one."""
    return title.rpartition("/")[2]


def found(usage: Usage) -> dict[str, int]:
    """Return the figures that have budgets."""
    return {
        "text": sum(usage.text.values()),
        "variables": usage.variables,
        "frame": max(usage.frames.values()),
        "call": usage.deepest()[0],
    }


def over(usage: Usage, budget: dict[str, int]) -> list[str]:
    """Return what is above its budget, in words."""
    figures = found(usage)
    problems = [
        f"{name} is {figures[name]} bytes, and the budget is {most}"
        for name, most in budget.items()
        if figures[name] > most
    ]
    return problems + [f"the frame of {name} grows at run time" for name in usage.growing]


def budgets() -> dict[str, dict[str, int]]:
    """Return the budgets by target."""
    read: dict[str, dict[str, int]] = json.loads(
        Path(__file__).with_name("budgets.json").read_text()
    )
    return read


def report(target: str, usage: Usage) -> str:
    """Return the figures as text for people."""
    lines = [f"{target}: text per object"]
    lines += [f"  {size:6}  {name}" for name, size in usage.text.items()]
    lines += [f"  {sum(usage.text.values()):6}  sum", f"{target}: largest frames"]
    largest = sorted(usage.frames.items(), key=lambda item: -item[1])[:10]
    lines += [f"  {size:6}  {name}" for name, size in largest]
    most, way = usage.deepest()
    return "\n".join([*lines, f"{target}: deepest call, {most} bytes", "  " + " > ".join(way), ""])


def main(arguments: list[str]) -> int:
    """Measure with the compiler named, or with those that are there."""
    failed = 0
    for target, known in COMPILERS.items():
        compiler = arguments[0] if arguments else known
        if shutil.which(compiler) is None or (arguments and known != compiler):
            continue
        usage = measure(compiler)
        problems = over(usage, budgets()[target])
        sys.stdout.write(report(target, usage) + "".join(f"{line}\n" for line in problems))
        failed |= bool(problems)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
