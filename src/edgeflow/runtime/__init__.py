"""Executes a graph: threads in one process, one process per node, or one node here."""
