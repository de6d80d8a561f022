"""Microcontroller boards that run models: one of them, or many as a pool."""
