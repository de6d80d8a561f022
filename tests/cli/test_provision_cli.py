"""``edgeflow provision``: what it takes, what it refuses, and what it never prints."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeflow.cli import main
from edgeflow.devices.provisioning.image import build_image
from edgeflow.devices.provisioning.keys import SETTINGS
from edgeflow.devices.provisioning.merging import merge
from edgeflow.devices.virtual.board import VirtualBoard

OFFSET, SIZE = 0x9000, 0x6000
NOWHERE = "/dev/edgeflow-nothing"


@pytest.fixture
def virtual() -> Iterator[VirtualBoard]:
    with VirtualBoard(transport="rfc2217", instant=True) as board:
        image = build_image(merge([], {"edge-tier": 2, "password": "geheim123"}), SIZE)
        board.flash.program(OFFSET, image)
        yield board


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["provision", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_what_a_node_has_already_is_not_written(
    virtual: VirtualBoard, capsys: pytest.CaptureFixture[str]
) -> None:
    wear = virtual.flash.wear.copy()
    code, out, err = run(capsys, "--edge-tier", "2", "--port", virtual.port)
    assert code == 0, err
    assert "has all of it already; 2 entries stay" in out
    assert "no Wi-Fi network" in err
    assert (virtual.flash.wear == wear).all()


def test_a_trial_tells_the_changes_as_json_and_writes_nothing(
    virtual: VirtualBoard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = virtual.flash.read(OFFSET, SIZE)
    monkeypatch.setenv("PW", "another secret")
    words = ["--password", "env:PW", "--ssid", "home", "--no-wasm-verify", "--unset", "edge-tier"]
    code, out, err = run(capsys, *words, "--dry-run", "--json", "--port", virtual.port)
    assert code == 0, err
    facts = json.loads(out)
    assert facts["written"] is False
    assert facts["changes"] == {
        "ssid": {"before": None, "after": "home"},
        "password": {"before": "set", "after": "set"},
        "edge-tier": {"before": "2", "after": None},
        "wasm-verify": {"before": None, "after": "no"},
    }
    assert facts["settings"] == {"ssid": "home", "password": "set", "wasm-verify": "no"}
    assert facts["partition"] == {"label": "nvs", "offset": OFFSET, "size": SIZE}
    assert "secret" not in out + err and "geheim" not in out + err
    assert virtual.flash.read(OFFSET, SIZE) == before


def test_all_mistakes_are_told_before_the_port_is_opened(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--edge-tier", "5", "--vital-win", "300", "--target-ip", "here", "--node-id", "-1"]
    code, out, err = run(capsys, *words, "--port", NOWHERE)
    assert code == 3 and not out
    for said in (
        "--edge-tier '5': not within 0 to 2: there are three tiers",
        "--vital-win '300': not within 32 to 256: the node keeps 256",
        "--target-ip 'here': no IPv4 address",
        "--node-id '-1': not within 0 to 255",
        "nothing was written",
    ):
        assert said in err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "nothing to set"),
        (["--show", "--zone", "a"], "--show changes nothing"),
        (["--unset", "zones"], "no setting 'zones'"),
        (["--unset", "zone", "--zone", "a"], "set and unset at once"),
        (["--edge-teir", "1"], "No such option"),
    ],
)
def test_wrong_usage(words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, *words, "--port", NOWHERE)
    assert code == 2 and why in err


def test_a_port_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--edge-tier", "2", "--port", NOWHERE)
    assert code == 4 and NOWHERE in err


def test_secrets_come_over_stdin_and_a_typed_one_is_warned_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    code, _, err = run(capsys, "--password", "-", "--port", NOWHERE)
    assert code == 3 and "--password: 5 characters" in err and "short" not in err
    code, _, err = run(capsys, "--password", "-", "--port", NOWHERE)
    assert code == 3 and "stdin ended" in err
    code, _, err = run(capsys, "--ota-key", "0123456789abcdef", "--port", NOWHERE)
    assert code == 4 and "--ota-key stands in the list of processes" in err
    assert "0123456789abcdef" not in err
    (tmp_path / "key").write_text("too-short")
    code, _, err = run(capsys, "--ota-key", f"file:{tmp_path}/key", "--port", NOWHERE)
    assert code == 3 and "--ota-key: 9 bytes, not 16 to 64" in err


def test_every_setting_of_the_requirement_has_an_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = run(capsys, "--help")
    flags = """--port --ssid --password --target-ip --target-port --node-id --tdm-slot --tdm-total
        --edge-tier --pres-thresh --fall-thresh --vital-win --vital-int --subk-count --channel
        --filter-mac --hop-channels --hop-dwell --seed-url --seed-token --zone --swarm-hb
        --swarm-ingest --power-duty --wasm-max --wasm-verify --no-wasm-verify --wasm-pubkey
        --wasm-older --no-wasm-older --ota-key --ota-public-key --dry-run --show --reset --json"""
    assert code == 0
    assert [flag for flag in flags.split() if f"{flag} " not in out.replace("\n", " ")] == []
    assert {each.flag for each in SETTINGS} <= set(flags.split())
