"""The page about how far a climate system goes: its commands, and the names that it tells."""

import re
import urllib.request

from readers import DOCS, on

PAGE = (DOCS / "how-to/scale-climate.md").read_text("utf-8")
MEASURED = (DOCS.parent / "benchmarks/climate/places.py").read_text("utf-8")


def plain(line):
    return line.partition("#")[0].strip()


@on("how-to/scale-climate.md")
def test_look_first(reader):
    serve, monitor, load, simulate = (plain(line) for line in reader.commands("edgeflow climate"))
    with reader.serving(serve) as system:
        system.says("Ctrl[+]C ends it")
        reader.run(monitor)
        assert "p99" in reader.run(load.replace("--seconds 5", "--seconds 1"))
        reader.run(simulate.replace("20 --seconds 5", "3 --seconds 1"))
        page = f"http://127.0.0.1:{reader.ports['9101']}/metrics"
        with urllib.request.urlopen(page, timeout=20) as answer:
            known = set(re.findall(r"^(iot_\w+)", answer.read().decode(), re.MULTILINE))
    named = set(re.findall(r"`(iot_\w+)`", PAGE))
    assert named
    assert named <= known


def test_mosquitto_was_measured_as_the_page_says() -> None:
    (block,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert block in MEASURED
