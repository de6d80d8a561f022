"""The tables of a system of sensors, whatever database holds them."""

from edgeflow.errors import ConfigError, did_you_mean
from edgeflow.store.tables import Column, Table

__all__ = ["TABLES", "table_named"]

_DEVICE = (Column("device_id", "text"), Column("timestamp", "time"))
_COUNTED = (Column("boot", "integer"), Column("sequence", "integer"))
_IDENTITY = ("device_id", "boot", "sequence")


def _floats(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "float") for name in names)


def _texts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "text") for name in names)


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "sensor_temperature",
            (*_DEVICE, *_floats("value"), *_COUNTED),
            measure="value",
            identity=_IDENTITY,
        ),
        Table(
            "sensor_humidity",
            (*_DEVICE, *_floats("value"), *_COUNTED),
            measure="value",
            identity=_IDENTITY,
        ),
        Table(
            "sensor_audio",
            (
                *_DEVICE,
                Column("sample_rate", "integer"),
                *_floats("duration"),
                *_texts("format", "audio_hash"),
                *_floats("sound_volume"),
                Column("features", "json"),
                *_COUNTED,
            ),
            measure="sound_volume",
            identity=_IDENTITY,
        ),
        Table(
            "sensor_readings",
            (*_DEVICE, *_texts("kind"), *_floats("value"), *_COUNTED),
            measure="value",
            identity=("kind", *_IDENTITY),
        ),
        Table(
            "window_actions",
            (
                *_DEVICE,
                *_floats("position", "confidence", "temperature", "humidity", "sound_volume"),
                *_texts("correlation_id", "rule"),
            ),
            measure="position",
        ),
        Table(
            "window_overrides",
            (
                *_DEVICE,
                *_floats("position", "temperature", "humidity", "sound_volume"),
                *_texts("person"),
            ),
            measure="position",
        ),
        Table(
            "ml_predictions",
            (
                *_DEVICE,
                *_floats("prediction", "confidence", "inference_time_ms"),
                *_texts("model_version", "correlation_id"),
            ),
            measure="inference_time_ms",
        ),
        Table(
            "inference_history",
            (
                *_DEVICE,
                *_texts("trigger_reason"),
                *_floats("temp_z_score", "humidity_z_score", "volume_z_score"),
                *_texts("correlation_id"),
            ),
        ),
        Table(
            "device_registry",
            (
                Column("device_id", "text"),
                *_texts("name", "location", "kind", "owner"),
                Column("registered_at", "time"),
                Column("last_seen", "time"),
                Column("is_active", "bool"),
                Column("config", "json"),
            ),
            newest_by=("device_id",),
        ),
        Table(
            "device_settings",
            (*_DEVICE, *_texts("name", "location"), Column("config", "json")),
        ),
        Table(
            "device_configurations",
            (
                *_DEVICE,
                Column("version", "integer"),
                *_texts("state", "reason"),
                Column("desired", "json"),
                Column("reported", "json"),
                Column("asked", "time"),
            ),
        ),
        Table("device_alerts", (*_DEVICE, *_texts("kind", "state", "reason"))),
        Table("dead_letters", (*_DEVICE, *_texts("topic", "reason", "payload"))),
        Table(
            "csi_vitals",
            (
                *_DEVICE,
                Column("presence", "bool"),
                *_floats("motion", "breathing_bpm", "heart_bpm", "confidence"),
                Column("persons", "integer"),
                Column("fall", "bool"),
            ),
            measure="motion",
        ),
        Table(
            "events",
            (*_DEVICE, *_texts("kind", "source"), *_floats("value"), Column("details", "json")),
            measure="value",
        ),
        Table(
            "model_usage",
            (
                *_DEVICE,
                *_texts("model", "version"),
                Column("requests", "integer"),
                Column("failures", "integer"),
                *_floats("mean_ms", "queue_ms", "compute_ms"),
            ),
            measure="mean_ms",
        ),
        Table("actions", (*_DEVICE, *_texts("action", "result", "correlation_id", "detail"))),
        Table(
            "health",
            (*_DEVICE, *_texts("service", "state", "detail"), *_floats("value")),
            measure="value",
        ),
    )
}
"""By name. A rate without a reading, and a value that a row does not have, is NaN."""


def table_named(name: str) -> Table:
    """A table by its name.

    Raises:
        ConfigError: there is none.
    """
    table = TABLES.get(name)
    if table is None:
        raise ConfigError(f"no table {name!r}", hint=did_you_mean(name, list(TABLES)))
    return table
