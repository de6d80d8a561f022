"""The pages about sensing modules are true: the example runs, the table is current."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from readers import Reader, on

from edgeflow.cli import main
from edgeflow.devices.virtual.csi_image import make_firmware
from edgeflow.devices.virtual.csi_modules import VirtualModules
from edgeflow.devices.virtual.csi_update import UpdatableNode
from edgeflow.protocols.rvf import Container
from edgeflow.sensing.modules.wasmtime_engine import WasmtimeEngine

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/write-a-module.md").read_text()
PSK = "0123456789abcdef"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@on("how-to/write-a-module.md")
def test_the_module_of_the_page_is_written_tried_signed_and_uploaded(
    reader: Reader,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "restless.c").write_text(blocks("c")[0])
    (tmp_path / "restless.toml").write_text(blocks("toml")[0])
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    try_it, sign_it, upload, _ = blocks("sh")
    for line in (try_it + sign_it).splitlines():
        assert main(line.removeprefix("edgeflow ").split()) == 0, line
    said = capsys.readouterr()
    assert '"type":900' in said.out.replace(" ", "")
    assert "signed_by_key          True" in said.out

    from edgeflow.devices.updates.signing import load_key

    public = load_key(tmp_path / "modules.pem").public
    assert Container.decode((tmp_path / "restless.rvf").read_bytes()).has_signature
    monkeypatch.setenv("EDGEFLOW_OTA_KEY", PSK)
    modules = VirtualModules(WasmtimeEngine(), key=public, psk=PSK)
    with UpdatableNode(make_firmware("1.0"), psk=PSK, modules=modules) as server:
        for line in upload.replace("192.168.4.7", f"127.0.0.1:{server.port}").splitlines():
            assert main(line.removeprefix("edgeflow ").split()) == 0, line
    assert "wdp-own-restless" in capsys.readouterr().out


def test_the_catalogue_of_the_reference_is_current() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / "docs/modules_page.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert checked.returncode == 0, f"run docs/modules_page.py:\n{checked.stderr}"
