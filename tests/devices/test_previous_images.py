"""The image before is kept per board, and a broken-off flash does not replace it."""

import os
from pathlib import Path

import pytest

from edgeflow.devices.flashing.previous import PreviousImages
from edgeflow.errors import ConfigError

MAC = "24:0a:c4:80:33:5f"


def test_what_was_replaced_is_kept(tmp_path: Path) -> None:
    kept = PreviousImages(tmp_path / "boards")
    assert kept.load(MAC, 4096) is None
    kept.begin(MAC, b"a" * 4096)
    kept.finish(MAC)
    assert kept.load(MAC, 4096) == b"a" * 4096
    assert kept.load(MAC, 8192) is None
    assert kept.load(MAC, 4095) is None


def test_a_flash_that_was_broken_off_does_not_replace_it(tmp_path: Path) -> None:
    kept = PreviousImages(tmp_path)
    kept.begin(MAC, b"good")
    kept.begin(MAC, b"half")
    kept.finish(MAC)
    assert kept.load(MAC, 4) == b"good"
    kept.begin(MAC, b"next")
    kept.finish(MAC)
    assert kept.load(MAC, 4) == b"next"


def test_nothing_worth_keeping_keeps_what_is_there(tmp_path: Path) -> None:
    kept = PreviousImages(tmp_path)
    kept.begin(MAC, b"good")
    kept.finish(MAC)
    kept.begin(MAC, None)
    kept.finish(MAC)
    assert kept.load(MAC, 4) == b"good"


def test_damaged_files_count_as_none(tmp_path: Path) -> None:
    kept = PreviousImages(tmp_path)
    kept.begin(MAC, b"good" * 100)
    file = next(tmp_path.glob("*.image"))
    file.write_bytes(b"no zlib")
    assert kept.load(MAC, 400) is None


def test_the_oldest_boards_go(tmp_path: Path) -> None:
    kept = PreviousImages(tmp_path, limit=2)
    for number in range(4):
        mac = f"00:00:00:00:00:0{number}"
        kept.begin(mac, b"%d" % number)
        kept.finish(mac)
        os.utime(tmp_path / f"00-00-00-00-00-0{number}.image", (number, number))
    assert [kept.load(f"00:00:00:00:00:0{number}", 1) for number in range(4)] == [
        None,
        None,
        b"2",
        b"3",
    ]


@pytest.mark.parametrize("mac", ["", "../../etc", "24:0a:c4:80:33", MAC + "\n"])
def test_only_a_mac_names_a_file(tmp_path: Path, mac: str) -> None:
    with pytest.raises(ConfigError, match="no MAC"):
        PreviousImages(tmp_path).begin(mac, b"x")
