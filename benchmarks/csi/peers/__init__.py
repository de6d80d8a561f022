"""Peers; each runs in an environment of its own, without EdgeFlow."""
