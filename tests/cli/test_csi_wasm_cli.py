"""``edgeflow csi wasm``: from a source to a node."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgeflow.cli import main
from edgeflow.core.vitals import SensingEvent
from edgeflow.devices.updates.signing import make_key
from edgeflow.devices.virtual.csi_image import make_firmware
from edgeflow.devices.virtual.csi_modules import VirtualModules
from edgeflow.devices.virtual.csi_update import UpdatableNode
from edgeflow.sensing.host import SensingHost
from edgeflow.sensing.modules.build import SOURCES, build_module
from edgeflow.sensing.modules.wasmtime_engine import WasmtimeEngine
from flows import wait_until
from module_images import TICKING, container_of
from servers import free_port

DATA = Path(__file__).parents[1] / "data" / "csi"
PSK = "0123456789abcdef"


def run(capsys, *words: object) -> tuple[int, str, str]:
    code = main(["csi", "wasm", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "my.pem")
    return tmp_path / "my.pem"


def test_the_name_in_a_container_does_not_speak_to_the_terminal(capsys, tmp_path):
    data = bytearray(container_of(TICKING).encode())
    data[32:40] = b"\x1b[2Jgone"
    image = tmp_path / "name.rvf"
    image.write_bytes(data)
    code, out, _ = run(capsys, "info", image)
    assert code == 0
    assert "\x1b" not in out and "\\x1b[2Jgone" in out


def test_a_module_is_built_signed_and_brought_to_a_node(capsys, tmp_path, key, monkeypatch):
    image, public = tmp_path / "hvac.rvf", make_key(tmp_path / "other.pem").public
    assert run(capsys, "build", "hvac_presence", "--key", key, "--out", image)[0] == 0
    code, out, _ = run(capsys, "info", image, "--key", f"{key}.pub", "--json")
    said = json.loads(out)
    assert (code, said["name"], said["signed_by_key"]) == (0, "wdp-bld-hvac-presence", True)
    assert said["signature"] == "ed25519"
    assert said["capabilities"] == ["vitals", "events"]
    code, out, _ = run(capsys, "info", image, "--key", tmp_path / "other.pem.pub", "--json")
    assert (code, json.loads(out)["signed_by_key"]) == (1, False)
    assert "no public key" in run(capsys, "info", image, "--key", key)[2]
    nowhere = tmp_path / "nowhere" / "hvac.rvf"
    code, _, err = run(capsys, "sign", image, "--key", key, "--out", nowhere)
    assert (code, "cannot be written: No such" in err) == (3, True)

    monkeypatch.setenv("EDGEFLOW_OTA_KEY", PSK)
    modules = VirtualModules(WasmtimeEngine(), key=public, psk=PSK)
    with UpdatableNode(make_firmware("1.0"), psk=PSK, modules=modules) as server:
        node = f"127.0.0.1:{server.port}"
        code, _, err = run(capsys, "upload", node, image)
        assert code != 0
        assert "the signature is forged" in err
        other = tmp_path / "signed.rvf"
        key = tmp_path / "other.pem"
        assert run(capsys, "sign", image, "--key", key, "--out", other)[0] == 0
        assert run(capsys, "upload", node, other)[0] == 0
        assert run(capsys, "stop", node, 0)[0] == 0
        assert run(capsys, "stop", node, 0)[0] != 0
        assert run(capsys, "start", node, 0)[0] == 0
        code, out, _ = run(capsys, "list", node)
        assert "running" in out.splitlines()[1]
        assert run(capsys, "delete", node, 0)[0] == 0
        code, out, _ = run(capsys, "list", node, "--json")
        assert json.loads(out)["loaded"] == 0
        monkeypatch.setenv("EDGEFLOW_OTA_KEY", "fedcba9876543210")
        code, _, err = run(capsys, "list", node)
        assert code != 0
        assert "403" in err
    code, _, err = run(capsys, "list", node)
    assert code == 4
    assert "does not answer" in err


def test_a_module_of_ones_own_runs_over_a_room_and_a_recording(capsys, tmp_path):
    source = tmp_path / "motion.c"
    source.write_text(
        '#include "edgeflow_csi.h"\n'
        "EF_EXPORT(on_timer) void on_timer(void) {\n"
        "    csi_emit_event(900, csi_get_motion_energy());\n}\n"
    )
    source.with_suffix(".toml").write_text(
        'name = "wdp-own-motion"\ncapabilities = ["vitals", "events"]\nmax_frame_us = 2000\n'
    )
    code, out, err = run(capsys, "run", source, "--simulate", "walking", "--seconds", 10, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {row["type"] for row in rows} == {900}
    assert 8 <= len(rows) <= 10
    assert "wdp-own-motion" in err
    image = tmp_path / "own.rvf"
    assert run(capsys, "build", source, "--out", image)[0] == 0
    code, out, _ = run(capsys, "run", image, "--recording", DATA / "mov_01.csv.xz")
    assert code == 0
    assert len(out.splitlines()) > 50


def test_a_simulated_node_runs_modules_beside_its_updates(capsys, tmp_path, key):
    """A real process: nodes that send, take updates, and run what is uploaded."""
    make_key(tmp_path / "ota.pem")
    image = tmp_path / "coherence.rvf"
    assert run(capsys, "build", "coherence", "--key", key, "--out", image)[0] == 0
    (tmp_path / "psk").write_text(PSK)
    port, secret = free_port(), f"file:{tmp_path / 'psk'}"
    program = str(Path(sys.executable).with_name("edgeflow"))
    words = [program, "csi", "simulate", "walking", "--seconds", "600"]
    with SensingHost(port=0) as host:
        words += ["--rate", "10", "--port", str(host.port), "--ota-port", str(port)]
        words += ["--ota-key", secret, "--wasm-pubkey", f"file:{key}.pub"]
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        try:
            node = f"127.0.0.1:{port}"
            upload = ("upload", node, image, "--ota-key", secret)
            wait_until(lambda: run(capsys, *upload)[0] == 0, 60)
            assert main(["ota", "status", node]) == 0

            def codes() -> set[int]:
                return {event.code for event in host.news() if isinstance(event, SensingEvent)}

            wait_until(lambda: 2 in codes(), 60)
            assert host.nodes()[0].firmware == "edgeflow"
        finally:
            process.terminate()
            process.wait(20)


def test_what_another_compiler_made_becomes_a_container(capsys, tmp_path):
    module, image = tmp_path / "hvac_presence.wasm", tmp_path / "hvac.rvf"
    source = SOURCES / "building" / "hvac_presence.c"
    module.write_bytes(build_module(source))
    shutil.copy(source.with_suffix(".toml"), tmp_path)
    assert run(capsys, "build", module, "--out", image)[0] == 0
    said = json.loads(run(capsys, "info", image, "--json")[1])
    assert (said["name"], said["signature"]) == ("wdp-bld-hvac-presence", "none")
    module.write_bytes(b"\0asm of another kind")
    code, _, err = run(capsys, "build", module, "--out", image)
    assert code != 0 and "EF-BUG" not in err


def test_what_is_wrong_with_a_source_is_told(capsys, tmp_path):
    source = tmp_path / "wrong.c"
    source.write_text("int x;\n")
    assert "manifest beside its source" in run(capsys, "build", source, "--out", source)[2]
    manifest = source.with_suffix(".toml")
    for text, told in (
        ('name = "x"\ncapabilities = ["smell"]\n', "smell"),
        ('name = "x"\ncapabilites = []\n', "capabilities"),
        ("capabilities = []\n", "missing"),
        ('name = "x"\nstatus = "perfect"\ncapabilities = []\n', "perfect"),
        ('name = "x"\ncapabilities = []\n[[events]]\nid = 70000\nname = "e"\n', "65535"),
    ):
        manifest.write_text(text)
        code, _, err = run(capsys, "build", source, "--out", tmp_path / "out.rvf")
        assert code != 0
        assert told in err
    assert "hvac_presence" in run(capsys, "run", "hvac_presense")[2]
    assert "edgeflow csi wasm catalogue" in run(capsys, "run", "something-else")[2]


def test_the_catalogue_has_unique_ids_and_says_why_something_is_experimental(capsys):
    code, out, _ = run(capsys, "catalogue", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    ids = [number for row in rows for number in row["events"]]
    assert code == 0
    assert len(rows) >= 30
    assert len(set(ids)) == len(ids)
    assert all(row["reason"] for row in rows if row["status"] == "experimental")
    assert len({row["name"] for row in rows}) == len(rows)
