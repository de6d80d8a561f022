"""The core's updates from Python: one rule for settings on both sides, and bounds."""

import pytest

from edgeflow._native import updates
from edgeflow._native.library import lib
from edgeflow.devices.provisioning.keys import SETTINGS
from edgeflow.errors import ConfigError
from edgeflow.protocols import ota
from edgeflow.protocols.nvs import NvsType


def test_node_and_provisioning_have_the_same_lengths() -> None:
    known = updates.node_setting_lengths()
    for setting in SETTINGS:
        if setting.type not in (NvsType.STRING, NvsType.BLOB):
            continue
        least, most = known[setting.namespace, setting.key]
        assert most == setting.high, setting.name
        # What a node takes for "none" need not be typed by anybody.
        assert least == setting.low or (least == 0 and setting.key.startswith("seed_"))


def test_every_setting_of_one_side_is_on_the_other() -> None:
    ours = {(each.namespace, each.key) for each in SETTINGS}
    assert set(updates.node_setting_lengths()) == ours | {("csi_cfg", "hop_count")}


def test_the_header_and_the_key_are_as_long_on_both_sides() -> None:
    assert lib.EF_OTA_HEADER_BYTES == ota.HEADER_BYTES
    assert (lib.EF_OTA_PSK_LEAST, lib.EF_OTA_PSK_MOST) == (ota.PSK_LEAST, ota.PSK_MOST)


def test_the_key_is_compared_whole() -> None:
    assert updates.bearer_matches("Bearer 0123456789abcdef", "0123456789abcdef")
    for wrong in (None, "", "Bearer ", "Bearer 0123456789abcde", "Basic 0123456789abcdef", "ü"):
        assert not updates.bearer_matches(wrong, "0123456789abcdef")
    assert not updates.bearer_matches("Bearer ", "")


def test_sizes_that_are_none() -> None:
    sector, slot = memoryview(bytearray(4096)), memoryview(bytearray(8192))
    with pytest.raises(ConfigError):
        updates.NativeUpdates(sector, [slot, slot])
    with pytest.raises(ConfigError):
        updates.NativeUpdates(slot, [slot])
    with pytest.raises(ConfigError):
        updates.NativeUpdates(slot, [slot, slot[:100]])
    assert updates.NativeUpdates(slot, [slot, slot]).start() is None


def test_the_nodes_own_test_of_its_sensing() -> None:
    assert updates.sensing_works()
