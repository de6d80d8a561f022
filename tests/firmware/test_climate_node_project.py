"""The ESP-IDF project of the climate node: sources, settings, and its set-up page."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "firmware/esp32s3/climate_node"
SHARED = ROOT / "firmware/esp32s3/csi_node/main"
STUBS = ROOT / "firmware/tests/esp_idf_stubs"
CORE = ROOT / "firmware/core"
SOURCES = sorted((PROJECT / "main").glob("*.c"))
INCLUDES = [STUBS, STUBS.parent, CORE / "include", PROJECT / "main", SHARED]
COMMAND = ["gcc", "-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror"]
COMMAND += [f"-I{folder}" for folder in INCLUDES]


def check_syntax(source: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "-fsyntax-only", *options, str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("build", [(), ("-DSTUB_BARE",)], ids=["dht22-servo", "bme280-stepper"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_sources_use_the_sdk_as_it_is(source: Path, build: tuple[str, ...]) -> None:
    checked = check_syntax(source, *build)
    assert checked.returncode == 0, checked.stderr


def test_a_wrong_argument_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.c"
    text = (PROJECT / "main/broker.c").read_text()
    wrong.write_text(text.replace("client, control, 1)", "client, control)"))
    assert "too few arguments" in check_syntax(wrong).stderr


def test_every_source_is_built() -> None:
    listing = (PROJECT / "main/CMakeLists.txt").read_text()
    own = re.findall(r'"(\w+\.c)"', listing)
    assert sorted(own) == [source.name for source in SOURCES]
    shared = re.findall(r'"\$\{shared\}/(\w+\.c)"', listing)
    assert shared
    assert all((SHARED / name).is_file() for name in shared)


def test_numbers_to_configure_have_a_range_and_the_stubs_their_defaults() -> None:
    options = (PROJECT / "main/Kconfig.projbuild").read_text().split("\nconfig ")[1:]
    numbers = [option for option in options if "\n    int " in option]
    stubs = (STUBS / "sdkconfig.h").read_text()
    assert len(numbers) == 13
    for option in numbers:
        name = option.split()[0]
        found = re.search(r"range (\d+) (\d+)\n\s+default (\d+)", option)
        assert found is not None, name
        least, most, default = map(int, found.groups())
        assert least <= default <= most, name
        assert f"CONFIG_{name} {default}\n" in stubs


def test_what_the_node_relies_on_is_switched_on() -> None:
    found = (PROJECT / "sdkconfig.defaults").read_text()
    for name in ("BOOTLOADER_APP_ROLLBACK_ENABLE", "SPIRAM", "ESP_TASK_WDT_PANIC"):
        assert f"CONFIG_{name}=y\n" in found, name


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
    sources = [PROJECT / "main" / source for source in own]
    core = [path for part in parts for path in (CORE / "src").glob(part)]
    program = tmp_path / name
    made = [*COMMAND, f"-I{CORE / 'src'}", "-fsanitize=address,undefined", "-o", program]
    # Of what its sources name only some is reached: the rest of the core stays out.
    made += ["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"]
    subprocess.run([*made, *sources, *core, STUBS / f"{name}.c", "-lm"], check=True)
    ran = subprocess.run([program], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
