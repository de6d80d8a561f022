"""Turns of sensing nodes, by the firmware core: who sends when."""

from edgeflow._native.library import lib

__all__ = ["turn_us", "turn_wait_us"]


def turn_us(nodes: int) -> int:
    """Return how long a turn of so many nodes (0 to 255) is, in microseconds.

    Raises:
        MissingExtraError: cffi is not installed.
    """
    return int(lib.ef_turn_us(nodes))


def turn_wait_us(slot: int, nodes: int, shared_us: int) -> int:
    """Return the microseconds until the turn of ``slot``; 0 while it lasts.

    Args:
        slot: of the node, from 0.
        nodes: how many take turns, at most 255.
        shared_us: on the clock that all of them share; 0 for none, and then nobody waits.

    Raises:
        MissingExtraError: cffi is not installed.
    """
    return int(lib.ef_turn_wait_us(slot, nodes, shared_us))
