"""Servers of the peers: each file runs in an environment of its own and imports nothing of ours."""
