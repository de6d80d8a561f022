"""The model: how often it decides, how sure it is, how fast, and how right people find it."""

from edgeflow.deploy.grafana.panels import Dashboard, Panel, Threshold
from edgeflow.deploy.grafana.queries import in_range, trend

__all__ = ["LEARNING"]

_CONFIDENCE: tuple[Threshold, ...] = ((None, "red"), (0.5, "orange"), (0.7, "green"))
_ERROR: tuple[Threshold, ...] = ((None, "green"), (10.0, "orange"), (20.0, "red"))
_SOME: tuple[Threshold, ...] = ((None, "orange"), (1.0, "green"))
_JUDGED = (
    "(SELECT o.device_id AS device_id, o.timestamp AS timestamp, "
    "abs(o.position - a.position) AS error FROM window_overrides AS o "
    "ASOF INNER JOIN window_actions AS a "
    "ON o.device_id = a.device_id AND o.timestamp >= a.timestamp)"
)
"""Of each override, how far the decision before it was from what was wanted."""
_BUCKETS = (
    "multiIf(confidence < 0.5, '0.00-0.50', confidence < 0.7, '0.50-0.70', "
    "confidence < 0.85, '0.70-0.85', confidence < 0.95, '0.85-0.95', '0.95-1.00')"
)
_ACTIONS = f"FROM window_actions WHERE {in_range()}"


def _number(
    title: str, what: str, unit: str = "", thresholds: tuple[Threshold, ...] = _SOME
) -> Panel:
    return Panel("stat", title, (f"SELECT {what} {_ACTIONS}",), 4, 4, unit, thresholds=thresholds)


def _against(column: str, title: str, unit: str) -> Panel:
    some = in_range(f"isNotNull({column})")
    query = (
        f"SELECT {column}, position FROM window_actions WHERE {some} "
        "ORDER BY timestamp DESC LIMIT 2000"
    )
    return Panel("xychart", title, (query,), 8, 8, unit, pairs=(column, "position"))


LEARNING = Dashboard(
    "ml-metrics",
    "esp32-ml-metrics",
    "ML Metrics",
    "30s",
    "24h",
    (
        _number("Average Confidence", "avg(confidence) AS confidence", "percentunit", _CONFIDENCE),
        _number("Minimum Confidence", "min(confidence) AS confidence", "percentunit", _CONFIDENCE),
        _number("Total Predictions", "count() AS predictions"),
        _number("Active Devices (Making Predictions)", "uniqExact(device_id) AS devices"),
        Panel(
            "stat",
            "Error against People",
            (f"SELECT avg(error) AS points FROM {_JUDGED} WHERE {in_range()}",),
            4,
            4,
            decimals=1,
            thresholds=_ERROR,
            about="Points between a position set by hand and the decision before it.",
        ),
        Panel(
            "stat",
            "Decisions Kept by People",
            (
                "SELECT 1 - (SELECT count() FROM window_overrides "
                f"WHERE {in_range()}) / greatest(count(), 1) AS kept {_ACTIONS}",
            ),
            4,
            4,
            "percentunit",
            least=0.0,
            thresholds=((None, "red"), (0.8, "orange"), (0.95, "green")),
        ),
        Panel(
            "barchart",
            "Prediction Frequency by Device",
            (
                f"SELECT device_id AS device, count() AS predictions {_ACTIONS} "
                "GROUP BY device ORDER BY predictions DESC",
            ),
        ),
        Panel(
            "barchart",
            "Confidence Score Distribution",
            (
                f"SELECT {_BUCKETS} AS bucket, count() AS predictions {_ACTIONS} "
                "GROUP BY bucket ORDER BY bucket",
            ),
        ),
        Panel(
            "timeseries",
            "Prediction Rate",
            (
                "SELECT toStartOfMinute(timestamp) AS time, device_id AS device, "
                f"count() AS per_minute {_ACTIONS} GROUP BY time, device ORDER BY time",
            ),
            least=0.0,
        ),
        Panel(
            "timeseries",
            "Confidence Score Over Time",
            (trend("window_actions", "confidence", "confidence"),),
            unit="percentunit",
            least=0.0,
            most=1.0,
        ),
        Panel(
            "timeseries",
            "Inference Latency",
            (
                "SELECT $__timeInterval(timestamp) AS time, "
                "quantile(0.5)(inference_time_ms) AS p50, "
                "quantile(0.95)(inference_time_ms) AS p95, max(inference_time_ms) AS most "
                f"FROM ml_predictions WHERE {in_range('isNotNull(inference_time_ms)')} "
                "GROUP BY time ORDER BY time",
            ),
            unit="ms",
            least=0.0,
        ),
        Panel(
            "timeseries",
            "From Request to Decision",
            (
                "SELECT $__timeInterval(h.timestamp) AS time, "
                "quantile(0.5)(took) AS p50, quantile(0.95)(took) AS p95 FROM ("
                "SELECT q.timestamp AS timestamp, toUnixTimestamp64Milli(a.timestamp) "
                "- toUnixTimestamp64Milli(q.timestamp) AS took FROM inference_history AS q "
                "INNER ANY JOIN window_actions AS a ON q.correlation_id = a.correlation_id "
                "AND q.device_id = a.device_id "
                "WHERE $__timeFilter_ms(q.timestamp) AND q.correlation_id != '') AS h "
                "GROUP BY time ORDER BY time",
            ),
            unit="ms",
            least=0.0,
        ),
        Panel(
            "timeseries",
            "Error against People Over Time",
            (
                "SELECT toStartOfHour(timestamp) AS time, avg(error) AS points "
                f"FROM {_JUDGED} WHERE {in_range()} GROUP BY time ORDER BY time",
            ),
            least=0.0,
            thresholds=_ERROR,
            about="Points between a position set by hand and the decision before it.",
        ),
        Panel(
            "barchart",
            "Correlation of Features with the Window Position",
            (
                "SELECT pair.1 AS feature, pair.2 AS correlation FROM ("
                "SELECT arrayJoin([('temperature', corr(temperature, position)), "
                "('humidity', corr(humidity, position)), "
                f"('sound_volume', corr(sound_volume, position))]) AS pair {_ACTIONS})",
            ),
            least=-1.0,
            most=1.0,
        ),
        _against("temperature", "Temperature vs Window Position", "celsius"),
        _against("humidity", "Humidity vs Window Position", "percent"),
        _against("sound_volume", "Sound Volume vs Window Position", "dB"),
        Panel(
            "barchart",
            "Why Decisions Were Asked For",
            (
                "SELECT if(empty(trigger_reason), 'unknown', trigger_reason) AS reason, "
                f"count() AS requests FROM inference_history WHERE {in_range()} "
                "GROUP BY reason ORDER BY requests DESC LIMIT 20",
            ),
        ),
        Panel(
            "table",
            "Versions of the Model",
            (
                "SELECT model_version AS version, count() AS predictions, "
                "avg(confidence) AS mean_confidence, min(timestamp) AS since, "
                f"max(timestamp) AS until FROM ml_predictions WHERE {in_range()} "
                "GROUP BY version ORDER BY since DESC",
            ),
            decimals=2,
        ),
    ),
)
