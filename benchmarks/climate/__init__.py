"""Benchmarks of the climate system."""
