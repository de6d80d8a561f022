"""The ESP-IDF project of the sensing node: sources, settings, tables, refusals."""

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "firmware/esp32s3/csi_node"
STUBS = ROOT / "firmware/tests/esp_idf_stubs"
SOURCES = sorted((PROJECT / "main").glob("*.c"))
INCLUDES = [STUBS, STUBS.parent, ROOT / "firmware/core/include", PROJECT / "main"]
INSIDE = [f"-I{ROOT / 'firmware/core/src'}", f"-I{ROOT / 'firmware/host/include'}"]
FLASH = [ROOT / "firmware/host/src/host_boot.c", ROOT / "firmware/host/src/host_flash.c"]
FLASH += [STUBS.parent / "ota_world.c"]
COMMAND = ["gcc", "-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror"]
COMMAND += [f"-I{folder}" for folder in INCLUDES]


def check_syntax(source: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "-fsyntax-only", *options, str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("build", [(), ("-DSTUB_BARE",)], ids=["all", "bare"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_sources_use_the_sdk_as_it_is(source: Path, build: tuple[str, ...]) -> None:
    checked = check_syntax(source, *build)
    assert checked.returncode == 0, checked.stderr


def test_a_wrong_argument_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.c"
    text = (PROJECT / "main/radio.c").read_text()
    wrong.write_text(text.replace("(to, WIFI_SECOND_CHAN_NONE)", "(to)"))
    assert "too few arguments" in check_syntax(wrong).stderr


def test_every_source_is_built() -> None:
    listed = re.findall(r'"(\w+\.c)"', (PROJECT / "main/CMakeLists.txt").read_text())
    assert sorted(listed) == [source.name for source in SOURCES]


UPDATES = ["ota*.c", "ed25519*.c", "sha*.c", "checksum.c"]
STANDINS = {
    "collector_posts": (["collector.c"], ["node_ingest.c"]),
    "ota_requests": (["ota_server.c", "ota_slots.c"], [*UPDATES, "node_policy.c"]),
    "lost_network": (["station.c", "radio.c"], ["node_policy.c", "csi_ring.c"]),
    "sensing_task": (["sensing.c"], ["node_*.c", "csi*.c", "checksum.c"]),
    "stored_settings": (["settings_store.c"], ["node_*.c", "csi*.c", "checksum.c"]),
}


@pytest.mark.parametrize("name", list(STANDINS))
def test_sources_on_an_sdk_that_answers(tmp_path: Path, name: str) -> None:
    own, parts = STANDINS[name]
    sources = [PROJECT / "main" / source for source in own]
    core = [path for part in parts for path in (ROOT / "firmware/core/src").glob(part)]
    core += FLASH if name == "ota_requests" else []
    program = tmp_path / name
    made = [*COMMAND, *INSIDE, "-fsanitize=address,undefined", "-o", program]
    subprocess.run([*made, *sources, *core, STUBS / f"{name}.c", "-lm"], check=True)
    ran = subprocess.run([program], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_ring_between_the_cores_has_no_race(tmp_path: Path) -> None:
    program = tmp_path / "ring"
    sources = [STUBS.parent / "test_csi_ring.c", ROOT / "firmware/core/src/csi_ring.c"]
    made = [*COMMAND, "-g", "-O1", "-fsanitize=thread", "-o", program, *sources]
    subprocess.run(made, check=True)
    # ThreadSanitizer has fixed places in the address space, which newer kernels randomise.
    command = ["setarch", "-R", program]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def settings(name: str) -> dict[str, str]:
    lines = (PROJECT / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line.startswith("CONFIG_"))


def test_what_the_node_relies_on_is_switched_on() -> None:
    found = settings("sdkconfig.defaults")
    for name in (
        "BOOTLOADER_APP_ROLLBACK_ENABLE",
        "ESP_WIFI_CSI_ENABLED",
        "ESP_WIFI_TASK_PINNED_TO_CORE_0",
        "PM_ENABLE",
        "FREERTOS_USE_TICKLESS_IDLE",
        "ESP_TASK_WDT_PANIC",
        "ESP_TASK_WDT_CHECK_IDLE_TASK_CPU1",
    ):
        assert found[f"CONFIG_{name}"] == "y", name


def test_numbers_to_configure_have_a_range_and_the_stubs_their_defaults() -> None:
    options = (PROJECT / "main/Kconfig.projbuild").read_text().split("\nconfig ")[1:]
    numbers = [option for option in options if "\n    int " in option]
    stubs = (STUBS / "sdkconfig.h").read_text()
    assert len(numbers) == 5
    for option in numbers:
        name = option.split()[0]
        found = re.search(r"range (\d+) (\d+)\n\s+default (\d+)", option)
        assert found is not None, name
        least, most, default = map(int, found.groups())
        assert least <= default <= most, name
        assert f"CONFIG_{name} {default}\n" in stubs


def rows(table: str) -> dict[str, tuple[str, str, int, int]]:
    lines = [line for line in (PROJECT / table).read_text().splitlines() if line[0] != "#"]
    return {
        name: (kind, subtype, int(offset, 0), int(size, 0))
        for name, kind, subtype, offset, size in csv.reader(lines, skipinitialspace=True)
    }


@pytest.mark.parametrize(
    ("table", "flash", "slots"),
    [
        ("partitions.csv", 8 << 20, {"ota_0": (0x20000, 0x200000), "ota_1": (0x220000, 0x200000)}),
        (
            "partitions_4mb.csv",
            4 << 20,
            {"ota_0": (0x20000, 0x1D0000), "ota_1": (0x1F0000, 0x1D0000)},
        ),
    ],
    ids=["8mb", "4mb"],
)
def test_partitions(table: str, flash: int, slots: dict[str, tuple[int, int]]) -> None:
    found = rows(table)
    assert found["nvs"] == ("data", "nvs", 0x9000, 0x6000)
    assert found["otadata"] == ("data", "ota", 0xF000, 0x2000)
    assert found["phy_init"] == ("data", "phy", 0x11000, 0x1000)
    assert {name: found[name][2:] for name in slots} == slots
    end = 0
    for name, (kind, _, offset, size) in found.items():
        assert offset >= end, name
        assert offset % (0x10000 if kind == "app" else 0x1000) == 0, name
        end = offset + size
    assert end <= flash


@pytest.mark.parametrize(("over", "accepted"), [(0, True), (1, False)])
def test_an_image_above_the_gate_fails_the_build(tmp_path: Path, over: int, accepted: bool) -> None:
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("cmake is missing: apt-get install cmake")
    most = re.search(r"-DMOST=(\d+)", (PROJECT / "CMakeLists.txt").read_text())
    assert most is not None
    assert int(most[1]) == 950 * 1024
    image = tmp_path / "image.bin"
    image.write_bytes(bytes(int(most[1]) + over))
    script = PROJECT / "image_size.cmake"
    command = [cmake, f"-DIMAGE={image}", f"-DMOST={most[1]}", "-P", script]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode == 0) is accepted, ran.stderr
