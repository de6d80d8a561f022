"""Loaded models behind one interface."""
