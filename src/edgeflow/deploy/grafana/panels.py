"""Grafana's dashboards as values: panels that lay themselves out, and their JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["DATASOURCE", "KINDS", "Dashboard", "Panel", "Threshold", "Variable", "render"]

DATASOURCE = {"type": "grafana-clickhouse-datasource", "uid": "edgeflow-clickhouse"}
SCHEMA_VERSION = 39
PLUGIN_VERSION = "11.2.0"
COLUMNS = 24

Kind = Literal["stat", "gauge", "timeseries", "table", "piechart", "barchart", "xychart"]
KINDS: tuple[Kind, ...] = (
    "stat",
    "gauge",
    "timeseries",
    "table",
    "piechart",
    "barchart",
    "xychart",
)
Threshold = tuple[float | None, str]
"""From which value on which colour; the first is from None on."""

_EACH_ROW = {"reduceOptions": {"values": True, "calcs": ["lastNotNull"], "fields": ""}}
_LEGEND = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}}
_OPTIONS: dict[str, dict[str, Any]] = {
    "stat": {**_EACH_ROW, "colorMode": "value", "graphMode": "none", "textMode": "auto"},
    "gauge": {**_EACH_ROW, "showThresholdLabels": False, "showThresholdMarkers": True},
    "timeseries": {**_LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "table": {"showHeader": True, "cellHeight": "sm"},
    "piechart": {**_EACH_ROW, **_LEGEND, "pieType": "pie", "displayLabels": ["percent"]},
    "barchart": {**_LEGEND, "orientation": "auto", "showValue": "auto", "stacking": "none"},
    "xychart": {**_LEGEND, "mapping": "manual"},
}


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of a dashboard.

    Attributes:
        queries: SQL with Grafana's macros. Of a time series the first column is ``time``, a text
            names the series, and further numbers are its values.
        width: of 24 columns. unit: as Grafana calls it.
        thresholds: by rising value; green without.
        colored: the column of a table whose cells have the thresholds' colours.
        pairs: of an xychart, the columns of x and y.
    """

    kind: Kind
    title: str
    queries: tuple[str, ...]
    width: int = 12
    height: int = 8
    unit: str = ""
    least: float | None = None
    most: float | None = None
    decimals: int | None = None
    thresholds: tuple[Threshold, ...] = ((None, "green"),)
    colored: str = ""
    pairs: tuple[str, str] | None = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    """What is chosen at a dashboard's top; the query's only column has the choices."""

    name: str
    label: str
    query: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard; ``file`` is its name without ``.json``."""

    file: str
    uid: str
    title: str
    refresh: str
    since: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...] = ()


def render(dashboard: Dashboard) -> dict[str, Any]:
    """The JSON of a dashboard; panels go from left to right, and on to the next row."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["edgeflow", "climate"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": dashboard.refresh,
        "time": {"from": f"now-{dashboard.since}", "to": "now"},
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m", "15m", "1h"]},
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": [_variable(each) for each in dashboard.variables]},
        "panels": [
            _panel(panel, number, place)
            for number, (panel, place) in enumerate(
                zip(dashboard.panels, _places(dashboard.panels), strict=True), start=1
            )
        ],
    }


def _places(panels: Sequence[Panel]) -> list[dict[str, int]]:
    made = []
    x = y = tallest = 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        made.append({"x": x, "y": y, "w": panel.width, "h": panel.height})
        x, tallest = x + panel.width, max(tallest, panel.height)
    return made


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "pluginVersion": PLUGIN_VERSION,
        "datasource": dict(DATASOURCE),
        "gridPos": place,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
        "targets": [_target(panel, query, at) for at, query in enumerate(panel.queries)],
    }
    if panel.about:
        made["description"] = panel.about
    return made


def _options(panel: Panel) -> dict[str, Any]:
    options = dict(_OPTIONS[panel.kind])
    if panel.pairs is not None:
        x, y = ({"matcher": {"id": "byName", "options": column}} for column in panel.pairs)
        frame = {"matcher": {"id": "byIndex", "options": 0}}
        options["series"] = [{"frame": frame, "x": x, "y": y}]
    return options


def _defaults(panel: Panel) -> dict[str, Any]:
    steps = [{"value": value, "color": color} for value, color in panel.thresholds]
    mode = (
        "palette-classic" if panel.kind in ("timeseries", "piechart", "barchart") else "thresholds"
    )
    made: dict[str, Any] = {
        "color": {"mode": mode},
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": dict(_CUSTOM.get(panel.kind, {})),
    }
    told = {
        "unit": panel.unit or None,
        "min": panel.least,
        "max": panel.most,
        "decimals": panel.decimals,
    }
    return made | {name: value for name, value in told.items() if value is not None}


_CUSTOM: dict[str, dict[str, Any]] = {
    "timeseries": {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 5,
        "showPoints": "auto",
        "spanNulls": 300_000,
    },
    "barchart": {"fillOpacity": 80, "lineWidth": 1},
    "xychart": {"show": "points", "pointSize": {"fixed": 4}},
}


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    if not panel.colored:
        return []
    cell = {"id": "custom.cellOptions", "value": {"type": "color-text"}}
    return [{"matcher": {"id": "byName", "options": panel.colored}, "properties": [cell]}]


def _target(panel: Panel, query: str, at: int) -> dict[str, Any]:
    series = panel.kind == "timeseries"
    return {
        "refId": chr(ord("A") + at),
        "datasource": dict(DATASOURCE),
        "editorType": "sql",
        "queryType": "timeseries" if series else "table",
        "format": 0 if series else 1,
        "rawSql": query,
    }


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": dict(DATASOURCE),
        "query": variable.query,
        "refresh": 2,
        "sort": 1,
        "multi": False,
        "includeAll": False,
        "hide": 0,
        "options": [],
        "current": {},
    }
