"""The command line as a process sees it: exit codes, stdout, stderr, did-you-mean."""

import json
import os
import subprocess
import sys

import pytest

from edgeflow.cli import main
from edgeflow.cli.table import help_text

COMMAND = "import sys; from edgeflow.cli import main; sys.exit(main())"
BROKEN_LINK = """
from edgeflow import EdgeApp
from edgeflow.nodes import ProducerNode, SinkNode

app = EdgeApp("broken")

@app.node(name="camera")
class Camera(ProducerNode):
    pass

@app.node(name="disk")
class Disk(SinkNode):
    pass

app.link("camera").to("dsik")
"""


def edgeflow(*words, **environment):
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"NO_COLOR": "1"} | environment,
    )


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help(words, capsys):
    assert main(words) == 0
    assert capsys.readouterr().out == help_text()


def test_help_of_a_command(capsys):
    assert main(["help", "run"]) == 0
    first = capsys.readouterr().out
    assert main(["run", "--help"]) == 0
    assert first == capsys.readouterr().out


def test_version_goes_to_stdout():
    done = edgeflow("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("edgeflow ")


@pytest.mark.parametrize(
    ("word", "said"),
    [("chekc", "did you mean 'check'?"), ("zzzzz", "known: "), ("--bogus", "edgeflow --help")],
)
def test_an_unknown_command_is_a_usage_error(word, said, capsys):
    assert main([word]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith("error[EF-USAGE-001]: there is no ")
    assert said in printed.err


@pytest.mark.parametrize(
    "words",
    [["run"], ["run", "--nod", "x", "main.py"], ["tap", "--count", "0"], ["top", "--interval"]],
)
def test_wrong_options_are_usage_errors(words, capsys):
    assert main(words) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith("error[EF-USAGE-001]: ")
    assert f"help: edgeflow {words[0]} --help" in printed.err


def test_a_missing_file_is_a_configuration_error(tmp_path, capsys):
    assert main(["check", str(tmp_path / "none.py")]) == 3
    assert "no such file" in capsys.readouterr().err


def test_nothing_running_is_unreachable(tmp_path):
    done = edgeflow("status", "--json", EDGEFLOW_RUN_DIR=str(tmp_path))
    assert done.returncode == 4
    assert not done.stdout
    assert done.stderr.startswith("error[EF-COMMS-004]: ")
    assert "help: edgeflow run main.py" in done.stderr


def test_a_mistake_is_shown_with_its_place(tmp_path):
    file = tmp_path / "main.py"
    file.write_text(BROKEN_LINK)
    done = edgeflow("check", str(file))
    assert done.returncode == 3
    assert not done.stdout
    assert "error[EF-GRAPH-002]: link 'camera' -> 'dsik' names the unknown node" in done.stderr
    assert f"at {file}:15" in done.stderr
    assert '|  app.link("camera").to("dsik")' in done.stderr
    assert "help: did you mean 'disk'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_problems_as_json(tmp_path, capsys):
    file = tmp_path / "main.py"
    file.write_text(BROKEN_LINK)
    assert main(["check", str(file), "--json"]) == 3
    printed = json.loads(capsys.readouterr().out)
    assert not printed["ok"]
    assert {problem["code"] for problem in printed["problems"]} == {"EF-GRAPH-002", "EF-GRAPH-008"}
    assert printed["graph"]["name"] == "broken"


@pytest.mark.parametrize(
    ("code", "line", "said"),
    [
        ("import json\n\njson.loads('{')\n", 3, "JSONDecodeError: "),
        ("a = 1\nb = nothing\n", 2, "NameError: name 'nothing' is not defined"),
        ("def f(:\n    pass\n", 1, "SyntaxError: "),
    ],
)
def test_what_a_file_raises_is_told_without_a_traceback(tmp_path, capsys, code, line, said):
    file = tmp_path / "main.py"
    file.write_text(code)
    for verb in ("run", "graph"):
        assert main([verb, str(file)]) == 1
        err = capsys.readouterr().err
        assert err.startswith(f"error[EF-CODE-001]: {said}")
        assert f"at {file}:{line}\n" in err
        assert "Traceback" not in err


def test_what_a_file_prints_does_not_mix_with_the_result(tmp_path, capsys):
    file = tmp_path / "main.py"
    file.write_text('print("hello")\n' + BROKEN_LINK)
    assert main(["graph", str(file), "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["name"] == "broken"
    assert printed.err == "hello\n"


@pytest.mark.parametrize(
    ("form", "start"), [("mermaid", "flowchart LR"), ("dot", "digraph "), ("text", "●")]
)
def test_forms_of_a_drawing(tmp_path, capsys, form, start):
    file = tmp_path / "main.py"
    file.write_text(BROKEN_LINK)
    assert main(["graph", str(file), "--format", form]) == 0
    assert capsys.readouterr().out.startswith(start)


def test_inputs_that_are_no_links_are_mentioned(tmp_path, capsys):
    file = tmp_path / "main.py"
    declared, _ = BROKEN_LINK.split("app.link")
    chooses = '(SinkNode):\n    def configure(self):\n        self.input_topics = ["camera"]'
    file.write_text(declared.replace("(SinkNode):\n    pass", chooses))
    assert main(["graph", str(file)]) == 0
    assert "inputs named in configure(), not drawn: disk" in capsys.readouterr().out
    assert main(["check", str(file)]) == 0
    assert "names its own inputs" in capsys.readouterr().out


def test_a_terminal_without_unicode_gets_escapes(tmp_path):
    file = tmp_path / "main.py"
    file.write_text(BROKEN_LINK)
    done = edgeflow("graph", str(file), PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "\\u25cf" in done.stdout


def test_debug_shows_the_traceback(tmp_path, capsys):
    file = tmp_path / "main.py"
    file.write_text("nothing\n")
    for words in (["--debug", "run", str(file)], ["run", "--debug", str(file)]):
        assert main(words) == 1
        err = capsys.readouterr().err
        assert "Traceback (most recent call last)" in err
        assert "error[EF-CODE-001]: NameError" in err


def test_a_wrong_declaration_is_told_with_the_line_of_the_user(tmp_path, capsys):
    file = tmp_path / "main.py"
    file.write_text('from edgeflow import EdgeApp\n\nEdgeApp("x").node(name="n")(int)\n')
    assert main(["check", str(file)]) == 3
    err = capsys.readouterr().err
    assert "is not a node class" in err
    assert f"at {file}:3\n" in err
    assert "help: subclass" in err


def test_an_interrupt_ends_with_130(tmp_path, capsys):
    file = tmp_path / "main.py"
    file.write_text("raise KeyboardInterrupt\n")
    assert main(["run", str(file)]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "version", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as writer:
        writer.stdout.close()
        assert writer.stderr.read() == ""
        assert writer.wait(timeout=60) == 0


def test_what_is_left_at_the_end_is_not_sorted_through():
    """A process that has said all it has to say ends; the memory goes with it."""
    left = (
        "from edgeflow.cli import main\n"
        "class Ring:\n"
        "    def __init__(self): self.me = self\n"
        "    def __del__(self): print('collected')\n"
        "ring = Ring()\n"
    )
    for ending, said in (("", "collected\n"), ("main(['version'])\n", "")):
        text = f"{left}import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()):\n"
        done = subprocess.run(
            [sys.executable, "-c", f"{text}    pass\n    {ending}"],
            check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.stdout == said
