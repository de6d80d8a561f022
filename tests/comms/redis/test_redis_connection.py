"""How a broker enters a server, and what it says when it cannot."""

import re
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeflow.comms.brokers import DualRedisBroker, Publisher, RedisBroker, Subscriber, Subscription
from edgeflow.comms.redis.connection import Address
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import ConfigError, EdgeFlowError, UnreachableError
from servers import Valkey, free_port, tls_front, valkey

DURABLE = Subscription("t", "g", QoS.DURABLE, 16)
CERTIFICATE = Path(__file__).with_name("localhost.pem")


def exchange(publisher: Publisher, subscriber: Subscriber) -> None:
    """Send two images and receive them."""
    image = np.arange(480 * 640 * 3, dtype=np.uint32).astype(np.uint8).reshape(480, 640, 3)
    for number in range(2):
        frame = Frame(data=image, id=number, sequence=number, epoch=9, topic="t")
        assert publisher.publish(frame, 5.0)
    for number in range(2):
        delivery = subscriber.receive(5.0)
        assert delivery is not None
        assert delivery.frame.sequence == number
        assert np.array_equal(delivery.frame.data, image)
        subscriber.ack(delivery)


def test_constructing_connects_to_nothing_and_needs_no_client_library():
    code = (
        "import sys, socket; socket.socket.connect = None\n"
        "from edgeflow.comms.brokers import RedisBroker, DualRedisBroker, Subscription\n"
        "for b in (RedisBroker('nowhere.invalid'), DualRedisBroker('nowhere.invalid')):\n"
        "    b.publisher('t').close(); b.subscriber([Subscription('t', 'g')]).close(); b.close()\n"
        "assert not {'redis', 'cv2', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_addresses_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REDIS_HOST", "control")
    monkeypatch.setenv("REDIS_PORT", "7000")
    monkeypatch.setenv("REDIS_PASSWORD", "secret")
    expected = Address("control", 7000, password="secret")
    assert RedisBroker().server.address == expected
    assert RedisBroker("h", 1, password="p").server.address == Address("h", 1, password="p")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", Address("h")),
        ("redis://:p%40ss@h:7/2", Address("h", 7, password="p@ss", database=2)),
        ("rediss://u:p@h", Address("h", tls=True, username="u", password="p")),
        ("unix:///run/x.sock", Address(path="/run/x.sock")),
        ("redis://[::1]:5", Address("::1", 5)),
    ],
)
def test_urls(url: str, address: Address):
    assert Address.parse(url) == address


@pytest.mark.parametrize("url", ["http://h", "redis://h:port", "h:6379", "redis://:secret@h:x"])
def test_bad_urls_are_refused_without_showing_secrets(url: str):
    with pytest.raises(ConfigError) as caught:
        Address.parse(url)
    assert "secret" not in str(caught.value)


def test_host_and_url_together_are_refused():
    with pytest.raises(ConfigError):
        RedisBroker("h", url="redis://h")


def test_a_unix_socket_and_a_database_number_work(server: Valkey):
    for url in (f"unix://{server.socket_path}", f"{server.url}/3"):
        broker = RedisBroker(url=url)
        with (
            closing(broker.publisher("t", [DURABLE])) as publisher,
            closing(broker.subscriber([DURABLE])) as subscriber,
        ):
            exchange(publisher, subscriber)
        broker.close()


def test_check_says_what_the_server_is(server: Valkey):
    with (
        closing(RedisBroker(url=server.url)) as one,
        closing(DualRedisBroker(url=server.url, data_url=server.url)) as two,
    ):
        assert re.fullmatch(r"(redis|valkey) \d+\.\d+\.\d+", one.check())
        assert f"{one.check()}, payloads on" in two.check()


def test_passwords():
    with valkey(password="open sesame") as server:
        broker = RedisBroker(server.host, server.port, password="open sesame")
        broker.check()
        broker.close()
        for password in (None, "wrong"):
            broker = RedisBroker(server.host, server.port, password=password)
            with pytest.raises(ConfigError, match="password"):
                broker.check()
            with pytest.raises(ConfigError):
                broker.publisher("t").publish(Frame(data=b"x"), 0.1)
            broker.close()


def test_an_absent_server_is_reported_with_a_hint():
    with pytest.raises(UnreachableError, match="REDIS_HOST"):
        RedisBroker("127.0.0.1", free_port()).check()


def answering(*replies: bytes) -> int:
    """Start a server that gives these replies to the first connections; return its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            for reply in replies:
                peer, _ = listener.accept()
                with peer:
                    peer.recv(4096)
                    peer.sendall(reply)

    threading.Thread(target=serve, daemon=True).start()
    return int(listener.getsockname()[1])


def test_tls_with_a_trusted_certificate_works(server: Valkey, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with tls_front(server.port, CERTIFICATE) as port:
        broker = RedisBroker(url=f"rediss://localhost:{port}")
        broker.open("tls")
        with (
            closing(broker.publisher("t", [DURABLE])) as publisher,
            closing(broker.subscriber([DURABLE])) as subscriber,
        ):
            exchange(publisher, subscriber)
        broker.close()


def test_tls_with_a_strange_certificate_is_refused(server: Valkey):
    with (
        tls_front(server.port, CERTIFICATE) as port,
        pytest.raises(ConfigError, match=r"not trusted.*SSL_CERT_FILE"),
    ):
        RedisBroker(url=f"rediss://localhost:{port}").check()


def test_tls_to_a_server_without_it_says_so(server: Valkey):
    with pytest.raises(UnreachableError, match=r"does not answer in TLS.*redis://"):
        RedisBroker(url=f"rediss://{server.host}:{server.port}").check()
    greeting = answering(b"220 mail.example ESMTP\r\n")
    with pytest.raises(ConfigError, match=r"does not answer in TLS"):
        RedisBroker(url=f"rediss://127.0.0.1:{greeting}").check()


def test_a_password_is_not_shown(server: Valkey):
    with pytest.raises(EdgeFlowError) as caught:
        RedisBroker(url=f"redis://user:secret@{server.host}:{server.port}").check()
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(Address.parse("redis://user:secret@h"))


def test_a_database_that_the_server_does_not_have_is_refused(server: Valkey):
    with pytest.raises(ConfigError, match="database number"):
        RedisBroker(url=f"{server.url}/99").check()


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (b"$4294967296\r\n", "announced 4294967296 bytes"),
        (b"*2000000000\r\n", "announced 2000000000 items"),
        (b"*1\r\n" * 40, "at level 17"),
    ],
)
def test_a_server_that_announces_too_much_is_refused(reply: bytes, complaint: str):
    with pytest.raises(ConfigError, match=complaint):
        RedisBroker("127.0.0.1", answering(reply)).check()


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\r\n", b"$99999999999\r\n", b"*-x\r\n"]
)
def test_a_stranger_is_recognised(reply: bytes):
    with pytest.raises(ConfigError, match="no Redis"):
        RedisBroker("127.0.0.1", answering(reply)).check()


def test_an_old_server_is_refused():
    info = b"# Server\r\nredis_version:5.0.7\r\nos:Linux\r\n"
    port = answering(b"+PONG\r\n:1\r\n$%d\r\n%b\r\n" % (len(info), info))
    with pytest.raises(ConfigError, match=r"6\.2"):
        RedisBroker("127.0.0.1", port).check()


def test_a_loading_server_is_waited_for():
    port = answering(b"-LOADING Valkey is loading the dataset in memory\r\n")
    with pytest.raises(UnreachableError):
        RedisBroker("127.0.0.1", port).check()


def test_a_server_without_memory_left_holds_the_producer_back():
    options = ("--maxmemory", "24mb", "--maxmemory-policy", "noeviction")
    with valkey(options=options) as server:
        broker = RedisBroker(url=server.url)
        with closing(broker.publisher("t", [DURABLE])) as publisher:
            frame = Frame(data=bytes(4 << 20), epoch=1, topic="t")
            results = [
                publisher.publish(frame.replace(sequence=number), 0.05) for number in range(8)
            ]
            assert results[0]
            assert not results[-1]
        broker.close()
