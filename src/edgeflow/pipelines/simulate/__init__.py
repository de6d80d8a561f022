"""Sensors that do not exist, to check pipelines without hardware."""
