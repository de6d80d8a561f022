from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.devices.virtual.boot import inspect
from edgeflow.devices.virtual.flash import NorFlash
from edgeflow.devices.virtual.image import model_files, partition_table, prepare, put_files
from edgeflow.errors import ConfigError
from edgeflow.protocols.spiffs import unpack
from virtual_models import lstm

MIB = 1 << 20


@given(st.lists(st.tuples(st.integers(0, 8000), st.binary(max_size=300)), max_size=8))
def test_writes_only_clear_bits(writes: list[tuple[int, bytes]]) -> None:
    flash = NorFlash.in_memory(MIB)
    expected = bytearray(b"\xff" * 9000)
    for offset, data in writes:
        flash.program(offset, data)
        for place, byte in enumerate(data, offset):
            expected[place] &= byte
    assert flash.read(0, 9000) == expected


def test_erases_set_whole_sectors_and_wear_them() -> None:
    flash = NorFlash.in_memory(MIB)
    flash.program(0, bytes(0x20000))
    flash.erase(0x1000, 0x1F000)
    assert flash.read(0x0FF0, 0x20) == bytes(16) + b"\xff" * 16
    assert flash.wear[0] == 0 and flash.wear[1:0x20].tolist() == [1] * 0x1F
    with pytest.raises(ValueError, match="whole sectors"):
        flash.erase(0x800, 0x1000)


def test_blocks_erase_faster_than_their_sectors() -> None:
    flash = NorFlash.in_memory(MIB)
    flash.erase(0, 0x10000)
    block = flash.busy_us
    flash.erase(0x1000, 0x10000)
    assert flash.busy_us - block == 16 * 45_000 and block == 150_000


def test_chips_in_memory_share_nothing_but_their_blank_pages() -> None:
    first, second = NorFlash.in_memory(MIB), NorFlash.in_memory(MIB)
    first.program(0, b"\0")
    assert second.read(0, 1) == b"\xff"


def test_a_file_keeps_contents_and_wear(tmp_path: Path) -> None:
    path = tmp_path / "flash.bin"
    flash, new = NorFlash.open(path, MIB)
    assert new
    with flash:
        flash.erase(0x3000, 0x1000)
        flash.program(0x3000, b"kept")
    again, new = NorFlash.open(path, 4 * MIB)
    with again:
        assert not new and again.size == MIB
        assert again.read(0x3000, 4) == b"kept" and again.wear[3] == 1
        with pytest.raises(ConfigError, match="belongs to a board that runs"):
            NorFlash.open(path, MIB)
    assert path.stat().st_size == MIB


def test_files_that_are_no_flash_are_refused(tmp_path: Path) -> None:
    odd = tmp_path / "odd.bin"
    odd.write_bytes(bytes(5000))
    with pytest.raises(ConfigError, match="5000 bytes"):
        NorFlash.open(odd, MIB)
    empty = tmp_path / "empty.bin"
    empty.touch()
    with pytest.raises(ConfigError):
        NorFlash.open(empty, MIB)
    with pytest.raises(ConfigError):
        NorFlash.open(tmp_path / "no" / "folder.bin", MIB)


def test_a_new_board_starts_and_one_without_table_or_firmware_does_not() -> None:
    flash = NorFlash.in_memory(16 * MIB)
    assert "invalid header: 0xffffffff" in inspect(flash).problem
    prepare(flash, reference=False)
    found = inspect(flash)
    assert not found.problem
    assert {"factory", "model", "modelctl", "model_a", "model_b"} < set(found.partitions)
    flash.erase(0x10000, 0x1000)
    assert "No bootable app" in inspect(flash).problem
    flash.erase(0x8000, 0x1000)
    assert "partition table" in inspect(flash).problem


def test_tables_fit_their_chips() -> None:
    for size, reference in ((8, False), (16, False), (8, True)):
        rows = partition_table(size * MIB, reference=reference)
        assert rows[-1].end <= size * MIB
        ends = [row.end for row in rows[:-1]]
        assert ends == [row.offset for row in rows[1:]]
    with pytest.raises(ConfigError, match="too small"):
        prepare(NorFlash.in_memory(4 * MIB), reference=False)


def test_a_model_lands_in_spiffs_with_its_meta() -> None:
    flash = NorFlash.in_memory(16 * MIB)
    prepare(flash, reference=False)
    model = lstm()
    storage = inspect(flash).partitions["model"]
    put_files(flash, storage, model_files(model, None, reference=False))
    before = np.array(flash.wear)
    put_files(flash, storage, model_files(model, None, reference=False))
    assert (flash.wear == before).all()
    files = unpack(flash.read(storage.offset, storage.size))
    assert files["model_fp32.bin"] == model and b'"hidden": 6' in files["model_meta.json"]


def test_models_are_checked_before_they_are_written() -> None:
    with pytest.raises(ConfigError):
        model_files(b"no model", None, reference=False)
    with pytest.raises(ConfigError):
        model_files(lstm(), b'{"T":9,"F":2,"H":3,"hidden":6}', reference=False)


def test_a_file_that_is_no_flash_chip_is_left_alone(tmp_path):
    file = tmp_path / "model.bin"
    file.write_bytes(b"x" * 20016)
    with pytest.raises(ConfigError, match="20016 bytes"):
        NorFlash.open(file, 1 << 20)
    assert [each.name for each in tmp_path.iterdir()] == ["model.bin"]
    assert file.read_bytes() == b"x" * 20016
