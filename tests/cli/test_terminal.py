"""What changes on a terminal: colour, and a table that lives."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

COMMAND = "import sys; from edgeflow.cli import main; sys.exit(main())"


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, *words, **environment):
        self.ours, theirs = pty.openpty()
        kept = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env=kept | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"} | environment,
        )  # fmt: skip
        os.close(theirs)
        self.seen = ""

    def read_until(self, text, seconds=15.0):
        deadline = time.monotonic() + seconds
        while text is None or text not in self.seen:
            ready, _, _ = select.select([self.ours], [], [], deadline - time.monotonic())
            assert ready, f"no {text!r} in {self.seen!r}"
            try:
                self.seen += os.read(self.ours, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                assert text is None, f"no {text!r} in {self.seen!r}"
                break
        return self.seen

    def end(self):
        seen = self.read_until(None)
        return self.process.wait(timeout=15), seen

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.ours)


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[a-z]", "", text)


@pytest.fixture
def terminal(small_flow):
    opened = []

    def start(*words, **environment):
        opened.append(Terminal(*words, **environment))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_colours_on_a_terminal(terminal):
    code, seen = terminal("status").end()
    assert code == 0
    assert "\x1b[32mrunning\x1b[0m" in seen
    code, seen = terminal("--help").end()
    assert "\x1b[1mFlows\x1b[0m" in seen
    code, seen = terminal("status", "--app", "none").end()
    assert (code, "\x1b[1;31merror[EF-COMMS-004]\x1b[0m" in seen) == (4, True)


@pytest.mark.parametrize("words", [["status"], ["--help"], ["status", "--app", "none"]])
def test_no_color_is_obeyed(terminal, words):
    _, seen = terminal(*words, NO_COLOR="1").end()
    assert "\x1b[3" not in seen
    assert "small" in seen or "Usage" in seen or "error[" in seen


@pytest.mark.parametrize("key", ["q", "\x04"])
def test_a_key_leaves_top(terminal, key):
    top = terminal("top", "--interval", "30")
    top.read_until("detector")
    os.write(top.ours, key.encode())
    code, seen = top.end()
    assert code == 0
    assert "\x1b[?1049l" in seen


def test_sigterm_gives_the_terminal_back(terminal):
    top = terminal("top", "--interval", "30")
    top.read_until("detector")
    top.process.terminate()
    code, seen = top.end()
    assert code == 143
    assert "\x1b[?1049l" in seen


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
def test_narrow_terminals_show_whole_cells(terminal, columns):
    code, seen = terminal("status", COLUMNS=str(columns), NO_COLOR="1").end()
    seen = plain(seen)
    assert code == 0
    assert "…" not in seen
    assert {"node", "state"} <= set(seen.split())
    tables = [line.rstrip() for line in seen.splitlines() if "declared" not in line]
    assert max(map(len, tables)) <= columns
    _, seen = terminal("trace", COLUMNS=str(columns), NO_COLOR="1").end()
    assert "…" not in seen
    assert "bottleneck: inside node detector" in " ".join(plain(seen).split())


def test_top_lives_until_it_is_interrupted(terminal):
    top = terminal("top", "--interval", "0.1")
    top.read_until("detector")
    top.seen = ""
    top.read_until("detector")  # drawn again
    top.process.send_signal(signal.SIGINT)
    code, seen = top.end()
    assert code == 130
    assert "Traceback" not in seen
    assert "\x1b[?1049l" in seen  # the screen is given back
