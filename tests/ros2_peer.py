"""The other side of DDS: a process that knows only the public ``cyclonedds`` package.

It declares the messages of ROS 2 by itself, takes one JSON command per line, and answers each.
"""

import json
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass

from cyclonedds.core import Policy, Qos
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import array, float32, float64, int32, sequence, uint8, uint32
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration

LOOPBACK = """<CycloneDDS><Domain>
<General><Interfaces><NetworkInterface name="lo"/></Interfaces>
<AllowMulticast>false</AllowMulticast></General>
<Discovery><ParticipantIndex>auto</ParticipantIndex>
<Peers><Peer address="127.0.0.1"/></Peers></Discovery>
</Domain></CycloneDDS>"""


@dataclass
class Time(IdlStruct, typename="builtin_interfaces.msg.dds_.Time_"):
    sec: int32
    nanosec: uint32


@dataclass
class Header(IdlStruct, typename="std_msgs.msg.dds_.Header_"):
    stamp: Time
    frame_id: str


@dataclass
class String(IdlStruct, typename="std_msgs.msg.dds_.String_"):
    data: str


@dataclass
class Bool(IdlStruct, typename="std_msgs.msg.dds_.Bool_"):
    data: bool


@dataclass
class Float32(IdlStruct, typename="std_msgs.msg.dds_.Float32_"):
    data: float32


@dataclass
class Temperature(IdlStruct, typename="sensor_msgs.msg.dds_.Temperature_"):
    header: Header
    temperature: float64
    variance: float64


@dataclass
class Image(IdlStruct, typename="sensor_msgs.msg.dds_.Image_"):
    header: Header
    height: uint32
    width: uint32
    encoding: str
    is_bigendian: uint8
    step: uint32
    data: sequence[uint8]


@dataclass
class CompressedImage(IdlStruct, typename="sensor_msgs.msg.dds_.CompressedImage_"):
    header: Header
    format: str
    data: sequence[uint8]


@dataclass
class Vector3(IdlStruct, typename="geometry_msgs.msg.dds_.Vector3_"):
    x: float64
    y: float64
    z: float64


@dataclass
class Quaternion(IdlStruct, typename="geometry_msgs.msg.dds_.Quaternion_"):
    x: float64
    y: float64
    z: float64
    w: float64


@dataclass
class Twist(IdlStruct, typename="geometry_msgs.msg.dds_.Twist_"):
    linear: Vector3
    angular: Vector3


@dataclass
class Imu(IdlStruct, typename="sensor_msgs.msg.dds_.Imu_"):
    header: Header
    orientation: Quaternion
    orientation_covariance: array[float64, 9]
    angular_velocity: Vector3
    angular_velocity_covariance: array[float64, 9]
    linear_acceleration: Vector3
    linear_acceleration_covariance: array[float64, 9]


@dataclass
class Point(IdlStruct, typename="geometry_msgs.msg.dds_.Point_"):
    x: float64
    y: float64
    z: float64


@dataclass
class Pose(IdlStruct, typename="geometry_msgs.msg.dds_.Pose_"):
    position: Point
    orientation: Quaternion


@dataclass
class PoseWithCovariance(IdlStruct, typename="geometry_msgs.msg.dds_.PoseWithCovariance_"):
    pose: Pose
    covariance: array[float64, 36]


@dataclass
class ObjectHypothesis(IdlStruct, typename="vision_msgs.msg.dds_.ObjectHypothesis_"):
    class_id: str
    score: float64


@dataclass
class ObjectHypothesisWithPose(
    IdlStruct, typename="vision_msgs.msg.dds_.ObjectHypothesisWithPose_"
):
    hypothesis: ObjectHypothesis
    pose: PoseWithCovariance


@dataclass
class Point2D(IdlStruct, typename="vision_msgs.msg.dds_.Point2D_"):
    x: float64
    y: float64


@dataclass
class Pose2D(IdlStruct, typename="vision_msgs.msg.dds_.Pose2D_"):
    position: Point2D
    theta: float64


@dataclass
class BoundingBox2D(IdlStruct, typename="vision_msgs.msg.dds_.BoundingBox2D_"):
    center: Pose2D
    size_x: float64
    size_y: float64


@dataclass
class Detection2D(IdlStruct, typename="vision_msgs.msg.dds_.Detection2D_"):
    header: Header
    results: sequence[ObjectHypothesisWithPose]
    bbox: BoundingBox2D
    id: str


@dataclass
class Detection2DArray(IdlStruct, typename="vision_msgs.msg.dds_.Detection2DArray_"):
    header: Header
    detections: sequence[Detection2D]


@dataclass
class LyingString(IdlStruct, typename="std_msgs.msg.dds_.String_"):
    number: int32


KINDS = {
    kind.__name__: kind
    for kind in (
        String, Bool, Float32, Temperature, Image, CompressedImage, Twist, Imu, LyingString,
        Detection2DArray,
    )
}  # fmt: skip
NESTED = {
    "stamp": Time, "header": Header, "linear": Vector3, "angular": Vector3,
    "orientation": Quaternion, "angular_velocity": Vector3, "linear_acceleration": Vector3,
}  # fmt: skip


def built(kind, fields):
    return kind(**{
        name: built(NESTED[name], value) if isinstance(value, dict) else value
        for name, value in fields.items()
    })  # fmt: skip


class Side:
    def __init__(self, domain):
        self.domain = Domain(domain, LOOPBACK)
        self.participant = DomainParticipant(domain)
        self.topics = {}
        self.writers = {}
        self.readers = {}

    def topic(self, name, kind):
        if (name, kind) not in self.topics:
            self.topics[name, kind] = Topic(self.participant, name, KINDS[kind])
        return self.topics[name, kind]

    def announce(self, topic, kind, reliable=True, late=False):
        self.writers[topic] = DataWriter(
            self.participant, self.topic(topic, kind), self.qos(reliable, late)
        )

    def write(self, topic, kind, fields, heard=True):
        if topic not in self.writers:
            self.announce(topic, kind)
        if heard:
            until(self.writers[topic].get_matched_subscriptions)
        self.writers[topic].write(built(KINDS[kind], fields))

    def inject(self, topic, number, cdr):
        """Send what no library would: a message of a publisher, byte by byte."""
        guid = self.writers[topic].guid.bytes
        body = struct.pack("<HH", 0, 16) + bytes(4) + guid[12:]
        body += struct.pack("<iI", 0, number) + bytes.fromhex(cdr)
        packet = b"RTPS\2\1\1\x10" + guid[:12] + struct.pack("<BBH", 0x15, 5, len(body)) + body
        first = 7411 + 250 * self.participant.domain_id
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for port in range(first, first + 40, 2):
                out.sendto(packet, ("127.0.0.1", port))

    def leave(self, topic):
        del self.writers[topic]

    def listen(self, topic, kind, reliable=True):
        self.readers[topic] = DataReader(
            self.participant, self.topic(topic, kind), self.qos(reliable)
        )

    def hears(self, topic):
        return len(self.readers[topic].get_matched_publications())

    def read(self, topic):
        samples = []

        def arrived():
            taken = self.readers[topic].take(1)
            samples.extend(sample for sample in taken if sample.sample_info.valid_data)
            return samples

        until(arrived)
        return asdict(samples[0])

    def qos(self, reliable, late=False):
        chosen = Policy.Reliability.Reliable(duration(seconds=1))
        return Qos(
            chosen if reliable else Policy.Reliability.BestEffort,
            Policy.Durability.TransientLocal if late else Policy.Durability.Volatile,
            Policy.History.KeepLast(10),
        )


def until(true):
    end = time.monotonic() + 30
    while not true():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)


def main():
    side = Side(int(sys.argv[1]))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(side, command.pop("do"))(**command)
        except Exception as error:
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
