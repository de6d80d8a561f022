import pytest

from edgeflow.comms.mqtt import MqttOptions
from edgeflow.errors import ConfigError


def test_a_url_says_all_that_is_needed() -> None:
    found = MqttOptions.from_url(
        "mqtts://ed%40ge:p%3Aw@[::1]:9999?client_id=x&clean_session=no&version=5&ca=/a.pem"
    )
    assert (found.host, found.port, found.username, found.password) == ("::1", 9999, "ed@ge", "p:w")
    assert (found.client_id, found.clean_session, found.version) == ("x", False, "5")
    assert found.tls is not None
    assert (found.tls.ca, found.tls.insecure) == ("/a.pem", False)
    assert found.address == "mqtts://[::1]:9999"
    assert "p:w" not in repr(found)


def test_ports_and_the_embedded_broker() -> None:
    assert MqttOptions.from_url("mqtt://h").port == 1883
    assert MqttOptions.from_url("mqtts://h").port == 8883
    embedded = MqttOptions.from_url("mqtt://embedded?port=1884&store=/x&keepalive=5")
    assert embedded.is_embedded
    assert embedded.embedded == {"port": "1884", "store": "/x"}
    assert embedded.keepalive == 5.0


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://h", "scheme 'http'"),
        ("mqtt://", "no host"),
        ("mqtt://h/topic", "a path"),
        ("mqtt://h:x", "wrong"),
        ("mqtt://h:99999", "wrong"),
        ("mqtt://h?clientid=x", "did you mean 'client_id'"),
        ("mqtt://h?keepalive=soon", "not a float"),
        ("mqtt://h?clean_session=maybe", "not a bool"),
        ("mqtt://h?insecure=1", "unknown key 'insecure'"),
        ("mqtt://h?clean_session=0", "needs a client_id"),
        ("mqtt://h?version=4", "version '4'"),
        ("mqtt://h?inflight=0", "not from 1 to 65535"),
        ("mqtt://:secret@h", "without a username"),
        ("mqtts://embedded", "no TLS"),
    ],
)
def test_mistakes_are_named(url: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MqttOptions.from_url(url)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
