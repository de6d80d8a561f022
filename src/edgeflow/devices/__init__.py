"""Devices: boards on serial ports, their models, flashing, and boards that are only software."""
