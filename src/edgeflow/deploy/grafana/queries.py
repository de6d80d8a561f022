"""SQL that panels share, in ClickHouse's dialect with the macros of its Grafana plugin."""

__all__ = ["OF_DEVICE", "RECENT", "counted", "in_range", "latest", "per_hour", "trend"]

RECENT = "timestamp >= now() - INTERVAL 5 MINUTE"
OF_DEVICE = "device_id = ${device:sqlstring}"
_IN_RANGE = "$__timeFilter_ms(timestamp)"


def in_range(also: str = "") -> str:
    """The condition of the dashboard's range of time."""
    return f"{_IN_RANGE} AND {also}" if also else _IN_RANGE


def latest(table: str, column: str, name: str, condition: str = RECENT) -> str:
    """The newest value of each device."""
    return (
        f"SELECT device_id AS device, argMax({column}, timestamp) AS {name} FROM {table} "
        f"WHERE {condition} GROUP BY device_id ORDER BY device_id"
    )


def trend(table: str, column: str, name: str, also: str = "", of: str = "avg") -> str:
    """A column over time, a series a device."""
    return (
        f"SELECT $__timeInterval(timestamp) AS time, device_id AS device, {of}({column}) AS {name} "
        f"FROM {table} WHERE {in_range(also)} GROUP BY time, device ORDER BY time"
    )


def counted(table: str, name: str, per: float = 1.0, also: str = "") -> str:
    """Rows a minute, over another number."""
    count = "count()" if per == 1.0 else f"count() / {per:g}"
    return (
        f"SELECT toStartOfMinute(timestamp) AS time, {count} AS {name} FROM {table} "
        f"WHERE {in_range(also)} GROUP BY time ORDER BY time"
    )


def per_hour(table: str, name: str) -> str:
    """Rows an hour."""
    return (
        f"SELECT toStartOfHour(timestamp) AS time, count() AS {name} FROM {table} "
        f"WHERE {in_range()} GROUP BY time ORDER BY time"
    )
