"""Frames through a Redis or Valkey server: one stream per topic, one consumer group per node.

``resp`` is the protocol without sockets, ``connection`` a socket that speaks it, ``server`` a
server as the brokers see it, ``entry`` what a stream holds. ``publisher`` and ``room`` write;
``subscriber``, ``lane``, ``ledger`` and ``pace`` read; ``members`` gives each process its number,
``waits`` ends waiting early. docs/reference/redis-layout.md tells what lies on the server.
"""
