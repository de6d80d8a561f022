"""``edgeflow run``: the same as ``python main.py``, in another word."""

import os
import signal
import subprocess
import sys

import pytest

from edgeflow.runtime.attach import attach, running

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
