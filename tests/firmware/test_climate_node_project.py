"""The ESP-IDF project of the climate node: sources, settings, and its set-up page."""

import re
from pathlib import Path

import pytest

from esp_idf import CORE, STUBS, Project

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "firmware/esp32s3/csi_node/main"
PROJECT = Project("climate_node", SHARED)


@pytest.mark.parametrize("build", [(), ("-DSTUB_BARE",)], ids=["dht22-servo", "bme280-stepper"])
@pytest.mark.parametrize("source", PROJECT.sources, ids=lambda path: path.name)
def test_sources_use_the_sdk_as_it_is(source: Path, build: tuple[str, ...]) -> None:
    checked = PROJECT.check_syntax(source, *build)
    assert checked.returncode == 0, checked.stderr


def test_a_wrong_argument_is_found(tmp_path: Path) -> None:
    wrong = PROJECT.changed("broker.c", "client, control, 1)", "client, control)", folder=tmp_path)
    assert "too few arguments" in PROJECT.check_syntax(wrong).stderr


def test_every_source_is_built() -> None:
    listing = (PROJECT.main / "CMakeLists.txt").read_text()
    own = re.findall(r'"(\w+\.c)"', listing)
    assert sorted(own) == [source.name for source in PROJECT.sources]
    shared = re.findall(r'"\$\{shared\}/(\w+\.c)"', listing)
    assert shared
    assert all((SHARED / name).is_file() for name in shared)


def test_numbers_to_configure_have_a_range_and_the_stubs_their_defaults() -> None:
    PROJECT.check_numbers(13)


def test_what_the_node_relies_on_is_switched_on() -> None:
    found = PROJECT.settings()
    for name in ("BOOTLOADER_APP_ROLLBACK_ENABLE", "SPIRAM", "ESP_TASK_WDT_PANIC"):
        assert found[f"CONFIG_{name}"] == "y", name


CLIMATE = ["climate_*.c", "json_scan.c", "text_writer.c", "window_drive.c", "outbox.c"]
STANDINS = {
    "climate_portal": (["portal.c", "store.c"], [*CLIMATE, "form.c"]),
    "climate_turns": (
        ["main.c", "broker.c", "air.c", "microphone.c", "motor.c"],
        [*CLIMATE, "dht22.c", "sound.c", "node_settings.c", "node_policy.c", "csi.c"],
    ),
}


@pytest.mark.parametrize("name", list(STANDINS))
def test_sources_on_an_sdk_that_answers(tmp_path: Path, name: str) -> None:
    own, parts = STANDINS[name]
    sources = [PROJECT.main / source for source in own]
    core = [path for part in parts for path in (CORE / "src").glob(part)]
    # Of what its sources name only some is reached: the rest of the core stays out.
    options = ["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"]
    sources += [*core, STUBS / f"{name}.c"]
    PROJECT.run(tmp_path / name, sources, f"-I{CORE / 'src'}", *options)
