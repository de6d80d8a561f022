"""MQTT: one client interface, and a broker that needs no installation."""
