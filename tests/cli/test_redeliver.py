import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from acting import act, action
from edgeflow.cli import main
from edgeflow.pipelines.actions.webhook import WebhookDispatcher
from http_doors import http_door
from servers import free_port

YAML = """
version: 1
connectors:
  - {{id: push, type: http, pipeline: env}}
pipelines:
  - id: env
actions:
  office:
    type: webhook
    url: http://127.0.0.1:{port}/hook
    retries: 0
    dead_letters: {folder}/dead.jsonl
  log: {{type: log}}
"""


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def file(tmp_path: Path, port: int) -> Path:
    """A pipelines.yaml whose webhook has two dead letters."""
    file = tmp_path / "pipelines.yaml"
    file.write_text(YAML.format(port=port, folder=tmp_path))
    url = f"http://127.0.0.1:{port}/hook"
    options = {"url": url, "retries": 0, "dead_letters": tmp_path / "dead.jsonl"}
    act(WebhookDispatcher, action({"n": 1}), action({"n": 2}), **options)
    return file


def test_dead_letters_are_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["redeliver", str(file), "office", "--show"]) == 0
    assert capsys.readouterr().out.count("vision/guard") == 2
    assert main(["redeliver", str(file), "office", "--show", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_they_are_sent_again_when_somebody_listens(
    file: Path, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies: list[dict[str, Any]] = []

    async def hook(scope: Any, receive: Any, send: Any) -> None:
        bodies.append(json.loads((await receive())["body"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    assert main(["redeliver", str(file), "office"]) == 1
    assert capsys.readouterr().out == "0 delivered, 2 given up again\n"

    async def run() -> int:
        async with http_door(hook, port):
            return await asyncio.to_thread(main, ["redeliver", str(file), "office"])

    assert asyncio.run(run()) == 0
    assert capsys.readouterr().out == "2 delivered, 0 given up again\n"
    assert [body["n"] for body in bodies] == [1, 2]


def test_an_action_that_is_no_webhook_is_refused(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["redeliver", str(file), "log"]) == 3
    assert "no webhook 'log'" in capsys.readouterr().err
