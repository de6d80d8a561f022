"""``edgeflow ota`` from the key to the nodes."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgeflow import __version__
from edgeflow.cli import main
from edgeflow.devices.updates.signing import load_key
from edgeflow.devices.virtual.csi_image import make_firmware
from edgeflow.devices.virtual.csi_update import NodeTimes, UpdatableNode
from servers import free_port

PSK = "0123456789abcdef"
QUICK = NodeTimes(boot=0.0, restart=0.02, network=0.0, patience=20.0, watchdog=0.2)


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFLOW_OTA_KEY", PSK)


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["ota", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "key.pem"
    assert run(capsys, "keygen", path)[0] == 0
    return path


@pytest.fixture
def three(key: Path) -> Iterator[list[UpdatableNode]]:
    public = load_key(key).public
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                UpdatableNode(make_firmware("1.0.0"), psk=PSK, public_key=public, times=QUICK)
            )
            for _ in range(3)
        ]


def signed(
    capsys: pytest.CaptureFixture[str], key: Path, version: str, behaviour: str = "good"
) -> Path:
    image = key.with_name(f"{version}.bin")
    image.write_bytes(make_firmware(version, behaviour))  # type: ignore[arg-type]
    update = key.with_name(f"{version}.efo")
    code, out, err = run(capsys, "sign", image, "--key", key, "-o", update)
    assert code == 0, err
    assert f"csi_node {version}, counter 0, 16384 bytes, key " in out
    return update


def test_a_key_is_for_its_owner_alone(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    assert "BEGIN PRIVATE KEY" in key.read_text()
    before = key.read_bytes()
    code, _, err = run(capsys, "keygen", key)
    assert code == 3 and "is there already" in err
    assert key.read_bytes() == before


def test_a_key_behind_a_passphrase(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "locked.pem"
    monkeypatch.setenv("WORD", "only for us")
    code, out, _ = run(capsys, "keygen", path, "--passphrase", "env:WORD", "--json")
    assert code == 0
    assert "BEGIN ENCRYPTED PRIVATE KEY" in path.read_text()
    assert load_key(path, b"only for us").public.hex() == json.loads(out)["public_key"]
    image = tmp_path / "image.bin"
    image.write_bytes(make_firmware("1"))
    for words in ((), ("--passphrase", "wrong")):
        code, _, err = run(capsys, "sign", image, "--key", path, "-o", tmp_path / "u", *words)
        assert code == 3 and "no private key that can be read" in err
        assert not (tmp_path / "u").exists()


def test_the_public_key_is_what_provisioning_takes(key: Path) -> None:
    from edgeflow.devices.provisioning.values import parse_values

    text = Path(f"{key}.pub").read_text()
    assert parse_values({"ota-public-key": text}) == {"ota-public-key": load_key(key).public}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--version", "9.9"), "the image says version '1.0.0', not '9.9'"),
        (("--board", "other"), "the image says board 'csi_node', not 'other'"),
    ],
)
def test_what_contradicts_the_image_is_not_signed(
    key: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    image = key.with_name("image.bin")
    image.write_bytes(make_firmware("1.0.0"))
    code, _, err = run(capsys, "sign", image, "--key", key, "-o", key.with_name("u"), *words)
    assert code == 3 and said in err


def test_what_is_no_image(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "sign", key, "--key", key, "-o", key.with_name("u"))
    assert code == 3 and "no image of ESP-IDF" in err


def test_an_update_and_back(
    key: Path, three: list[UpdatableNode], capsys: pytest.CaptureFixture[str]
) -> None:
    update = signed(capsys, key, "2.0.0")
    names = ",".join(node.address for node in three)
    code, out, err = run(capsys, "push", update, names, "--json")
    assert code == 0, err
    said = json.loads(out)
    assert (said["updated"], said["failed"], said["waiting"]) == (3, 0, 0)
    assert [each["stage"] for each in said["nodes"]] == [1, 2, 2]  # 25 % of 3 is one, too
    code, out, err = run(capsys, "push", update, names)
    assert code == 0 and "csi_node 2.0.0: 3 already" in out
    code, out, _ = run(capsys, "status", *[node.address for node in three])
    assert code == 0 and out.count("2.0.0, valid, before 1.0.0 (valid)") == 3
    code, out, _ = run(capsys, "rollback", three[0].address, "--json")
    assert code == 0 and json.loads(out)[0]["after"] == "1.0.0"
    code, out, _ = run(capsys, "status", three[0].address, "--json")
    assert json.loads(out)[0]["previous_state"] == "invalid"


def test_a_rollout_stops_at_the_first_that_goes_back(
    key: Path, three: list[UpdatableNode], capsys: pytest.CaptureFixture[str]
) -> None:
    update = signed(capsys, key, "2.0.0", "crash")
    code, out, err = run(capsys, "push", update, *[node.address for node in three])
    assert code == 1
    assert "failed   went back to 1.0.0: it restarted before its self-test was over" in out
    assert "csi_node 2.0.0: 1 failed, 2 waiting" in out
    assert f"{three[0].address}: failed" in err
    assert [node.boots for node in three] == [3, 1, 1]


def test_groups_of_a_file(
    key: Path, three: list[UpdatableNode], capsys: pytest.CaptureFixture[str]
) -> None:
    file = key.with_name("nodes.yaml")
    first, *others = [node.address for node in three]
    file.write_text(json.dumps({"groups": {"hall": [first], "kitchen": others}}))
    code, out, _ = run(capsys, "status", "--nodes", file, "--group", "kitchen", "--json")
    assert code == 0 and [each["node"] for each in json.loads(out)] == others
    code, out, _ = run(capsys, "status", "--nodes", file, "--json")
    assert len(json.loads(out)) == 3
    code, _, err = run(capsys, "status", "--nodes", file, "--group", "kitchn")
    assert code == 3 and "kitchen" in err
    file.write_text("groups: [1, 2]")
    assert run(capsys, "status", "--nodes", file)[0] == 3
    file.write_text("groups: !!python/object:os.system {}")
    assert run(capsys, "status", "--nodes", file)[0] == 3


def test_secrets_and_usage(
    key: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    update = signed(capsys, key, "2.0.0")
    assert run(capsys, "push", update)[0] == 2
    assert run(capsys, "push", update, "127.0.0.1:1", "--group", "x")[0] == 2
    assert run(capsys, "push", update, "not a host")[0] == 3
    assert run(capsys, "push", update, "127.0.0.1:1", "--stages", "9,1")[0] == 3
    code, _, err = run(capsys, "push", key, "127.0.0.1:1")
    assert code == 3 and "ota sign" in err
    code, _, err = run(capsys, "push", update, "127.0.0.1:1", "--ota-key", "short")
    assert code == 3 and "5 bytes, not 16 to 64" in err and "list of processes" in err
    monkeypatch.delenv("EDGEFLOW_OTA_KEY")
    code, _, err = run(capsys, "push", update, "127.0.0.1:1")
    assert code == 3 and "EDGEFLOW_OTA_KEY" in err


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "status", "127.0.0.1:1")
    assert code == 4 and out.startswith("127.0.0.1:1             does not answer")


def test_an_update_whose_image_was_changed_is_not_even_sent(
    key: Path, three: list[UpdatableNode], capsys: pytest.CaptureFixture[str]
) -> None:
    update = signed(capsys, key, "2.0.0")
    data = bytearray(update.read_bytes())
    data[5000] ^= 1
    update.write_bytes(data)
    code, _, err = run(capsys, "push", update, three[0].address)
    assert code == 3 and "its SHA-256 differs" in err
    assert three[0].boots == 1


def test_simulated_nodes_take_updates(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, update = key.with_name("image.bin"), key.with_name("update.efo")
    code, out, _ = run(capsys, "sample", "2.0.0", "-o", image, "--behaviour", "unfit")
    assert code == 0 and "unfit, for simulated nodes" in out
    assert run(capsys, "sign", image, "--key", key, "-o", update)[0] == 0
    first = free_port()
    entry = "import sys; from edgeflow.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", entry, "csi", "simulate", "empty", "--nodes", "2"]
    command += ["--seconds", "600", "--speed", "0.01", "--port", str(free_port())]
    command += ["--ota-port", str(first), "--ota-key", "env:EDGEFLOW_OTA_KEY"]
    command += ["--ota-public-key", f"file:{key}.pub"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as simulated:
        assert simulated.stderr is not None
        try:
            line = simulated.stderr.readline()
            assert f"updates on 127.0.0.1:{first} to {first + 1}" in line
            code, out, _ = run(capsys, "push", update, f"127.0.0.1:{first}", "--json")
            assert code == 1
            assert "did not pass its self-test" in json.loads(out)["nodes"][0]["reason"]
            code, out, _ = run(capsys, "status", f"127.0.0.1:{first + 1}", "--json")
            assert json.loads(out)[0]["version"] == __version__
        finally:
            simulated.send_signal(signal.SIGINT)
            assert simulated.wait(30) == 130
