"""Reads a ``pipelines.yaml``: everything that is wrong with it at once, each with its place."""
