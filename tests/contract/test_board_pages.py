"""The pages about boards, done as a reader does them."""

import os
import subprocess
from pathlib import Path

from readers import on

ROOT = Path(__file__).parents[2]


@on("how-to/firmware.md")
def test_building_firmware(reader):
    sdk = reader.folder / "esp-idf"
    sdk.mkdir()
    (sdk / "export.sh").write_text(f'export PATH="{sdk}:$PATH"\n')
    tool = sdk / "idf.py"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {reader.folder}/calls\n')
    tool.chmod(0o755)
    commands = reader.commands("IDF_PATH=")
    for command in commands:
        environment = os.environ | {"HOME": str(reader.folder)}
        subprocess.run(["bash", "-c", command], cwd=ROOT, env=environment, check=True)
    calls = (reader.folder / "calls").read_text().splitlines()
    assert len(commands) == 5
    assert calls[0] == calls[2] == "-C esp32/model_client -p /dev/ttyACM0 -b 460800 build flash"
    assert calls[1] == "-C esp32/model_client set-target esp32s3"
    node = "-C firmware/esp32s3/csi_node"
    assert calls[3:] == [
        f"{node} set-target esp32s3",
        f"{node} -p /dev/ttyACM0 -b 460800 build flash",
    ]
