"""``edgeflow run``: the same as ``python main.py``, in another word."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from edgeflow.errors import UnreachableError
from edgeflow.runtime.attach import attach, running
from flows import wait_until

COMMAND = "import sys; from edgeflow.cli import main; sys.exit(main())"

FLOW = """
import os, sys
from edgeflow import EdgeApp
from edgeflow.core.qos import QoS
from edgeflow.nodes import ConsumerNode, ProducerNode, SinkNode

app = EdgeApp("counting")

@app.node(name="numbers", fps=None, last=5)
class Numbers(ProducerNode):
    def configure(self):
        self.number = 0

    def produce(self):
        self.number += 1
        if self.last and self.number > self.last:
            self.stop()
            return None
        return {"number": self.number, "words": sys.argv[1:]}

@app.node(name="lines")
class Lines(SinkNode):
    def write(self, frame):
        print(frame.data["number"], *frame.data["words"], flush=True)

app.link("numbers").to("lines", qos=QoS.DURABLE)
"""
RUN = '\nif __name__ == "__main__":\n    app.run()\n'
FOR_EVER = FLOW.replace("last=5", "last=0").replace("fps=None", "fps=50")


@pytest.fixture
def write(tmp_path, run_dir):
    def write(text):
        file = tmp_path / "main.py"
        file.write_text(text)
        return str(file)

    return write


def edgeflow(*words):
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@contextmanager
def interrupted(*words):
    """Run a command for the length of a ``with`` block and end it with Ctrl+C."""
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ,
    ) as process:  # fmt: skip
        try:
            yield process
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
        finally:
            if process.poll() is None:
                process.kill()


def nodes_of(app):
    try:
        with attach(app) as flow:
            return flow.status().nodes
    except UnreachableError:
        return []


@pytest.mark.parametrize("text", [FLOW + RUN, FLOW], ids=["app.run()", "no app.run()"])
def test_a_file_is_run_to_its_end(write, text):
    done = edgeflow("run", write(text))
    assert done.returncode == 0
    assert done.stdout.split() == ["1", "2", "3", "4", "5"]
    assert "counting: ran " in done.stderr


def test_words_after_the_file_are_the_files_own(write):
    done = edgeflow("run", write(FLOW + RUN), "--speed", "2", "--debug")
    assert done.stdout.splitlines()[0] == "1 --speed 2 --debug"


@pytest.mark.parametrize("after", [True, False], ids=["after the file", "before the file"])
def test_processes(write, after):
    file = write(FLOW + RUN)
    done = edgeflow("run", *((file, "--processes") if after else ("--processes", file)))
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"1", "2", "3", "4", "5"}


def test_a_process_that_is_long_in_starting_misses_nothing(write):
    slow = 'import sys, time\nif sys.argv[-1] == "lines":\n    time.sleep(2)\n'
    done = edgeflow("run", write(slow + FLOW + RUN), "--processes")
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"1", "2", "3", "4", "5"}


@pytest.mark.parametrize("mode", [(), ("--processes",)], ids=["threads", "processes"])
def test_replicas_are_made_wherever_nodes_run(write, mode):
    file = write(FOR_EVER + RUN)
    with interrupted("run", file, "--replicas", "3", *mode):
        wait_until(lambda: [node.alive for node in nodes_of("counting")] == [1, 3])


@pytest.mark.parametrize("words", [["--replicas", "0"], ["--replicas", "many"], ["--node"]])
def test_wrong_options_are_told(write, words):
    done = edgeflow("run", write(FLOW + RUN), *words)
    assert done.returncode == 3
    assert done.stderr.startswith(f"error[EF-CONFIG-001]: {words[0]}")


def test_a_misspelt_option_is_pointed_out_but_stays_the_apps(write):
    done = edgeflow("run", write(FLOW + RUN), "--procesess")
    assert done.returncode == 0
    assert "did you mean '--processes'?" in done.stderr
    assert done.stdout.splitlines()[0] == "1 --procesess"


def test_help_of_the_options_of_every_app(write):
    done = edgeflow("run", write(FLOW + RUN), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for option in ("--processes", "--node NAME", "--replicas N"):
        assert option in done.stdout


def test_processes_need_a_file_that_runs_its_app(write):
    done = edgeflow("run", write(FLOW), "--processes")
    assert done.returncode == 3
    assert "never calls app.run()" in done.stderr


def test_an_unknown_node_is_a_configuration_error(write):
    done = edgeflow("run", write(FLOW + RUN), "--node", "lnes")
    assert done.returncode == 3
    assert "did you mean 'lines'?" in done.stderr


def test_a_file_that_ends_with_its_own_status(write):
    assert edgeflow("run", write("raise SystemExit(7)")).returncode == 7
    done = edgeflow("run", write("raise SystemExit('no camera')"))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "no camera\n")


def test_a_file_without_an_app(write):
    done = edgeflow("run", write("x = 1"))
    assert done.returncode == 3
    assert "no EdgeApp in it" in done.stderr


def test_an_app_made_inside_a_function_counts(write):
    body = "".join(f"    {line}\n" for line in FLOW.splitlines())
    done = edgeflow("run", write(f"def main():\n{body}    app.run()\n\nmain()\n"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "5"


def test_the_same_signal_twice_at_once_still_ends_in_order(write):
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "run", write(FOR_EVER + RUN)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    ) as process:  # fmt: skip
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, narration = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "counting: ran " in narration


def test_a_running_flow_is_found_watched_and_interrupted(write):
    file = write(FOR_EVER + RUN)
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "run", file],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as process:
        try:
            assert process.stdout.readline() == "1\n"
            assert [app.name for app in running()] == ["counting"]
            status = edgeflow("status", "--json")
            assert status.returncode == 0
            assert '"counting"' in status.stdout
            tapped = edgeflow("tap", "numbers", "-n", "2")
            assert tapped.returncode == 0
            assert len(tapped.stdout.splitlines()) == 2
            with attach("counting") as flow:
                assert flow.topics()
            process.send_signal(signal.SIGINT)
            _, narration = process.communicate(timeout=20)
        finally:
            if process.poll() is None:
                process.kill()
    assert process.returncode == 130
    assert "counting: ran " in narration
    assert "Traceback" not in narration
    assert running() == []
