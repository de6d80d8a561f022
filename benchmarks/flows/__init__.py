"""The flows that are measured."""
