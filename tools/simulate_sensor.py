"""Publish synthetic sensor values or pictures over MQTT: ``simulate_sensor.py BROKER TOPIC``."""

from edgeflow.pipelines.simulate.sensor import main

if __name__ == "__main__":
    raise SystemExit(main())
