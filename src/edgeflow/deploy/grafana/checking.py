"""What is wrong with a dashboard's JSON, that Grafana itself would show as an empty panel."""

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from edgeflow.deploy.grafana.panels import COLUMNS, DATASOURCE, KINDS

__all__ = ["problems"]

_MACROS = {"timeFilter_ms", "timeInterval", "interval_s"}


def problems(dashboard: Mapping[str, Any]) -> list[str]:
    """All of them, in words; empty when there are none."""
    panels = dashboard.get("panels", [])
    found = _twice("panel id", [panel["id"] for panel in panels])
    found += _twice("title", [panel["title"] for panel in panels])
    found += [] if dashboard.get("uid") else ["the dashboard has no uid"]
    for panel in panels:
        found += [f"{panel['title']}: {each}" for each in _of_panel(panel)]
    for one, other in itertools.combinations(panels, 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            found.append(f"{one['title']} overlaps {other['title']}")
    known = {each["name"] for each in dashboard.get("templating", {}).get("list", [])}
    for panel in panels:
        used = set(re.findall(r"\$\{(\w+)", " ".join(_queries(panel))))
        found += [f"{panel['title']}: no variable {name}" for name in sorted(used - known)]
    return found


def _of_panel(panel: Mapping[str, Any]) -> Iterable[str]:
    if panel["type"] not in KINDS:
        yield f"type {panel['type']} is not known"
    place = panel["gridPos"]
    if place["x"] < 0 or place["w"] < 1 or place["h"] < 1 or place["x"] + place["w"] > COLUMNS:
        yield "it does not fit into the columns"
    yield from _of_thresholds(panel["fieldConfig"]["defaults"])
    targets = panel["targets"]
    if not targets:
        yield "it asks nothing"
    yield from _twice("refId", [target["refId"] for target in targets])
    for source in (panel, *targets):
        if source["datasource"] != DATASOURCE:
            yield f"datasource {source['datasource']}"
    for target in targets:
        yield from _of_target(panel["type"], target)
    if panel["type"] == "xychart" and not panel["options"].get("series"):
        yield "an xychart without series"


def _of_thresholds(defaults: Mapping[str, Any]) -> Iterable[str]:
    values = [step["value"] for step in defaults["thresholds"]["steps"]]
    if not values or values[0] is not None:
        yield "the first threshold has a value"
    if None in values[1:] or values[1:] != sorted(set(values[1:])):
        yield f"thresholds {values} are not sorted"


def _of_target(kind: str, target: Mapping[str, Any]) -> Iterable[str]:
    query = target["rawSql"]
    series = kind == "timeseries"
    if target["format"] != (0 if series else 1):
        yield f"{target['refId']}: format {target['format']}"
    if series and not re.search(r"^SELECT .*? AS time\b", query):
        yield f"{target['refId']}: no column time"
    if series and "ORDER BY time" not in query:
        yield f"{target['refId']}: not in the order of time"
    for macro in re.findall(r"\$__(\w+)", query):
        if macro not in _MACROS:
            yield f"{target['refId']}: macro {macro} is not known"
    if "device_registry" in query and "device_registry FINAL" not in query:
        yield f"{target['refId']}: the registry without FINAL"


def _queries(panel: Mapping[str, Any]) -> list[str]:
    return [target["rawSql"] for target in panel["targets"]]


def _overlap(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def _twice(what: str, values: list[Any]) -> list[str]:
    return [f"{what} {value} twice" for value in sorted({v for v in values if values.count(v) > 1})]
