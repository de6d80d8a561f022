"""``new``: the project it writes runs unchanged."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from edgeflow.cli import main
from edgeflow.cli.verbs.new import templates

FILES = {".gitignore", "README.md", "main.py", "requirements.txt", "tests/test_flow.py"}


@pytest.fixture
def project(tmp_path, run_dir, capsys):
    folder = tmp_path / "my-flow"
    assert main(["new", str(folder)]) == 0
    return folder


def test_the_files_are_written_and_named(tmp_path, capsys):
    folder = tmp_path / "my-flow"
    assert main(["new", str(folder), "--template", "frames"]) == 0
    printed = capsys.readouterr()
    assert set(printed.out.splitlines()) == {str(folder / name) for name in FILES}
    assert f"cd {folder}" in printed.err
    assert "http://127.0.0.1:8000/dashboard" in printed.err
    text = (folder / "main.py").read_text()
    assert 'EdgeApp("my-flow")' in text
    assert not [name for name in FILES if "$" in (folder / name).read_text()]


def test_nothing_is_overwritten(project, capsys):
    assert main(["new", str(project)]) == 3
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["1st", "a b", "-x-", "ü", "a" * 41, 'x"y'])
def test_names_that_are_none(name, tmp_path, capsys):
    assert main(["new", "--", str(tmp_path / name)]) == 3
    assert "is no name for a project" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_unknown_template(tmp_path, capsys):
    assert main(["new", str(tmp_path / "x"), "-t", "frame"]) == 3
    assert "did you mean 'frames'?" in capsys.readouterr().err
    assert templates() == ["frames", "gateway"]


def test_the_gateway_has_no_mistakes(tmp_path, capsys):
    assert main(["new", str(tmp_path / "g"), "-t", "gateway"]) == 0
    written = set(capsys.readouterr().out.splitlines())
    names = ("pipelines.yaml", "README.md", "plugins/headcount.py")
    assert written == {str(tmp_path / "g" / name) for name in names}
    assert main(["check", str(tmp_path / "g" / "pipelines.yaml")]) == 0
    assert capsys.readouterr().out.startswith("edge-gateway: ")


def test_it_has_no_mistakes(project, capsys):
    capsys.readouterr()
    assert main(["check", str(project / "main.py")]) == 0
    assert capsys.readouterr().out.startswith("my-flow: 3 nodes, 3 links, no problems")


def test_its_own_tests_pass(project):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        check=False, cwd=project, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_runs_unchanged_and_shows_pictures(project):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "main.py"],
        cwd=project,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"GATEWAY_HTTP_PORT": str(port)},
    ) as process:
        try:
            page = fetch(f"http://127.0.0.1:{port}/dashboard")
            process.send_signal(signal.SIGINT)
            _, narration = process.communicate(timeout=20)
        finally:
            if process.poll() is None:
                process.kill()
    assert b"<html" in page.lower()
    assert process.returncode == 130, narration
    assert "my-flow: ran " in narration


def fetch(url):
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
