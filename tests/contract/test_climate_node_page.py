"""The page of climate nodes beside what the core and the project say."""

import json
import re
from pathlib import Path

from edgeflow._native.climate import NativeClimateNode

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/climate-node.md").read_text("utf-8")
MAIN = ROOT / "firmware/esp32s3/climate_node/main"


def settings() -> dict[str, float]:
    node = NativeClimateNode("attic", 1, 0.0)
    node.connected()
    node.take("device/attic/config", b"{}")
    while (message := node.next(0.0)) is not None:
        node.confirmed()
        if message.topic.endswith("/ack"):
            found = json.loads(message.payload)
            found.pop("refused")
            return found
    raise AssertionError


def test_every_key_stands_on_the_page_with_its_default() -> None:
    rows = {}
    for line in PAGE.splitlines():
        if line.startswith("| `"):
            keys, defaults = line.split("|")[1:3]
            names = re.findall(r"`(\w+)`", keys)
            values = [float(text) for text in re.findall(r"[\d.]+", defaults.split("(")[0])]
            rows.update(zip(names, values, strict=False))
    assert rows == settings()


def test_as_many_readings_wait_as_the_page_says() -> None:
    size = re.search(r"OUTBOX_BYTES (\d+)u", (MAIN / "main.c").read_text())
    reading = re.search(
        r"EF_CLIMATE_READING_BYTES (\d+)u",
        (ROOT / "firmware/core/include/edgeflow/climate_node.h").read_text(),
    )
    assert size is not None
    assert reading is not None
    assert f" {int(size[1]) // int(reading[1])} of them" in PAGE


def test_pins_are_those_of_the_project() -> None:
    options = (MAIN / "Kconfig.projbuild").read_text()
    pins = dict(re.findall(r"config EDGEFLOW_PIN_(\w+)\n.*\n.*\n\s+default (\d+)", options))
    rows = {line.split("|")[1].strip(): line for line in PAGE.splitlines() if "|" in line}
    assert f"| {pins['DHT22']}, with" in rows["DHT22"]
    for name in ("MIC_CLOCK", "MIC_SELECT", "MIC_DATA"):
        assert f" {pins[name]}," in rows["INMP441"]
    assert f"| {pins['MOTOR']} |" in rows["servo SG90, 5 V of its own"]
