"""Settings of nodes: what is taken, what is refused and why, and what nobody gets to see."""

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.devices.provisioning.keys import NAMESPACE, SECURITY, SETTINGS, find_setting
from edgeflow.devices.provisioning.merging import current_values, list_changes, merge
from edgeflow.devices.provisioning.secrets import is_in_clear, resolve
from edgeflow.devices.provisioning.values import check_together, parse_values, texts
from edgeflow.errors import ConfigError
from edgeflow.protocols.nvs import NvsEntry, NvsType

RIGHT = {
    "ssid": ("Küche", "Küche"),
    "password": ("correct horse", "correct horse"),
    "target-ip": ("10.0.0.7", "10.0.0.7"),
    "target-port": ("5005", 5005),
    "node-id": ("255", 255),
    "tdm-slot": ("2", 2),
    "tdm-total": ("3", 3),
    "edge-tier": ("2", 2),
    "pres-thresh": ("0.05", 50),
    "fall-thresh": ("15.0", 15000),
    "vital-win": ("256", 256),
    "vital-int": ("1000", 1000),
    "subk-count": ("8", 8),
    "channel": ("161", 161),
    "filter-mac": ("a0:BB:cc:dd:ee:ff", bytes.fromhex("a0bbccddeeff")),
    "hop-channels": ("1, 6,11", b"\x01\x06\x0b"),
    "hop-dwell": ("200", 200),
    "seed-url": ("http://10.0.0.9:8080/", "http://10.0.0.9:8080"),
    "seed-token": ("abc.def", "abc.def"),
    "zone": ("kitchen", "kitchen"),
    "swarm-hb": ("30", 30),
    "swarm-ingest": ("5", 5),
    "power-duty": ("10", 10),
    "wasm-max": ("8", 8),
    "wasm-verify": ("no", 0),
    "wasm-older": ("yes", 1),
    "wasm-pubkey": ("11" * 32, b"\x11" * 32),
    "ota-key": ("0123456789abcdef", "0123456789abcdef"),
    "ota-public-key": ("22" * 32, b"\x22" * 32),
}
WRONG = [
    ("ssid", "", "0 bytes, not 1 to 32: IEEE 802.11"),
    ("ssid", "ü" * 17, "34 bytes, not 1 to 32"),
    ("ssid", "a\nb", "none of a text"),
    ("password", "short77", "7 characters: WPA takes 8"),
    ("password", "x" * 64, "64 characters"),
    ("target-ip", "10.0.0.256", "no IPv4 address"),
    ("target-ip", "::1", "no IPv4 address"),
    ("target-ip", "127.0.0.1", "another host"),
    ("target-ip", "255.255.255.255", "one host"),
    ("target-port", "0", "not within 1 to 65535"),
    ("node-id", "256", "one byte in every packet"),
    ("node-id", "-1", "not within 0 to 255"),
    ("node-id", "1.5", "no whole number"),
    ("tdm-total", "0", "not within 1 to 255"),
    ("edge-tier", "3", "three tiers"),
    ("pres-thresh", "65.536", "16 bits of thousandths"),
    ("pres-thresh", "0.0004", "stored as 0"),
    ("pres-thresh", "nan", "no number"),
    ("fall-thresh", "0", "alarms all the time"),
    ("fall-thresh", "5000", "65.535; 5, if in thousandths"),
    ("fall-thresh", "inf", "no number"),
    ("vital-win", "300", "the node keeps 256"),
    ("vital-int", "99", "ignores less than 100"),
    ("subk-count", "33", "not within 1 to 32"),
    ("channel", "15", "1 to 14 and 36 to 177"),
    ("filter-mac", "AABBCCDDEEFF", "AA:BB"),
    ("filter-mac", "01:00:5e:00:00:01", "single device"),
    ("hop-channels", "1,2,3,4,5,6,7", "7 channels, not 1 to 6"),
    ("hop-channels", "1,6,1", "twice"),
    ("hop-channels", "1,,6", "no whole number"),
    ("hop-channels", "20", "20 is no channel"),
    ("hop-dwell", "9", "ignores less than 10"),
    ("seed-url", "ftp://x/aaa", "no http://host"),
    ("seed-url", "http://" + "x" * 60, "67 bytes"),
    ("seed-url", "http://me:pw@host", "no place in it"),
    ("seed-token", "a b", "spaces"),
    ("zone", "sixteen-letters!", "16 bytes, not 1 to 15"),
    ("swarm-hb", "0", "not within 1"),
    ("power-duty", "9", "ignores less than 10 percent"),
    ("wasm-max", "9", "8 slots"),
    ("wasm-verify", "maybe", "neither yes nor no"),
    ("wasm-pubkey", "11" * 31, "no Ed25519"),
    ("wasm-pubkey", "zz", "64 hexadecimal digits"),
    ("ota-key", "tooshort", "can be guessed"),
    ("ota-key", "x" * 65, "64 characters"),
]


def test_every_setting_is_taken_and_stored_in_its_type() -> None:
    assert set(RIGHT) == {each.name for each in SETTINGS}
    values = parse_values({name: text for name, (text, _) in RIGHT.items()})
    assert values == {name: stored for name, (_, stored) in RIGHT.items()}
    check_together(values)
    entries = merge([], values)
    places = {(each.namespace, each.key): (each.type, each.value) for each in entries}
    assert places[NAMESPACE, "pres_thresh"] == (NvsType.U16, 50)
    assert places[NAMESPACE, "hop_count"] == (NvsType.U8, 3)
    assert places[SECURITY, "ota_psk"] == (NvsType.STRING, "0123456789abcdef")
    assert current_values(entries) == values


@pytest.mark.parametrize(("name", "text", "why"), WRONG)
def test_what_is_out_of_range_is_refused_with_the_reason(name: str, text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_values({name: text})
    assert f"--{name}" in caught.value.message
    assert why in caught.value.message


def test_all_mistakes_are_told_at_once_and_no_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_values({"edge-tier": "7", "password": "geheim", "zone": "x" * 20, "edge-teir": "1"})
    lines = caught.value.message.splitlines()
    assert [line.split()[0] for line in lines] == ["--edge-tier", "--password:", "--zone", "there"]
    assert "geheim" not in str(caught.value)
    assert "edge-tier" in lines[3]


@given(st.sampled_from(SETTINGS), st.text(max_size=100))
@settings(max_examples=400, deadline=None)
def test_arbitrary_texts_are_taken_or_refused(setting, text: str) -> None:
    try:
        (value,) = parse_values({setting.name: text}).values()
    except ConfigError:
        return
    (entry, *_) = [e for e in merge([], {setting.name: value}) if e.key == setting.key]
    widths = {NvsType.U8: "<B", NvsType.U16: "<H", NvsType.U32: "<I"}
    if setting.type in widths:
        struct.pack(widths[setting.type], entry.value)
    shown = texts({setting.name: value})[setting.name]
    if not setting.secret and setting.form not in ("url", "key"):
        assert parse_values({setting.name: shown}) == {setting.name: value}


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="--tdm-slot 3: not below --tdm-total, which is 3"):
        check_together({"tdm-slot": 3, "tdm-total": 3})
    with pytest.raises(ConfigError, match=r"which is 1.*\n--seed-token"):
        check_together({"tdm-slot": 1, "seed-token": "x"})


def test_what_is_not_mentioned_stays() -> None:
    other = NvsEntry("phy", "cal_data", NvsType.BLOB, b"\1" * 100)
    odd = NvsEntry(NAMESPACE, "edge_tier", NvsType.I8, 1)
    before = [other, odd, *merge([], {"ssid": "home", "hop-channels": b"\1\6", "edge-tier": 1})]
    after = merge(before, {"edge-tier": 2}, ["hop-channels"])
    assert other in after and odd not in after
    assert current_values(after) == {"ssid": "home", "edge-tier": 2}
    assert not [each for each in after if each.key in ("hop_count", "chan_list")]
    changes = {each.name: each[1:] for each in list_changes(before, after)}
    assert changes == {"edge-tier": ("1", "2"), "hop-channels": ("1,6", None)}


def test_secrets_are_never_shown() -> None:
    values = {"password": "geheim123", "ota-key": "0123456789abcdef", "seed-token": "t"}
    assert set(texts(values).values()) == {"set"}
    assert "geheim" not in repr(merge([], values)) + repr(list_changes([], merge([], values)))
    changed = list_changes(merge([], values), merge([], values | {"password": "geheim124"}))
    assert [tuple(each) for each in changed] == [("password", "set", "set")]


def test_secrets_come_from_elsewhere(tmp_path: Path) -> None:
    password, key, zone = (find_setting(name) for name in ("password", "wasm-pubkey", "zone"))
    assert password and key and zone
    (tmp_path / "pw").write_text("from a file\n")
    questions: list[str] = []

    def get(setting, text: str) -> str:
        def ask(question: str) -> str:
            questions.append(question)
            return "asked for"

        return resolve(setting, text, ask=ask, environment={"PW": "from outside"})

    assert get(password, f"file:{tmp_path}/pw") == "from a file"
    assert get(password, "env:PW") == "from outside"
    assert get(password, "-") == "asked for"
    assert questions == ["password: "]
    assert get(password, "plain") == "plain"
    assert get(zone, "env:PW") == "env:PW"
    assert is_in_clear(password, "plain") and not is_in_clear(password, "env:PW")
    assert not is_in_clear(zone, "plain") and not is_in_clear(password, "")
    for text, why in [("env:NO", "no variable NO"), ("file:/nowhere/pw", "cannot be read")]:
        with pytest.raises(ConfigError, match=why):
            get(password, text)
    (tmp_path / "pw").write_bytes(b"x" * 5000)
    with pytest.raises(ConfigError, match="longer than 4096"):
        get(password, f"file:{tmp_path}/pw")
    (tmp_path / "pw").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="no UTF-8"):
        get(password, f"file:{tmp_path}/pw")


def test_a_public_key_comes_from_pem(tmp_path: Path) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, form).decode()
    assert parse_values({"wasm-pubkey": pem}) == {"wasm-pubkey": key.public_bytes_raw()}
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(ConfigError, match="no Ed25519"):
        parse_values({"wasm-pubkey": other.public_bytes(serialization.Encoding.PEM, form).decode()})
