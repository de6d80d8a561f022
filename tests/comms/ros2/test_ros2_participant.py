import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from edgeflow.comms.ros2 import DomainOptions, Participant, Sample, Subscription, TopicQos
from edgeflow.comms.ros2.names import check_topic, dds_topic, dds_type, ros_type
from edgeflow.errors import ConfigError, PayloadError, UnreachableError
from edgeflow.protocols.ros_definitions import DEFINITIONS
from edgeflow.protocols.ros_messages import encode
from ros2_sides import DOMAIN, Peer, eventually, peer_process, some_topic

OTHER_DOMAIN = 1 + (DOMAIN + 50) % 100
STAMP = {"stamp": {"sec": 1_700_000_000, "nanosec": 5}, "frame_id": "cam"}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def heard(
    peer: Peer, subscription: Subscription, kind: str, reliable: bool = True, **fields: object
) -> Sample:
    """Let the peer publish, and return what arrives."""
    peer.announce(subscription.topic, kind, reliable=reliable)
    eventually(lambda: subscription.publishers)
    peer.write(subscription.topic, kind, fields=fields)
    (sample,) = eventually(subscription.take)
    return sample


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with peer_process() as peer:
        yield peer


@pytest.fixture(scope="module")
def together() -> Iterator[Participant]:
    """One for tests that leave nothing untaken."""
    participant = Participant(DomainOptions(DOMAIN))
    yield participant
    participant.close()


@pytest.fixture
def participant() -> Iterator[Participant]:
    participant = Participant(DomainOptions(DOMAIN))
    yield participant
    participant.close()


def test_an_image_of_another_process_arrives(peer: Peer, participant: Participant) -> None:
    topic = some_topic()
    images = participant.subscribe(topic, "sensor_msgs/Image")
    sent = {
        "header": STAMP,
        "height": 2,
        "width": 3,
        "encoding": "bgr8",
        "is_bigendian": 0,
        "step": 9,
        "data": list(range(18)),
    }
    fields = heard(peer, images, "Image", **sent).fields()
    assert {**fields, "data": list(fields["data"])} == sent
    assert images.trouble() is None


@pytest.mark.parametrize(
    ("kind", "name", "fields"),
    [
        ("String", "std_msgs/msg/String", {"data": "grüß dich"}),
        ("Bool", "std_msgs/msg/Bool", {"data": True}),
        ("Float32", "std_msgs/msg/Float32", {"data": 0.25}),
        (
            "Temperature",
            "sensor_msgs/msg/Temperature",
            {"header": STAMP, "temperature": 21.5, "variance": 0.5},
        ),
        (
            "Twist",
            "geometry_msgs/msg/Twist",
            {
                "linear": {"x": 1.0, "y": 2.0, "z": 3.0},
                "angular": {"x": 4.0, "y": 5.0, "z": 6.0},
            },
        ),
        (
            "Imu",
            "sensor_msgs/msg/Imu",
            {
                "header": {**STAMP, "frame_id": "imu"},
                "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0},
                "orientation_covariance": [0.5] * 9,
                "angular_velocity": {"x": 1.0, "y": 2.0, "z": 3.0},
                "angular_velocity_covariance": [float(number) for number in range(9)],
                "linear_acceleration": {"x": 0.0, "y": 0.0, "z": 9.81},
                "linear_acceleration_covariance": [1.0] * 9,
            },
        ),
        (
            "CompressedImage",
            "sensor_msgs/msg/CompressedImage",
            {"header": STAMP, "format": "jpeg", "data": [255, 216, 255]},
        ),
    ],
)
def test_messages_go_both_ways(
    peer: Peer, participant: Participant, kind: str, name: str, fields: dict[str, object]
) -> None:
    topic, back = some_topic(), some_topic()
    found = heard(peer, participant.subscribe(topic, name), kind, **fields).fields()
    if "data" in found and isinstance(fields["data"], list):
        found["data"] = list(found["data"])
    assert found == fields
    peer.listen(back, kind)
    publication = participant.publish(back, name)
    assert publication.wait_subscribed(30)
    publication.send(fields)
    assert peer.read(back) == fields


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_cyclone_accepts_what_is_written(together: Participant, name: str) -> None:
    """It checks all bytes against the type that was declared to it, and refuses others."""
    topic = some_topic()
    publication = together.publish(topic, name)
    words = together.subscribe(topic, name)
    assert publication.wait_subscribed(30)
    publication.send({})
    assert eventually(words.take)[0].cdr.rstrip(b"\0") == encode(name, {}).rstrip(b"\0")


def test_a_message_that_is_cut_off_is_not_sent(participant: Participant) -> None:
    publication = participant.publish(some_topic(), "sensor_msgs/Image")
    with pytest.raises(UnreachableError, match="BAD_PARAMETER"):
        publication.send_cdr(encode("sensor_msgs/msg/Image", {"data": bytes(100)})[:-90])
    with pytest.raises(PayloadError, match="height"):
        publication.send({"height": -1})


def test_a_message_that_is_cut_off_on_the_wire_is_dropped(
    peer: Peer, participant: Participant
) -> None:
    images = participant.subscribe(some_topic(), "sensor_msgs/Image", TopicQos("best_effort"))
    peer.announce(images.topic, "Image", reliable=False)
    eventually(lambda: images.publishers)
    whole = encode("sensor_msgs/msg/Image", {"encoding": "mono8", "data": bytes(range(64))})
    peer.inject(images.topic, number=1, cdr=whole.hex())
    assert eventually(images.take)[0].cdr == whole
    for number, length in enumerate((0, 3, 4, 20, 40, len(whole) - 8), 2):
        peer.inject(images.topic, number=number, cdr=whole[:length].hex())
    lying = whole[:28] + b"\xff\xff\xff\x7f" + whole[32:]
    peer.inject(images.topic, number=8, cdr=lying.hex())
    peer.inject(images.topic, number=9, cdr=whole.hex())
    assert [sample.cdr for sample in eventually(images.take)] == [whole]


def test_datagrams_that_make_no_sense_are_passed_over(
    participant: Participant, capfd: pytest.CaptureFixture[str]
) -> None:
    topic, random = some_topic(), Random(1)
    numbers = participant.subscribe(topic, "std_msgs/Int32")
    publication = participant.publish(topic, "std_msgs/Int32")
    assert publication.wait_subscribed(30)
    ports = [7410 + 250 * DOMAIN + number for number in range(4)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for number in range(1000):
            body = random.randbytes(random.randrange(200))
            kind = random.choice([0x06, 0x07, 0x08, 0x09, 0x0E, 0x12, 0x13, 0x15, 0x16, 0x30])
            size = random.choice([0, len(body), 0xFFFF])
            head = b"RTPS\2\1\1\x10" + random.randbytes(12) + struct.pack("<BBH", kind, 5, size)
            stranger.sendto(head + body, ("127.0.0.1", ports[number % 4]))
    publication.send({"data": 5})
    assert eventually(numbers.take)[0].fields() == {"data": 5}
    assert capfd.readouterr().err == ""


def test_a_publisher_of_another_type_is_named(peer: Peer, participant: Participant) -> None:
    topic = some_topic()
    images = participant.subscribe(topic, "sensor_msgs/Image")
    assert images.trouble() == f"nobody publishes {topic}"
    peer.announce(topic, "String")
    eventually(lambda: participant.publishers(topic))
    assert images.trouble() == (
        f"{topic} is published as std_msgs/msg/String, not sensor_msgs/msg/Image"
    )
    peer.leave(topic)
    eventually(lambda: images.trouble() == f"nobody publishes {topic}")


def test_a_publisher_that_lies_about_a_type_is_not_heard(
    peer: Peer, participant: Participant
) -> None:
    topic = some_topic()
    words = participant.subscribe(topic, "std_msgs/String")
    peer.announce(topic, "LyingString")
    eventually(lambda: participant.publishers(topic))
    eventually(lambda: "type definition" in str(words.trouble()))
    peer.write(topic, "LyingString", fields={"number": 7}, heard=False)
    assert not participant.wait(0.2)


def test_qualities_that_do_not_fit_are_named(peer: Peer, participant: Participant) -> None:
    topic = some_topic()
    words = participant.subscribe(topic, "std_msgs/String", TopicQos("reliable"))
    peer.announce(topic, "String", reliable=False)
    eventually(lambda: "another reliability" in str(words.trouble()))


def test_best_effort_hears_both(peer: Peer, participant: Participant) -> None:
    for reliable in (True, False):
        words = participant.subscribe(some_topic(), "std_msgs/String", TopicQos("best_effort"))
        sample = heard(peer, words, "String", reliable=reliable, data="x")
        assert sample.fields() == {"data": "x"}


def test_late_subscribers_get_what_was_kept_for_them(peer: Peer, participant: Participant) -> None:
    topic = some_topic()
    peer.announce(topic, "String", late=True)
    peer.write(topic, "String", fields={"data": "kept"}, heard=False)
    words = participant.subscribe(topic, "std_msgs/String", TopicQos("reliable", "transient_local"))
    assert participant.wait(30)
    assert words.take()[0].fields() == {"data": "kept"}


def test_only_the_newest_messages_wait(participant: Participant) -> None:
    topic = some_topic()
    words = participant.subscribe(topic, "std_msgs/Int32", TopicQos(depth=3))
    publication = participant.publish(topic, "std_msgs/Int32")
    assert publication.wait_subscribed(30)
    for number in range(10):
        publication.send({"data": number})
    assert participant.wait(30)
    assert [sample.fields()["data"] for sample in words.take()] == [7, 8, 9]


def test_a_domain_has_one_network_in_a_process(participant: Participant) -> None:
    with pytest.raises(ConfigError, match=f"domain {DOMAIN} is open on 'lo'"):
        Participant(DomainOptions(DOMAIN, "127.0.0.1"))


def test_a_closed_domain_can_be_opened_anew() -> None:
    before = open_files()
    for interface in ("lo", "127.0.0.1", "lo"):
        participant = Participant(DomainOptions(OTHER_DOMAIN, interface))
        participant.publish("/x", "std_msgs/Bool")
        participant.subscribe("/x", "std_msgs/Bool")
        participant.close()
        participant.close()
    assert open_files() <= before + 1


@pytest.mark.parametrize("interface", ["eth9876", "203.0.113.7"])
def test_an_interface_that_is_not_there_is_named(interface: str) -> None:
    with pytest.raises(UnreachableError, match=interface):
        Participant(DomainOptions(OTHER_DOMAIN, interface))


def test_sockets_hear_loopback_only() -> None:
    """Cyclone DDS binds what it receives with to all addresses."""
    participant = Participant(DomainOptions(OTHER_DOMAIN))
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            copy = os.dup(int(entry.name))
        except OSError:
            continue
        try:
            held = socket.socket(fileno=copy)
        except OSError:
            os.close(copy)
            continue
        with held:
            if held.family == socket.AF_INET and held.type == socket.SOCK_DGRAM:
                bound = held.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
                found.append((held.getsockname()[0], bound.rstrip(b"\0")))
    participant.close()
    assert found
    assert all(address == "127.0.0.1" or bound == b"lo" for address, bound in found)


def test_a_missing_package_is_named() -> None:
    program = (
        "import sys; sys.modules['cyclonedds'] = None\n"
        "from edgeflow.comms.ros2 import Participant\n"
        "try: Participant()\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert "MissingExtraError" in done.stdout
    assert "edgeflow[ros2]" in done.stdout


def test_names_are_those_of_ros() -> None:
    assert dds_topic("camera/image_raw") == "rt/camera/image_raw"
    assert dds_type("sensor_msgs/msg/Image") == "sensor_msgs::msg::dds_::Image_"
    assert ros_type("sensor_msgs::msg::dds_::Image_") == "sensor_msgs/msg/Image"
    assert ros_type("Other::Thing") == "Other::Thing"
    for wrong in ("", "/", "a//b", "1st", "a b", "a/", "a__b", "/" + "x" * 300, "a\nb", "ä"):
        with pytest.raises(ConfigError):
            check_topic(wrong)
