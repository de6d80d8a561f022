"""Nodes are told their settings by the real esptool, and keep what was not mentioned."""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from edgeflow.devices.boards.base import SwapProgress
from edgeflow.devices.provisioning.image import build_image
from edgeflow.devices.provisioning.node import find_nvs, provision, read_settings
from edgeflow.devices.provisioning.values import parse_values
from edgeflow.devices.virtual.board import VirtualBoard
from edgeflow.errors import CancelledError, ConfigError, UnreachableError
from edgeflow.protocols.nvs import NvsEntry, NvsType, decode_nvs
from edgeflow.protocols.partitions import TABLE_OFFSET, Partition, encode_table

OFFSET, SIZE = 0x9000, 0x6000
SECRET = "a long secret"
OTHERS = [
    NvsEntry("phy", "cal_data", NvsType.BLOB, bytes(range(256)) * 7),
    NvsEntry("csi_cfg", "ssid", NvsType.STRING, "home"),
    NvsEntry("csi_cfg", "edge_tier", NvsType.U8, 1),
    NvsEntry("nvs.net80211", "sta.chan", NvsType.I8, -3),
    NvsEntry("csi_cfg", "tdm_nodes", NvsType.U8, 3),
]


@pytest.fixture
def virtual() -> Iterator[VirtualBoard]:
    with VirtualBoard(transport="rfc2217", instant=True) as board:
        yield board


def put(board: VirtualBoard, offset: int, data: bytes) -> None:
    board.flash.erase(offset, len(data))
    board.flash.program(offset, data)


class Watcher:
    """Looks at the programs that run and the files that lie about while settings are written."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.files: dict[Path, int] = {}

    def __call__(self, step: SwapProgress) -> None:
        for child in psutil.Process().children(recursive=True):
            try:
                command = " ".join(child.cmdline())
                if "esptool" not in command:
                    continue  # of a test before
                self.commands.append(command)
                folder = Path(child.cwd())
                for file in folder.iterdir():
                    self.files[file] = stat.S_IMODE(file.stat().st_mode)
                self.files[folder] = stat.S_IMODE(folder.stat().st_mode)
            except (psutil.NoSuchProcess, FileNotFoundError):
                continue


def test_what_is_not_mentioned_stays_and_secrets_are_not_left_behind(
    virtual: VirtualBoard,
) -> None:
    put(virtual, OFFSET, build_image(OTHERS, SIZE))
    wear, watcher = virtual.flash.wear.copy(), Watcher()
    values = parse_values({"edge-tier": "2", "pres-thresh": "0.05", "password": SECRET})
    done = provision(virtual.port, values, on_progress=watcher)

    assert done.written and done.kept == 4 and done.damaged == 0
    assert [each.name for each in done.changes] == ["password", "edge-tier", "pres-thresh"]
    assert done.settings["ssid"] == "home" and done.settings["password"] == "set"
    found = decode_nvs(virtual.flash.read(OFFSET, SIZE))
    values_by_key = {each.key: each.value for each in found.entries}
    assert values_by_key == {
        **{each.key: each.value for each in OTHERS},
        "edge_tier": 2, "pres_thresh": 50, "password": SECRET,
    }  # fmt: skip
    worn = (virtual.flash.wear - wear).nonzero()[0]
    assert list(worn) == [OFFSET // 4096]  # only the sector that differs
    assert virtual.state != "loader"

    assert any("write-flash" in command for command in watcher.commands)
    assert not any(SECRET in command for command in watcher.commands)
    new = [file for file in watcher.files if file.name == "new-0.bin"]
    assert new and all(watcher.files[file] == 0o600 for file in new)
    assert watcher.files[new[0].parent] == 0o700
    if os.access("/dev/shm", os.W_OK):
        assert all(file.is_relative_to("/dev/shm") for file in new)
    assert not any(file.exists() for file in watcher.files)

    wear = virtual.flash.wear.copy()
    with pytest.raises(ConfigError, match="--tdm-slot 3: not below --tdm-total, which is 3"):
        provision(virtual.port, {"tdm-slot": 3})
    assert (virtual.flash.wear == wear).all()


def test_half_a_partition_is_refused_unless_it_is_dropped(virtual: VirtualBoard) -> None:
    image = bytearray(build_image(OTHERS, SIZE))
    for at in range(64, 4096, 32):  # as an encrypted one looks
        image[at + 4] ^= 0xFF
    put(virtual, OFFSET, bytes(image))
    with pytest.raises(ConfigError, match="damaged or encrypted"):
        read_settings(virtual.port)
    assert virtual.flash.read(OFFSET, SIZE) == bytes(image)
    done = provision(virtual.port, {"node-id": 7}, reset=True, dry_run=True)
    assert not done.written and done.kept == 0 and done.settings == {"node-id": "7"}
    assert virtual.flash.read(OFFSET, SIZE) == bytes(image)


def test_a_partition_elsewhere_is_found_where_the_table_says(virtual: VirtualBoard) -> None:
    offset, size = 0x300000, 0x4000
    table = encode_table([Partition("settings", 1, 2, offset, size)])
    put(virtual, TABLE_OFFSET, table.ljust(4096, b"\xff"))
    put(virtual, offset, build_image(OTHERS, size))
    done = provision(virtual.port, {"node-id": 7}, dry_run=True)
    assert (done.partition.label, done.kept) == ("settings", len(OTHERS))
    values, content = read_settings(virtual.port)
    assert values == {"ssid": "home", "tdm-total": 3, "edge-tier": 1}
    assert len(content.entries) == len(OTHERS)


def test_a_cancelled_one_leaves_the_node_running(virtual: VirtualBoard) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        provision(virtual.port, {"node-id": 7}, cancel=cancel)
    assert virtual.state != "loader"
    assert virtual.flash.read(OFFSET, SIZE) == b"\xff" * SIZE


def test_a_board_without_the_partition_is_refused(virtual: VirtualBoard) -> None:
    table = encode_table([Partition("factory", 0, 0, 0x10000, 0x100000)])
    put(virtual, TABLE_OFFSET, table.ljust(4096, b"\xff"))
    with pytest.raises(ConfigError, match="no NVS partition; it has: factory"):
        provision(virtual.port, {"node-id": 7})


def test_which_partition_is_meant() -> None:
    app = Partition("factory", 0, 0, 0x10000, 0x100000)
    first = Partition("storage", 1, 2, 0x9000, 0x4000)
    named = Partition("nvs", 1, 2, 0x20000, 0x6000)
    assert find_nvs([app, first, named]) == named
    assert find_nvs([app, first]) == first
    for wrong, why in [
        (named._replace(flags=1), "encrypted"),
        (named._replace(size=0x6001), "24577 bytes"),
        (named._replace(size=64 << 20), "no place"),
    ]:
        with pytest.raises(ConfigError, match=why):
            find_nvs([app, wrong])


def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(UnreachableError):
        provision("/dev/edgeflow-nothing", {"node-id": 7})
