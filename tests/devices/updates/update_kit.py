"""Nodes and updates for the tests of updates over the air."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgeflow.devices.updates.client import NodeAddress, NodeClient
from edgeflow.devices.updates.rollout import Report, Rollout
from edgeflow.devices.updates.signing import KeyPair, make_key, sign_image
from edgeflow.devices.virtual.csi_image import Behaviour, make_firmware
from edgeflow.devices.virtual.csi_update import NodeTimes, UpdatableNode

PSK = "0123456789abcdef"
QUICK = NodeTimes(boot=0.0, restart=0.02, network=0.0, patience=20.0, watchdog=0.2, silence=30.0)


def key(which: int = 0) -> KeyPair:
    return _made(which)


@cache
def _made(which: int) -> KeyPair:
    with TemporaryDirectory() as folder:
        return make_key(Path(folder) / f"key{which}.pem")


def update(
    version: str = "2.0.0", behaviour: Behaviour = "good", *, signer: int = 0, counter: int = 0
) -> bytes:
    return sign_image(make_firmware(version, behaviour), key(signer), counter=counter)[0]


def node(**options: Any) -> UpdatableNode:
    given = {"psk": PSK, "public_key": key().public, "times": QUICK, **options}
    return UpdatableNode(make_firmware("1.0.0"), **given)


def client(of: UpdatableNode, psk: str = PSK, *, early: float = 0.2) -> NodeClient:
    return NodeClient(NodeAddress.parse(of.address), psk, seconds=10.0, early=early)


@contextmanager
def nodes(count: int, **options: Any) -> Iterator[list[UpdatableNode]]:
    with ExitStack() as stack:
        yield [stack.enter_context(node(**options)) for _ in range(count)]


def roll_out(data: bytes, *to: UpdatableNode, **options: Any) -> Report:
    addresses = [NodeAddress.parse(each.address) for each in to]
    given = {"poll": 0.02, "patience": 30.0, "reach": 20.0, **options}

    def connect(address: NodeAddress) -> NodeClient:
        return NodeClient(address, PSK, seconds=10.0, early=0.02)

    return Rollout(data, addresses, connect, **given).run()
