"""Sensing from WiFi channel state: recordings, receivers, vitals, and simulated rooms."""
