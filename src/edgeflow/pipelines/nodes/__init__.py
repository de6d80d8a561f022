"""Connectors, pipelines, agents and actions as nodes of the graph."""
