"""Somebody who does what a page of the documentation says: every file, every command."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from begun_models import begin_with_model
from edgeflow.errors import UnreachableError
from edgeflow.runtime.attach import attach
from flows import wait_until
from servers import free_port

DOCS = Path(__file__).parents[2] / "docs"
PORTS = ("1883", "4001", "8008", "8009", "8010", "8080", "9101")
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    language: str
    text: str

    @property
    def file(self) -> str:
        """Name of the file that the block is, or an empty text."""
        named = re.match(r"# ([\w/]+\.(?:py|yaml))\n", self.text)
        return named[1] if named else ""

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


class Reader:
    """Somebody who has a page open and works in a folder of their own."""

    def __init__(self, page: str, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.port = free_port()
        text = (DOCS / page).read_text().replace("port=8000", f"port={self.port}")
        self.ports = {port: str(free_port()) for port in PORTS if port in text}
        for port, free in self.ports.items():
            text = text.replace(port, free)
        self.blocks = [Block(match[2], match[3]) for match in BLOCK.finditer(text)]
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "GATEWAY_HTTP_PORT": str(self.port),
            "NO_COLOR": "1",
        }

    def save(self) -> None:
        """Save every block that names its file."""
        for block in self.blocks:
            if block.file:
                file = self.folder / block.file
                file.parent.mkdir(exist_ok=True)
                file.write_text(block.text)

    def commands(self, *starts: str) -> list[str]:
        """Return the command lines of the page that begin with one of ``starts``."""
        lines = [
            line.strip()
            for block in self.blocks
            if block.language == "bash"
            for line in block.lines
        ]
        return [line for line in lines if line.startswith(starts or ("",))]

    def printed(self, word: str) -> list[str]:
        """Return the lines of the output on the page that contains ``word``."""
        (found,) = [b for b in self.blocks if b.language == "text" and word in b.text]
        return [line for line in found.lines if line]

    def run(self, command: str, expected: int = 0) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            shlex.split(command), cwd=self.folder, env=self.environment, timeout=150, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        assert done.returncode == expected, f"{command}\n{done.stdout}"
        return done.stdout

    @contextmanager
    def running(self, command: str, app: str, *, wait: bool = True) -> Iterator[list[str]]:
        """Run a command for a while; the list holds what it has printed after Ctrl+C."""
        said: list[str] = []
        log = self.folder / f"log-{free_port()}"
        with log.open("w") as out, subprocess.Popen(
            command.split(), cwd=self.folder, env=self.environment, stdout=out, stderr=out
        ) as process:  # fmt: skip
            try:
                if wait:
                    wait_until(
                        lambda: flows_well(app) or process.poll() is not None, 90, log.read_text
                    )
                yield said
                process.send_signal(signal.SIGINT)
                assert process.wait(20) == 130, log.read_text()
            finally:
                process.kill()
        said += log.read_text().splitlines()

    @contextmanager
    def serving(self, command: str) -> Iterator["Running"]:
        """Run a command until the block ends, and press Ctrl+C."""
        log = self.folder / f"log-{free_port()}"
        if "edgeflow climate serve" in command and not self.page.startswith("tutorials/"):
            begin_with_model(self.folder / "climate")
        with log.open("w") as out, subprocess.Popen(
            shlex.split(command), cwd=self.folder, env=self.environment, stdout=out, stderr=out
        ) as process:  # fmt: skip
            try:
                yield Running(process, log)
                process.send_signal(signal.SIGINT)
                assert process.wait(20) == 130, log.read_text()
            finally:
                process.kill()


class Running(NamedTuple):
    """A command under way."""

    process: subprocess.Popen[bytes]
    log: Path

    def says(self, pattern: str) -> None:
        """Wait until it has printed something that matches."""

        def said() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return re.search(pattern, self.log.read_text()) is not None

        try:
            wait_until(said, 120)
        except AssertionError as error:
            raise AssertionError(f"never said {pattern!r}: {self.log.read_text()}") from error


def flows_well(app: str) -> bool:
    """Tell whether frames have reached every node that takes some."""
    try:
        with attach(app) as flow:
            nodes = flow.status().nodes
    except UnreachableError:
        return False
    return all(node.frames_in >= 15 for node in nodes if node.role != "producer")


def assert_printed(page: list[str], output: str | list[str]) -> None:
    """Check that the lines of the page are printed, in this order, with other figures perhaps."""
    lines = output.splitlines() if isinstance(output, str) else output
    left = iter([words(line) for line in lines])
    for line in page:
        wanted = words(line)
        assert any(said[-len(wanted) :] == wanted for said in left), f"{line}\n" + "\n".join(lines)


def words(line: str) -> list[str]:
    """Return a line without what differs from run to run: figures, units of size, bars."""
    parts = [part for part in line.split() if set(part) - set("█─")]
    return [part if "main.py:" in part else without_figures(part) for part in parts]


def without_figures(word: str) -> str:
    word = re.sub(r"^-$|\d[\d.,]*(e-\d+)?", "#", word)
    return re.sub(r"^([KMG]i)?B$", "MiB", word)


def on(page: str) -> pytest.MarkDecorator:
    """Give a test a reader of that page, who has saved its files."""
    return pytest.mark.parametrize("reader", [page], indirect=True, ids=[page])
