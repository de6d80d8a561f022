"""Frames through zenoh, without a server: publishers keep what is not acknowledged.

``messages`` is the protocol, ``queues`` what a publisher holds (pure), ``owner`` and ``feeds`` the
two ends of it, ``session`` the zenoh side. docs/reference/zenoh.md tells the keys and guarantees.
"""
