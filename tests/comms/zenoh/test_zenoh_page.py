"""The examples of ``docs/reference/zenoh.md``."""

import re
import threading
from pathlib import Path

import msgspec
import pytest

from edgeflow.comms.brokers import ZenohBroker
from edgeflow.comms.zenoh import messages
from edgeflow.config import settings
from servers import free_port

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "zenoh.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_any_client_reads_what_flows_report(capsys: pytest.CaptureFixture[str]):
    port = free_port()
    broker = ZenohBroker([], [f"tcp/127.0.0.1:{port}"])
    broker.open("robot")
    board = broker.board()
    ended = threading.Event()

    def post() -> None:
        while not ended.wait(0.02):
            board.post("camera/0/host/1", b'{"node": "camera"}')

    poster = threading.Thread(target=post)
    poster.start()
    exec(blocks("python")[1].replace("7447", str(port)), {})
    ended.set()
    poster.join(5)
    broker.close()
    assert capsys.readouterr().out == "camera\n"


def test_the_first_example_and_the_environment_are_accepted(monkeypatch: pytest.MonkeyPatch):
    found: dict[str, object] = {}
    exec(blocks("python")[0], found)
    assert found["app"].broker.via == "zenoh"
    for name, value in re.findall(r"export (\w+)=(\S+)", blocks("sh")[0]):
        monkeypatch.setenv(name, value)
    assert settings.BIND_HOST == "10.0.0.7"
    ZenohBroker(settings.ZENOH_CONNECT, settings.ZENOH_LISTEN)
    assert len(settings.ZENOH_CONNECT) == 2


def test_every_message_has_its_row():
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE))
    for kind in messages.Body.__args__:
        fields = [field.name for field in msgspec.structs.fields(kind)]
        if kind is messages.Beat:
            assert rows["Beat"].startswith("host, sent_ns")
        else:
            assert [name.strip() for name in rows[kind.__name__].split(",")] == fields
