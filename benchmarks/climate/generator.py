"""A crowd of sensors that costs little: packets made beforehand, sent as they are.

``python -m benchmarks.climate.generator PORT COUNT RATE [DEVICES]`` prints ``ready``, waits for a
line, publishes COUNT readings at QoS 1 (RATE a second; 0 is as fast as the broker confirms them),
and prints a line of JSON once all are confirmed.
"""

import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field

__all__ = ["DEVICES", "KINDS", "connect", "packets"]

DEVICES = 250
KINDS = ("temperature", "humidity")
CONNECTIONS = 4
CHUNK = 50
WINDOW = 1000
"""Readings of one connection that are sent and not confirmed."""
GIVE_UP_SECONDS = 60.0


def packets(count: int, first: int, number_of_devices: int = DEVICES) -> list[bytes]:
    """Packets of one connection's devices, every ``CONNECTIONS`` th from the first."""
    devices = range(first, number_of_devices, CONNECTIONS)
    heads = []
    for device in devices:
        for kind in KINDS:
            topic = f"sensor/room{device:03d}/{kind}".encode()
            heads.append(len(topic).to_bytes(2) + topic)
    made = []
    for number in range(count):
        sequence, stream = divmod(number, len(heads))
        value = 20 + (number * 7 % 1000) / 100
        said = b'{"value":%.2f,"sequence":%d,"boot":1}' % (value, sequence)
        body = heads[stream] + (number % 65535 + 1).to_bytes(2) + said
        if len(body) > 127:
            raise ValueError("a packet with a longer head")
        made.append(bytes((0x32, len(body))) + body)
    return made


@dataclass
class Connection:
    """One client of the broker."""

    chunks: list[bytes]
    sizes: list[int]
    socket: socket.socket
    next: int = 0
    sent: int = 0
    confirmed: int = 0
    left: bytes = b""
    came: bytearray = field(default_factory=bytearray)

    def fill(self, allowed: int) -> None:
        """Send while the window, and the pace, have room."""
        while self.left or self._may(allowed):
            if not self.left:
                self.left = self.chunks[self.next]
                self.sent += self.sizes[self.next]
                self.next += 1
            try:
                count = self.socket.send(self.left)
            except BlockingIOError:
                return
            self.left = self.left[count:]

    def hear(self) -> None:
        """Count confirmations: four bytes each, and nothing else comes."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionError("the broker closed the connection")
        self.came += data
        whole = len(self.came) // 4
        self.confirmed += whole
        del self.came[: 4 * whole]

    def _may(self, allowed: int) -> bool:
        return (
            self.next < len(self.chunks)
            and self.sent < allowed
            and self.sent - self.confirmed + self.sizes[self.next] <= WINDOW
        )


def connect(port: int, name: str) -> socket.socket:
    """A client of the broker that was welcomed."""
    own = socket.create_connection(("127.0.0.1", port), 5)
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2) + name.encode()
    own.sendall(bytes((0x10, len(body))) + body)
    answer = own.recv(4)
    if answer[:1] != b"\x20" or answer[3:] != b"\x00":
        raise ConnectionError(f"the broker refused: {answer!r}")
    return own


def _connection(port: int, name: str, made: list[bytes]) -> Connection:
    own = connect(port, name)
    own.setblocking(False)
    parts = [made[at : at + CHUNK] for at in range(0, len(made), CHUNK)]
    return Connection([b"".join(part) for part in parts], [len(part) for part in parts], own)


def publish(connections: list[Connection], rate: float) -> dict[str, float]:
    """Send everything and wait for its confirmations; return when and how much."""
    selector = selectors.DefaultSelector()
    for each in connections:
        selector.register(each.socket, selectors.EVENT_READ, each)
    total = sum(sum(each.sizes) for each in connections)
    begun, busy = time.monotonic(), time.process_time()
    heard = begun
    while (confirmed := sum(each.confirmed for each in connections)) < total:
        now = time.monotonic()
        share = (now - begun) * rate / len(connections) if rate else float("inf")
        for each in connections:
            each.fill(share)
        for key, _ in selector.select(0.002 if rate else 0.05):
            key.data.hear()
            heard = now
        if now - heard > GIVE_UP_SECONDS:
            break
    return {
        "begun": begun,
        "ended": time.monotonic(),
        "published": sum(each.sent for each in connections),
        "confirmed": confirmed,
        "cpu": time.process_time() - busy,
    }


def _main() -> None:
    port, count, rate = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    devices = int(sys.argv[4])
    connections = [
        _connection(port, f"crowd{first}", packets(count // CONNECTIONS, first, devices))
        for first in range(CONNECTIONS)
    ]
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(publish(connections, rate)), flush=True)
    for each in connections:
        each.socket.close()


if __name__ == "__main__":
    _main()
