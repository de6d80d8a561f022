"""``python -m benchmarks.newcomer``: the newcomer's path from a fresh clone, timed step by step.

It clones this repository as it is committed into a temporary folder, sets it up without the caches
of this machine, and follows the README: demo, a project of one's own, a first pipeline. What is
printed is the README's Markdown table.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from benchmarks.machine import environment, free_port

ROOT = Path(__file__).parents[1]
PATIENCE = 900.0
YAML = re.compile(r"```yaml\n(# pipelines\.yaml\n.*?)```", re.DOTALL)
SENSOR = re.compile(r"^python (-m edgeflow\.pipelines\.simulate .*)$", re.MULTILINE)


class Newcomer:
    """Somebody with a clone in ``folder`` who notes how long each step took."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clone = folder / "edgeflow"
        self.port = free_port()
        self.environment = os.environ | {
            "PATH": f"{self.clone / '.venv/bin'}:{os.environ['PATH']}",
            "PIP_NO_CACHE_DIR": "1",
            "EDGEFLOW_CACHE_DIR": str(folder / "cache"),
            "GATEWAY_HTTP_PORT": str(self.port),
        }

    def note(self, step: str, shown: str, seconds: float) -> None:
        """Print a row of the table."""
        print(f"| {step} | `{shown}` | {seconds:.1f} |", flush=True)

    def run(self, step: str, command: str, shown: str, folder: Path) -> None:
        """Run a command to its end, and note how long it took."""
        began = time.monotonic()
        done = subprocess.run(
            shlex.split(command), cwd=folder, env=self.environment, timeout=PATIENCE, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stdout}")
        self.note(step, shown, time.monotonic() - began)

    def until(
        self, step: str, command: str, shown: str, folder: Path, there: Callable[[str], bool]
    ) -> None:
        """Run a command until ``there`` is true of what it printed, and note how long that took."""
        with self.running(command, folder) as (process, log):
            began = time.monotonic()
            while not there(Path(log.name).read_text()):
                if process.poll() is not None or time.monotonic() - began > PATIENCE:
                    raise SystemExit(f"{command}: no {step}\n{Path(log.name).read_text()}")
                time.sleep(0.05)
            self.note(step, shown, time.monotonic() - began)

    @contextlib.contextmanager
    def running(
        self, command: str, folder: Path
    ) -> Iterator[tuple["subprocess.Popen[bytes]", IO[bytes]]]:
        """Run a command in a session of its own, which ends with the block."""
        with tempfile.NamedTemporaryFile(dir=self.folder) as log, subprocess.Popen(
            shlex.split(command), cwd=folder, env=self.environment, stdout=log, stderr=log,
            start_new_session=True,
        ) as process:  # fmt: skip
            try:
                yield process, log
            finally:
                for number in (signal.SIGINT, signal.SIGKILL):
                    with contextlib.suppress(OSError):
                        os.killpg(process.pid, number)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(10)

    def picture(self, _printed: str = "") -> bool:
        """Tell whether the dashboard's server sends a picture."""
        url = f"http://127.0.0.1:{self.port}/video"
        try:
            with urllib.request.urlopen(url, timeout=5) as stream:
                return b"\xff\xd8" in stream.read(2048)
        except OSError:
            return False


def walk(newcomer: Newcomer) -> None:
    """Do what the README says, from the clone to the first action."""
    clone, picture = newcomer.clone, newcomer.picture
    newcomer.run(
        "get it", f"git clone -q {shlex.quote(str(ROOT))} {clone}", "git clone", newcomer.folder
    )
    newcomer.run("set it up", "make setup", "make setup", clone)
    demo = f"make demo DEMO_ARGS='--port {newcomer.port}'"
    newcomer.until("first picture, model and clip fetched", demo, "make demo", clone, picture)
    newcomer.until("first picture, the second time", demo, "make demo", clone, picture)
    newcomer.run("a project of your own", "edgeflow new my-flow", "edgeflow new my-flow", clone)
    project = clone / "my-flow"
    newcomer.until("its first picture", "python main.py", "python main.py", project, picture)
    first_pipeline(newcomer)


def first_pipeline(newcomer: Newcomer) -> None:
    """Check and run the first file of the tutorial, with its sensor, until something is done."""
    page = (newcomer.clone / "docs/tutorials/first-pipeline.md").read_text()
    (yaml, *_), sensor, broker = YAML.findall(page), SENSOR.search(page), str(free_port())
    assert sensor is not None
    folder = newcomer.folder / "pipeline"
    folder.mkdir()
    (folder / "pipelines.yaml").write_text(
        yaml.replace("1883", broker).replace("version: 1\n", "version: 1\nmetrics_port: 0\n")
    )
    check, up = "edgeflow check pipelines.yaml", "edgeflow up pipelines.yaml"
    newcomer.run("a first pipeline, checked", check, check, folder)
    words = sensor[1].replace("1883", broker).replace("--count 60", "--count 6000")

    def acted(printed: str) -> bool:
        return "action_logged" in printed

    python = newcomer.clone / ".venv/bin/python"
    retry = f"sh -c 'until {python} {words}; do sleep 0.1; done'"
    with newcomer.running(retry, folder):
        newcomer.until("its first action", up, up, folder, acted)


def main() -> None:
    """Walk the path in a temporary folder, and print the table."""
    facts = environment()
    print("| step | command | seconds |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="newcomer-") as folder:
        walk(Newcomer(Path(folder)))
    print(f"\n{facts['processor']}, {facts['cores']} cores, load before: {facts['load_before']}")


if __name__ == "__main__":
    main()
