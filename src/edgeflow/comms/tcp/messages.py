"""What travels beside frames, each after its length: pings and their answers.

A ping is ``P`` and the sender's monotonic clock in ns; its answer is ``Q``, the same stamp, and the
clock of the one who answers. Both are shorter than any frame.
"""

import struct

__all__ = ["LENGTH", "PING", "PONG", "SILENCE_SECONDS"]

LENGTH = struct.Struct("!I")
PING = struct.Struct("!cq")
PONG = struct.Struct("!cqq")

SILENCE_SECONDS = 1.5
"""A peer that has pinged and then says nothing for so long is gone."""
