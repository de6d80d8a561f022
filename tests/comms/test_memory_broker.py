"""What only the memory broker has to be asked: bounds that show in its own process."""

from edgeflow.comms.brokers import MemoryBroker, Subscription
from edgeflow.comms.brokers.base import MAX_ATTEMPTS
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS


def wish(qos: QoS, topic: str = "t", capacity: int = 1, group: str = "g") -> Subscription:
    return Subscription(topic, group, qos, capacity)


def test_a_frame_given_up_by_members_that_left_frees_its_place():
    broker = MemoryBroker()
    publisher = broker.publisher("t", [wish(QoS.DURABLE)])
    assert publisher.publish(Frame(data="poison"))
    for _ in range(MAX_ATTEMPTS):
        subscriber = broker.subscriber([wish(QoS.DURABLE)])
        assert subscriber.receive(0.0).frame.data == "poison"
        subscriber.close()
    assert publisher.publish(Frame(data="food"))
    assert broker.subscriber([wish(QoS.DURABLE)]).receive(0.0).frame.data == "food"
    assert subscriber.links["t"].dropped == 1
