"""What all devices say now: readings, windows, messages, decisions."""

from edgeflow.deploy.grafana.panels import Dashboard, Panel
from edgeflow.deploy.grafana.queries import counted, in_range, latest, trend

__all__ = ["CELSIUS", "HUMIDITY", "OVERVIEW", "SOUND"]

CELSIUS = ((None, "blue"), (16.0, "green"), (26.0, "orange"), (30.0, "red"))
HUMIDITY = ((None, "orange"), (30.0, "green"), (60.0, "orange"), (75.0, "red"))
SOUND = ((None, "green"), (-40.0, "orange"), (-20.0, "red"))
POSITION = ((None, "blue"), (25.0, "green"), (75.0, "orange"))

OVERVIEW = Dashboard(
    "system-overview",
    "esp32-system-overview",
    "System Overview",
    "5s",
    "6h",
    (
        Panel(
            "stat",
            "Active Devices",
            ("SELECT count() AS devices FROM device_registry FINAL WHERE is_active",),
            4,
            6,
            thresholds=((None, "red"), (1.0, "green")),
        ),
        Panel(
            "stat",
            "Latest Temperature (All Devices)",
            (latest("sensor_temperature", "value", "temperature"),),
            7,
            6,
            "celsius",
            decimals=1,
            thresholds=CELSIUS,
        ),
        Panel(
            "stat",
            "Latest Humidity (All Devices)",
            (latest("sensor_humidity", "value", "humidity"),),
            7,
            6,
            "percent",
            decimals=0,
            thresholds=HUMIDITY,
        ),
        Panel(
            "gauge",
            "Current Window Position (All Devices)",
            (latest("window_actions", "position", "position", in_range()),),
            6,
            6,
            "percent",
            0.0,
            100.0,
            0,
            POSITION,
            about="The newest decision within the dashboard's range.",
        ),
        Panel(
            "timeseries",
            "Temperature Trends",
            (trend("sensor_temperature", "value", "temperature"),),
            unit="celsius",
        ),
        Panel(
            "timeseries",
            "Humidity Trends",
            (trend("sensor_humidity", "value", "humidity"),),
            unit="percent",
            least=0.0,
            most=100.0,
        ),
        Panel(
            "timeseries",
            "Sound Volume Trends",
            (trend("sensor_audio", "sound_volume", "volume"),),
            unit="dB",
            most=0.0,
            about="Decibels below full scale, -80 to 0.",
        ),
        Panel(
            "timeseries",
            "Message Throughput (messages/minute)",
            (
                counted("sensor_temperature", "temperature"),
                counted("sensor_humidity", "humidity"),
                counted("sensor_audio", "audio"),
            ),
            least=0.0,
        ),
        Panel(
            "table",
            "Recent Window Actions",
            (
                "SELECT timestamp, device_id AS device, position, confidence, temperature, "
                "humidity, sound_volume, rule FROM window_actions "
                "WHERE timestamp >= now() - INTERVAL 1 HOUR ORDER BY timestamp DESC LIMIT 20",
            ),
            decimals=2,
        ),
        Panel(
            "table",
            "Recent Predictions",
            (
                "SELECT timestamp, device_id AS device, prediction, confidence, "
                "inference_time_ms, model_version FROM ml_predictions "
                f"WHERE {in_range()} ORDER BY timestamp DESC LIMIT 20",
            ),
            decimals=2,
        ),
    ),
)
