"""The page about provisioning, done as a reader does it, on a board that is only software."""

import re
from pathlib import Path

from readers import DOCS, assert_printed, on

from edgeflow.devices.provisioning.keys import SETTINGS

ROOT = Path(__file__).parents[2]
PORT = r"(?m)^rfc2217://\S+$"


@on("how-to/provision-a-node.md")
def test_provision_a_node(reader):
    (reader.folder / "scripts").symlink_to(ROOT / "scripts")
    reader.environment["WIFI_PASSWORD"] = "correct horse"
    (start,) = reader.commands("edgeflow devices virtual")
    first, show = reader.commands("edgeflow provision")
    (second,) = reader.commands("python scripts/provision.py")
    with reader.serving(f"{start} --instant") as board:
        board.says(PORT)
        port = re.search(PORT, board.log.read_text())[0]

        def run(command):
            told = reader.run(command.replace("/dev/ttyACM0", f"'{port}'"))
            assert "correct horse" not in told
            return told.replace(port, "/dev/ttyACM0")

        assert_printed(reader.printed("hop-channels"), run(first))
        assert_printed(reader.printed("pres-thresh"), run(second))
        shown = dict(line.split(None, 1) for line in run(show).splitlines()[-len(SETTINGS) - 1 :])
    assert shown["ssid"] == "home" and shown["password"] == "set"
    assert shown["edge-tier"] == "2" and shown["fall-thresh"] == "(50.0)"
    assert shown["8"].startswith("entries")


def test_the_page_has_every_setting_as_the_table_has_it():
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (DOCS / "how-to/provision-a-node.md").read_text().splitlines()
        if line.startswith("| `--") and line.count("|") == 5
    ]
    told = {row[0].split("`")[1]: row for row in rows}
    assert list(told) == [each.flag for each in SETTINGS]
    for setting in SETTINGS:
        row = told[setting.flag]
        assert row[1].startswith(f"`{setting.key}` {setting.type.name.lower()}")
        assert row[3] == setting.default
        if setting.form in ("number", "thousandth"):
            assert row[2] == f"{setting.low:g} to {setting.high:g}"
