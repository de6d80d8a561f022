"""One device: what it measured, what was decided for it, and what people did."""

from edgeflow.deploy.grafana.panels import Dashboard, Panel, Variable
from edgeflow.deploy.grafana.queries import OF_DEVICE, in_range, trend

__all__ = ["DEVICE"]

_MINE = in_range(OF_DEVICE)
_OPENNESS = (
    "multiIf(position < 25, 'Closed', position < 50, 'Partially Open', "
    "position < 75, 'Mostly Open', 'Fully Open')"
)

DEVICE = Dashboard(
    "device-detail",
    "esp32-device-detail",
    "Device Detail",
    "10s",
    "24h",
    (
        Panel(
            "table",
            "Device Information",
            (
                "SELECT device_id AS device, name, location, kind, registered_at, last_seen, "
                f"is_active, config FROM device_registry FINAL WHERE {OF_DEVICE}",
            ),
            24,
            4,
        ),
        Panel(
            "timeseries",
            "Temperature History",
            (trend("sensor_temperature", "value", "temperature", OF_DEVICE),),
            unit="celsius",
        ),
        Panel(
            "timeseries",
            "Humidity History",
            (trend("sensor_humidity", "value", "humidity", OF_DEVICE),),
            unit="percent",
            least=0.0,
            most=100.0,
        ),
        Panel(
            "timeseries",
            "Sound Volume History",
            (trend("sensor_audio", "sound_volume", "volume", OF_DEVICE),),
            unit="dB",
            most=0.0,
        ),
        Panel(
            "timeseries",
            "Window Position History",
            (
                trend("window_actions", "position", "decided", OF_DEVICE),
                trend("window_overrides", "position", "by_hand", OF_DEVICE),
            ),
            unit="percent",
            least=0.0,
            most=100.0,
        ),
        Panel(
            "timeseries",
            "ML Prediction Confidence Timeline",
            (trend("ml_predictions", "confidence", "confidence", OF_DEVICE),),
            unit="percentunit",
            least=0.0,
            most=1.0,
        ),
        Panel(
            "piechart",
            "Window Position Distribution",
            (
                f"SELECT {_OPENNESS} AS state, count() AS actions FROM window_actions "
                f"WHERE {_MINE} GROUP BY state ORDER BY state",
            ),
        ),
        Panel(
            "timeseries",
            "Deviation from the Last Decision",
            (
                "SELECT timestamp AS time, temp_z_score AS temperature, "
                "humidity_z_score AS humidity, volume_z_score AS volume "
                f"FROM inference_history WHERE {_MINE} ORDER BY time",
            ),
            about="In standard deviations of a week; 1.5 asks for a decision.",
        ),
        Panel(
            "table",
            "Recent Predictions (Detailed)",
            (
                "SELECT p.timestamp AS timestamp, prediction, p.confidence AS confidence, "
                "temperature, humidity, sound_volume, inference_time_ms, model_version, rule, "
                "trigger_reason FROM ml_predictions AS p "
                "LEFT ANY JOIN window_actions AS a ON p.correlation_id = a.correlation_id "
                "AND p.device_id = a.device_id "
                "LEFT ANY JOIN inference_history AS h ON p.correlation_id = h.correlation_id "
                "AND p.device_id = h.device_id "
                "WHERE $__timeFilter_ms(p.timestamp) AND p.device_id = ${device:sqlstring} "
                "ORDER BY timestamp DESC LIMIT 50",
            ),
            decimals=2,
        ),
    ),
    (
        Variable(
            "device",
            "Device",
            "SELECT DISTINCT device_id FROM device_registry FINAL ORDER BY device_id",
        ),
    ),
)
