"""Whether all is well: devices, services, messages, the database, what went wrong."""

from edgeflow.deploy.grafana.panels import Dashboard, Panel, Threshold
from edgeflow.deploy.grafana.queries import counted, in_range, per_hour

__all__ = ["HEALTH"]

_GOOD: tuple[Threshold, ...] = ((None, "red"), (1.0, "green"))
_QUIET = "dateDiff('second', last_seen, now64(3))"
_STATE = f"multiIf({_QUIET} < 300, 'Healthy', {_QUIET} < 900, 'Warning', 'Critical')"
_TABLES = (
    ("sensor_temperature", "temperature"),
    ("sensor_humidity", "humidity"),
    ("sensor_audio", "audio"),
    ("window_actions", "window_actions"),
)
_OF_STORE = "service = 'store'"
_STATES: tuple[Threshold, ...] = ((None, "green"), (5.0, "orange"), (15.0, "red"))
_REGISTRY = "FROM device_registry FINAL"
_TROUBLE = (
    "(SELECT timestamp, device_id, 'message' AS kind, topic AS source, reason AS detail "
    "FROM dead_letters UNION ALL "
    "SELECT timestamp, device_id, kind, source, details AS detail FROM events UNION ALL "
    "SELECT timestamp, device_id, state AS kind, service AS source, detail FROM health "
    "WHERE state != 'ok')"
)


def _records(table: str, title: str, name: str) -> Panel:
    query = f"SELECT count() AS {name} FROM {table} WHERE {in_range()}"
    return Panel("stat", title, (query,), 4, 4, "short", thresholds=_GOOD)


HEALTH = Dashboard(
    "system-health",
    "esp32-system-health",
    "System Health",
    "10s",
    "6h",
    (
        Panel(
            "stat",
            "Total Devices Registered",
            (f"SELECT count() AS devices {_REGISTRY}",),
            4,
            4,
            thresholds=_GOOD,
        ),
        Panel(
            "stat",
            "Healthy Devices (Last 5 min)",
            (f"SELECT countIf({_QUIET} < 300) AS devices {_REGISTRY}",),
            4,
            4,
            thresholds=_GOOD,
        ),
        _records("sensor_temperature", "Temperature Records", "records"),
        _records("sensor_humidity", "Humidity Records", "records"),
        _records("sensor_audio", "Audio Records", "records"),
        _records("window_actions", "Window Actions", "actions"),
        Panel(
            "table",
            "Service Status",
            (
                "SELECT service, argMax(state, timestamp) AS state, "
                "argMax(detail, timestamp) AS detail, max(timestamp) AS last_told, "
                "if(last_told < now() - INTERVAL 1 MINUTE, 'silent', state) AS now "
                f"FROM health WHERE {in_range()} GROUP BY service ORDER BY service",
            ),
        ),
        Panel(
            "table",
            "Device Status",
            (
                f"SELECT device_id AS device, location, {_STATE} AS status, last_seen "
                f"{_REGISTRY} ORDER BY last_seen",
            ),
        ),
        Panel(
            "piechart",
            "Device Status Distribution",
            (
                "SELECT if(is_active, 'Active', 'Inactive') AS state, count() AS devices "
                f"{_REGISTRY} GROUP BY state ORDER BY state",
            ),
            8,
        ),
        Panel(
            "table",
            "Device Last-Seen Status",
            (
                "SELECT device_id AS device, last_seen, "
                f"round({_QUIET} / 60, 1) AS minutes_since_last_seen {_REGISTRY} "
                "ORDER BY minutes_since_last_seen DESC",
            ),
            16,
            thresholds=_STATES,
            colored="minutes_since_last_seen",
        ),
        Panel(
            "timeseries",
            "MQTT Message Rates",
            tuple(counted(table, name, 60.0) for table, name in _TABLES),
            unit="cps",
            least=0.0,
            about="Messages a second, a mean of each minute.",
        ),
        Panel(
            "timeseries",
            "Data Ingestion Rate",
            tuple(per_hour(table, name) for table, name in _TABLES),
            least=0.0,
            about="Rows an hour.",
        ),
        Panel(
            "timeseries",
            "Time to Store a Batch",
            (
                "SELECT $__timeInterval(timestamp) AS time, avg(value) AS mean, "
                "max(value) AS most FROM health "
                f"WHERE {in_range(_OF_STORE)} "
                "GROUP BY time ORDER BY time",
            ),
            unit="ms",
            least=0.0,
        ),
        Panel(
            "table",
            "Database Tables",
            (
                "SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, count() AS parts, "
                "round(sum(data_uncompressed_bytes) / greatest(sum(data_compressed_bytes), 1), 1) "
                "AS compression FROM system.parts WHERE active AND database = currentDatabase() "
                "GROUP BY table ORDER BY bytes DESC",
            ),
        ),
        Panel(
            "timeseries",
            "Error Rate (errors/minute)",
            (
                counted("dead_letters", "refused_messages"),
                counted("health", "failed_services", also="state != 'ok'"),
            ),
            least=0.0,
        ),
        Panel(
            "stat",
            "ML Predictions (if available)",
            (f"SELECT count() AS predictions FROM ml_predictions WHERE {in_range()}",),
            12,
            8,
            thresholds=_GOOD,
        ),
        Panel(
            "table",
            "Errors and Events",
            (
                "SELECT timestamp, device_id AS device, kind, source, detail "
                f"FROM {_TROUBLE} WHERE {in_range()} ORDER BY timestamp DESC LIMIT 100",
            ),
            24,
        ),
    ),
)
