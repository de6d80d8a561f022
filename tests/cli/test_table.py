"""The table of commands, and the help that is made of it."""

import resource
import subprocess
import sys
from importlib import import_module

import pytest
import typer

from edgeflow.cli import main
from edgeflow.cli.table import SECTIONS, find, help_text, names

HEAVY = {"numpy", "cv2", "fastapi", "uvicorn", "redis", "rich", "typer", "torch", "msgspec", "av"}
VERBS = [verb for _, verbs in SECTIONS for verb in verbs]


def command_of(verb):
    group = typer.main.get_command(import_module(f"edgeflow.cli.verbs.{verb.module}").group)
    return group.commands[verb.name]


def test_every_promised_command_is_there():
    promised = "demo run check graph new doctor status top tap record replay trace assets version"
    assert set(promised.split()) <= set(names())
    assert len(names()) == len(set(names()))


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_command_says_what_the_table_says_and_shows_an_example(verb):
    command = command_of(verb)
    assert command.help.splitlines()[0] == verb.about
    assert command.epilog.startswith(f"Example: edgeflow {verb.name}")


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_command_lives_where_the_table_says(verb, capsys):
    assert main([verb.name, "--help"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"Usage: edgeflow {verb.name} ")
    assert not printed.err


def test_reads_offer_json():
    for name in ("check", "graph", "doctor", "status", "top", "tap", "trace", "replay", "version"):
        options = [option for param in command_of(find(name)).params for option in param.opts]
        assert "--json" in options, name


def test_help_names_every_command_and_fits_a_terminal():
    lines = help_text().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert {line.split()[0] for line in lines if line.startswith("  ")} >= set(names())
    assert "\x1b" not in help_text()
    assert "\x1b[1mFlows\x1b[0m" in help_text(bold=True)


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; from edgeflow.cli import main; main(['--help']);"
        "print(' '.join(sorted(m for m in sys.modules)), file=sys.stderr)"
    )
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert not HEAVY & set(done.stderr.split())
    assert done.stdout == help_text()
    assert min(spent) < 0.150  # of processor time: other work on the machine does not count
