"""A redis-py client at its quickest for large values.

Replies are parsed by hiredis; commands are packed by redis-py's own Python code, which sends a
buffer as it is, whereas hiredis copies it into a new block of memory first (six times slower here).
"""

import redis
from redis.connection import Encoder, PythonRespSerializer

__all__ = ["connect"]

CUTOFF = 6000


def connect(url: str) -> redis.Redis:
    """Return a client."""
    packer = PythonRespSerializer(CUTOFF, Encoder("utf-8", "strict", False).encode)
    pool = redis.ConnectionPool.from_url(url, command_packer=packer)
    return redis.Redis(connection_pool=pool)
