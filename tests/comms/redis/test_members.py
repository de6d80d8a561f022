"""Numbers of members: unique among the living, given back, taken over from the dead."""

import pytest

from edgeflow import RedisBroker
from edgeflow.comms.redis import members
from servers import valkey


@pytest.fixture
def server():
    with valkey() as running:
        yield running


@pytest.fixture
def member(server):
    brokers = []

    def connect() -> RedisBroker:
        brokers.append(RedisBroker(server.host, server.port))
        return brokers[-1]

    yield connect
    for broker in brokers:
        broker.close()


def test_live_members_have_different_numbers_and_keep_them(member):
    brokers = [member() for _ in range(3)]
    assert [b.claim_member("node", 3, 1.0) for b in brokers] == [0, 1, 2]
    assert [b.claim_member("node", 3, 1.0) for b in brokers] == [0, 1, 2]
    assert member().claim_member("other", 1, 1.0) == 0


def test_a_number_given_back_is_free_at_once(member):
    first = member()
    assert first.claim_member("node", 1, 1.0) == 0
    first.close()
    assert member().claim_member("node", 1, 1.0) == 0


def test_the_number_of_a_dead_process_is_waited_for(member):
    dead = member()
    dead.claim_member("node", 1, 1.0)
    dead._members["node"]._closing.set()  # as if killed: no renewal, nothing given back
    assert member().claim_member("node", 1, 1.0) == 0


def test_one_more_than_expected_gets_a_number_above(member, monkeypatch):
    monkeypatch.setattr(members, "LEASE_SECONDS", 0.5)
    assert member().claim_member("node", 1, 1.0) == 0
    monkeypatch.setattr(members, "RENEW_SECONDS", 0.1)
    assert member().claim_member("node", 1, 1.0) == 1


def test_a_server_that_is_away_is_given_up_in_time(server, member):
    broker = member()
    server.kill9()
    assert broker.claim_member("node", 1, 0.3) is None
