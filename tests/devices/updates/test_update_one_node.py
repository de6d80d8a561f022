"""One node: what it takes, what it refuses, and what runs after whatever happens."""

import csv
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from update_kit import PSK, QUICK, client, key, node, nodes, roll_out, update

from edgeflow.devices.updates.client import NodeClient, RefusedError
from edgeflow.devices.updates.rollout import take_back
from edgeflow.devices.virtual.csi_image import Behaviour, make_firmware
from edgeflow.devices.virtual.csi_update import (
    FLASH_BYTES,
    PARTITIONS,
    NodeTimes,
    UpdatableNode,
)
from edgeflow.devices.virtual.flash import NorFlash
from edgeflow.errors import CommsError, ConfigError, UnreachableError
from edgeflow.protocols.ota import HEADER_BYTES, key_id
from edgeflow.protocols.partitions import SUBTYPES, TYPES

TABLE = Path(__file__).parents[3] / "firmware/esp32s3/csi_node/partitions.csv"


def slot_bytes(of: UpdatableNode, label: str) -> bytes:
    row = next(row for row in PARTITIONS if row.label == label)
    return bytes(of._flash.memory[row.offset : row.end])


def test_a_good_image_runs_and_stays() -> None:
    with node() as one:
        before = client(one).status()
        assert (before.version, before.running, before.state) == ("1.0.0", "ota_0", "valid")
        assert before.accepts and not before.rollback
        assert before.key == key_id(key().public).hex()
        report = roll_out(update(), one)
        assert not report.failed and report.results[0].outcome == "updated"
        after = client(one).status()
        assert (after.version, after.running, after.state) == ("2.0.0", "ota_1", "valid")
        assert after.previous_version == "1.0.0" and after.rollback
        assert after.sequence == 2 and after.last_failure == ""
        boots = one.boots
        assert roll_out(update(), one).results[0].outcome == "already"
        assert one.boots == boots == 2


def test_the_status_has_what_the_reference_has() -> None:
    with node() as one:
        said = client(one).status().fields
    names = {"version", "date", "time", "running_partition", "next_partition", "max_size"}
    assert names <= said.keys()
    assert said["max_size"] == (2 << 20) - 4096


def test_a_client_that_was_ended_sends_nothing_any_more() -> None:
    with node() as one:
        ended = client(one)
        ended.abort()  # while it still connects, say
        for call in (ended.status, ended.roll_back, lambda: ended.push(update())):
            with pytest.raises(UnreachableError, match="cancelled"):
                call()
        assert client(one).status().last_failure == "" and one.boots == 1


REFUSED = {
    "bad_signature": lambda: with_byte(update(), 130),
    "unknown_key": lambda: update(signer=1),
    "unsigned": lambda: make_firmware("2.0.0"),
    "bad_header": lambda: with_byte(update(), 4),
    "bad_size": lambda: update()[:-16],
}


def with_byte(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("reason", list(REFUSED))
def test_what_is_wrong_is_refused_before_anything_is_erased(reason: str) -> None:
    with node() as one:
        blank = slot_bytes(one, "ota_1")
        record = slot_bytes(one, "otadata")
        with pytest.raises(RefusedError) as refused:
            client(one).push(REFUSED[reason]())
        assert refused.value.reason == reason
        assert slot_bytes(one, "ota_1") == blank == b"\xff" * len(blank)
        assert slot_bytes(one, "otadata") == record
        assert client(one).status().last_failure == reason
        assert one.boots == 1


def test_a_version_that_was_not_signed() -> None:
    """A header changed in its version is not what was signed."""
    data = update().replace(b"2.0.0", b"9.0.0", 1)
    with node() as one, pytest.raises(RefusedError, match="bad_signature"):
        client(one).push(data)


@pytest.mark.parametrize("psk", ["", "wrong", PSK[:-1], PSK + "0", PSK.upper()])
def test_another_key_for_uploads(psk: str) -> None:
    with node() as one:
        for call in (lambda: client(one, psk).push(update()), client(one, psk).roll_back):
            with pytest.raises(RefusedError, match="not_allowed"):
                call()
        assert client(one).status().last_failure == ""


def test_a_node_without_keys_takes_nothing() -> None:
    with node(psk="") as one:
        assert not client(one).status().accepts
        with pytest.raises(RefusedError, match="not_allowed"):
            client(one, "").push(update())
    with node(public_key=None) as one:
        assert not client(one).status().accepts
        with pytest.raises(RefusedError, match="no_public_key"):
            client(one).push(update())


def test_an_image_for_another_board() -> None:
    from edgeflow.devices.updates.signing import sign_image

    for other in (make_firmware("2", board="climate_node"), make_firmware("2", chip=5)):
        with node() as one, pytest.raises(RefusedError, match="other_board"):
            client(one).push(sign_image(other, key())[0])


def test_an_image_that_calls_itself_otherwise_than_its_header() -> None:
    from edgeflow.protocols.ota import pack_update

    pair, image = key(), make_firmware("1.5.0")
    names = {"version": "2.0.0", "board": "csi_node", "chip": 9, "counter": 0}
    wrong = pack_update(image, **names, public_key=pair.public, sign=pair.private.sign)
    with node() as one:
        with pytest.raises(RefusedError, match="other_version"):
            client(one).push(wrong)
        assert client(one).status().version == "1.0.0"
        assert not roll_out(update(), one).failed


def test_an_image_that_arrives_damaged() -> None:
    with node() as one:
        with pytest.raises(RefusedError, match="bad_digest"):
            client(one).push(with_byte(update(), HEADER_BYTES + 5000))
        assert client(one).status().version == "1.0.0"
        assert not roll_out(update(), one).failed


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def upload_head(data: bytes) -> bytes:
    return (
        f"POST /ota HTTP/1.1\r\nHost: n\r\nAuthorization: Bearer {PSK}\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("sent", [0, 100, HEADER_BYTES, 5000])
def test_a_connection_that_ends(sent: int) -> None:
    data = update()
    with node() as one:
        with socket.create_connection((one.host, one.port), timeout=10) as line:
            line.sendall(upload_head(data) + data[:sent])
            line.shutdown(socket.SHUT_WR)
            assert b"incomplete" in line.recv(4096)
        assert client(one).status().last_failure == "incomplete"
        one.restart_soon()
        assert not roll_out(data, one).failed


def test_a_connection_that_falls_silent() -> None:
    data = update()
    with node(times=NodeTimes(boot=0, restart=0.02, network=0, silence=0.5)) as one:
        with socket.create_connection((one.host, one.port), timeout=10) as line:
            line.sendall(upload_head(data) + data[:4000])
            assert b" 408 " in line.recv(4096)
        assert client(one).status().last_failure == "timed_out"


# An image of 16 KB is 4 sectors erased and 4096 words; its note 1 and 48; the record 1 and 8.
CUTS = [(0, "half"), (1, "before"), (2000, "garbage"), (4099, "half"), (4100, "garbage")]
CUTS += [(4130, "half"), (4149, "garbage"), (4150, "half"), (4154, "garbage"), (4157, "half")]


@pytest.mark.parametrize(("after", "manner"), CUTS)
def test_the_power_is_cut_while_it_writes(after: int, manner: str) -> None:
    with node() as one:
        one.updates.cut_power(after, manner)
        with pytest.raises(UnreachableError):
            client(one, early=0.0).push(update())
        report = roll_out(update("3.0.0"), one)
        assert report.results[0].before == "1.0.0"
        assert not report.failed and client(one).status().version == "3.0.0"


@pytest.mark.parametrize(
    ("behaviour", "said"), [("crash", "aborted"), ("hang", "aborted"), ("unfit", "invalid")]
)
def test_firmware_that_does_not_work_goes_back(behaviour: Behaviour, said: str) -> None:
    with node() as one:
        report = roll_out(update("2.0.0", behaviour), one)
        assert report.failed and "went back to 1.0.0" in report.results[0].reason
        assert (report.results[0].before, report.results[0].after) == ("1.0.0", "")
        status = client(one).status()
        assert (status.version, status.state) == ("1.0.0", "valid")
        assert (status.previous_version, status.previous_state) == ("2.0.0", said)
        assert status.last_failure == said
        boots = one.boots
        again = roll_out(update("2.0.0", behaviour), one)
        assert again.failed and "--again" in again.results[0].reason
        assert one.boots == boots  # it was not even tried
        assert not roll_out(update("2.0.1"), one).failed


def test_firmware_that_never_reaches_the_network_goes_back() -> None:
    """The access point's name is in no image: to the node this is a self-test that is not over."""
    with node() as one:
        one.times = NodeTimes(boot=0, restart=0.02, network=1e9, patience=0.2, silence=30)
        report = roll_out(update(), one)
        assert "did not pass its self-test" in report.results[0].reason


def test_a_firmware_on_trial_is_neither_replaced_nor_called_kept() -> None:
    with node() as one:
        one.times = NodeTimes(boot=0, restart=0.02, network=1e9, patience=1e9, silence=30)
        client(one).push(update())
        until(lambda: one.version == "2.0.0")
        report = roll_out(update(), one, patience=0.5)
        assert "has not kept 2.0.0 within 0.5 s" in report.results[0].reason
        assert client(one).status().pending
        with pytest.raises(RefusedError, match="not_confirmed"):
            client(one).push(update("3.0.0"))


def test_back_on_request_and_once_only() -> None:
    with node() as one:
        assert take_back(client(one), poll=0.02).reason.count("nothing_before")
        assert not roll_out(update(), one).failed
        result = take_back(client(one), poll=0.02)
        assert (result.outcome, result.before, result.after) == ("updated", "2.0.0", "1.0.0")
        assert client(one).status().previous_state == "invalid"
        with pytest.raises(RefusedError, match="nothing_before"):
            client(one).roll_back()


def test_a_counter_never_goes_down() -> None:
    with node() as one:
        assert not roll_out(update("2.0.0", counter=5), one).failed
        assert client(one).status().counter == 5
        with pytest.raises(RefusedError, match="downgrade"):
            client(one).push(update("3.0.0", counter=4))
        with pytest.raises(RefusedError, match="downgrade"):
            client(one).roll_back()  # what was before has none
        assert not client(one).status().rollback
        assert not roll_out(update("3.0.0", counter=5), one).failed
        assert not take_back(client(one), poll=0.02).reason


def test_development_without_a_public_key() -> None:
    with node(public_key=None, unsigned=True) as one:
        client(one).push(make_firmware("2.0.0"))
        until(lambda: one.version == "2.0.0")
        assert roll_out(update("2.0.0"), one).results[0].after == "2.0.0"
        with pytest.raises(RefusedError, match="bad_image"):
            client(one).push(with_byte(make_firmware("3.0.0"), 300))


def test_flash_in_a_file_keeps_what_was_updated(tmp_path: Path) -> None:
    for version in ("1.0.0", "2.0.0"):
        flash, _ = NorFlash.open(tmp_path / "flash", FLASH_BYTES)
        with flash, node(flash=flash) as one:
            assert client(one).status().version == version
            assert not roll_out(update(), one).failed


def test_requests_of_strangers_do_not_end_it() -> None:
    noise = [b"\0" * 100 + b"\n", b"GET /ota/status HTTP/9.9\r\n\r\n", b"POST /ota\r\n\r\n"]
    noise += [b"GET " + b"/" * 70000 + b" HTTP/1.1\r\n\r\n", b"GET /../x HTTP/1.1\r\n\r\n"]
    for length in ("-1", "x", "9" * 30, "0x10", ""):
        text = f"POST /ota HTTP/1.1\r\nAuthorization: Bearer {PSK}\r\nContent-Length: {length}"
        noise.append(text.encode() + b"\r\n\r\n")
    with node() as one:
        for data in noise:
            with socket.create_connection((one.host, one.port), timeout=10) as line:
                line.sendall(data)
                line.shutdown(socket.SHUT_WR)
                try:
                    while line.recv(65536):
                        pass
                except ConnectionResetError:
                    continue
        assert client(one).status().version == "1.0.0"
        assert not roll_out(update(), one).failed


def test_it_stops_while_somebody_uploads() -> None:
    data = update()
    with (
        node(times=NodeTimes(boot=0, network=0, silence=60)) as one,
        socket.create_connection((one.host, one.port), timeout=10) as line,
    ):
        line.sendall(upload_head(data) + data[:4000])
        until(lambda: slot_bytes(one, "ota_1")[0] == 0xE9)
        one.close()
        assert not one._thread.is_alive()


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CommsError, match="listen"):
        node(port=taken.getsockname()[1])


@pytest.mark.parametrize("wrong", [{"psk": "short"}, {"psk": "x" * 65}, {"public_key": b"x"}])
def test_keys_of_the_wrong_length(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        node(**wrong)


def _numbers(kind: str, sub: str) -> tuple[int, int]:
    if kind in TYPES:
        return TYPES[kind], SUBTYPES[kind][sub]
    return int(kind, 0), int(sub, 0)


def test_the_partitions_are_the_firmware_s() -> None:
    lines = [line for line in TABLE.read_text().splitlines() if line[0] != "#"]
    rows = list(csv.reader(lines, skipinitialspace=True))
    found = [
        (name, *_numbers(kind, sub), int(at, 0), int(size, 0)) for name, kind, sub, at, size in rows
    ]
    assert found == [(p.label, p.type, p.subtype, p.offset, p.size) for p in PARTITIONS]


def test_nobody_is_there() -> None:
    with nodes(1, times=QUICK) as (one,):
        gone = one.address
    with pytest.raises(UnreachableError, match="does not answer"):
        NodeClient(client(one).address, seconds=1).status()
    assert gone
