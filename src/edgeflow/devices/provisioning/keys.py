"""What a CSI node can be told: every key in NVS, its type, its range, and the reason of that."""

from dataclasses import dataclass
from typing import Literal

from edgeflow.protocols.nvs import NvsType
from edgeflow.protocols.ota import PSK_LEAST, PSK_MOST

__all__ = ["NAMESPACE", "SECURITY", "SETTINGS", "Form", "Setting", "find_setting"]

NAMESPACE, SECURITY = "csi_cfg", "security"

Form = Literal[
    "text", "passphrase", "token", "url", "address", "number", "thousandth", "switch",
    "channel", "channels", "mac", "key",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing to set.

    Attributes:
        name: as the option is called, without dashes in front.
        key: in NVS.
        about: what it does; the option's help.
        form: how its text is read.
        low, high: of the number, or of the length in bytes.
        reason: why it has these bounds.
        default: what the node does without it.
        secret: never shown.
    """

    name: str
    key: str
    type: NvsType
    form: Form
    about: str
    low: float
    high: float
    reason: str
    default: str
    namespace: str = NAMESPACE
    secret: bool = False

    @property
    def flag(self) -> str:
        """As it is typed."""
        return f"--{self.name}"


_STRING, _BLOB, _U8, _U16, _U32 = (
    NvsType.STRING, NvsType.BLOB, NvsType.U8, NvsType.U16, NvsType.U32,
)  # fmt: skip
_ONE_BYTE = "it is one byte in every packet"

SETTINGS: tuple[Setting, ...] = (
    Setting("ssid", "ssid", _STRING, "text", "Name of the Wi-Fi network.",
            1, 32, "IEEE 802.11 allows no longer names", "of the build"),
    Setting("password", "password", _STRING, "passphrase", "Its password; empty for an open one.",
            0, 64, "WPA takes 8 to 63 characters or 64 hexadecimal digits", "of the build",
            secret=True),
    Setting("target-ip", "target_ip", _STRING, "address", "IPv4 address that packets go to.",
            7, 15, "the node sends to one IPv4 host", "192.168.1.100"),
    Setting("target-port", "target_port", _U16, "number", "UDP port that packets go to.",
            1, 65535, "UDP has no other ports", "5005"),
    Setting("node-id", "node_id", _U8, "number", "Number of the node.",
            0, 255, _ONE_BYTE, "1"),
    Setting("tdm-slot", "tdm_slot", _U8, "number", "Its turn among nodes that take turns.",
            0, 254, "turns are counted from 0 and stay below --tdm-total", "0"),
    Setting("tdm-total", "tdm_nodes", _U8, "number", "How many nodes take turns.",
            1, 255, "a count of one byte, and the node itself is one", "1"),
    Setting("edge-tier", "edge_tier", _U8, "number",
            "0 sends frames, 1 compresses them and runs modules, 2 sends vitals, too.",
            0, 2, "there are three tiers", "2"),
    Setting("pres-thresh", "pres_thresh", _U16, "thousandth",
            "Motion above which somebody is there; 0 is learned.",
            0, 65.535, "it is stored as 16 bits of thousandths", "0"),
    Setting("fall-thresh", "fall_thresh", _U16, "thousandth",
            "How fast the pattern of fading turns and stops in a fall, rad/s^2.",
            0.001, 65.535, "it is stored as 16 bits of thousandths, and 0 alarms all the time",
            "50.0"),
    Setting("vital-win", "vital_win", _U16, "number",
            "Samples that rates are estimated from; without an effect in our own firmware.",
            32, 256, "the node keeps 256, and fewer than 32 hold no breath", "256"),
    Setting("vital-int", "vital_int", _U16, "number", "Milliseconds from vitals to vitals.",
            100, 65535, "the node ignores less than 100, and 16 bits hold no more", "1000"),
    Setting("subk-count", "subk_count", _U8, "number", "Subcarriers that are followed.",
            1, 32, "the node ignores more than 32", "8"),
    Setting("channel", "csi_channel", _U8, "channel",
            "Wi-Fi channel; 0 is that of the access point.",
            0, 177, "channels are 1 to 14 and 36 to 177", "0"),
    Setting("filter-mac", "filter_mac", _BLOB, "mac",
            "Listen to this sender only: AA:BB:CC:DD:EE:FF.",
            6, 6, "it is one sender's address", "none"),
    Setting("hop-channels", "chan_list", _BLOB, "channels",
            "Channels to hop through, such as 1,6,11.",
            1, 6, "the node's table has 6 places", "none"),
    Setting("hop-dwell", "dwell_ms", _U32, "number", "Milliseconds on each of them.",
            10, 60000, "the node ignores less than 10, and beyond a minute it hops no more", "50"),
    Setting("seed-url", "seed_url", _STRING, "url",
            "Where vectors are posted to; our own firmware needs http://.",
            8, 63, "the node has 64 bytes for it, and speaks HTTP", "none"),
    Setting("seed-token", "seed_token", _STRING, "token", "Bearer token for it.",
            1, 63, "the node has 64 bytes for it, and sends it in a header", "none", secret=True),
    Setting("zone", "zone_name", _STRING, "text",
            "Name of the zone; without an effect in our own firmware.",
            1, 15, "the node has 16 bytes for it", "default"),
    Setting("swarm-hb", "swarm_hb", _U16, "number", "Seconds from heartbeat to heartbeat.",
            1, 65535, "16 bits of whole seconds", "30"),
    Setting("swarm-ingest", "swarm_ingest", _U16, "number", "Seconds from vector to vector.",
            1, 65535, "16 bits of whole seconds", "5"),
    Setting("power-duty", "power_duty", _U8, "number",
            "Percent of the time awake; 100 never sleeps.",
            10, 100, "the node ignores less than 10 percent", "100"),
    Setting("wasm-max", "wasm_max", _U8, "number", "Modules at once.",
            1, 8, "the node has 8 slots at most", "4"),
    Setting("wasm-verify", "wasm_verify", _U8, "switch", "Take signed modules only.",
            0, 1, "it is yes or no", "yes"),
    Setting("wasm-older", "wasm_older", _U8, "switch",
            "Take modules older than those that the node has had.",
            0, 1, "it is yes or no", "no"),
    Setting("wasm-pubkey", "wasm_pubkey", _BLOB, "key",
            "Ed25519 key that signs modules: 64 hexadecimal digits, or file:KEY.pub.",
            32, 32, "an Ed25519 public key has 32 bytes", "none"),
    Setting("ota-key", "ota_psk", _STRING, "token", "Key that firmware updates have to show.",
            PSK_LEAST, PSK_MOST, "the node takes 64 characters, and fewer than 16 can be guessed",
            "none", namespace=SECURITY, secret=True),
    Setting("ota-public-key", "ota_pubkey", _BLOB, "key",
            "Ed25519 key that signs firmware: 64 hexadecimal digits, or file:KEY.pub.",
            32, 32, "an Ed25519 public key has 32 bytes", "none", namespace=SECURITY),
)  # fmt: skip
"""All of them, in the order of the help."""

_BY_NAME = {each.name: each for each in SETTINGS}


def find_setting(name: str) -> Setting | None:
    """Return the setting of that name, or None."""
    return _BY_NAME.get(name)
