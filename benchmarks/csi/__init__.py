"""Benchmarks of CSI sensing: the core, many nodes, latency, parsing, compression."""
