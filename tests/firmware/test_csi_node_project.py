"""The ESP-IDF project of the sensing node: sources, settings, tables, refusals."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from esp_idf import CORE, STUBS, Project

ROOT = Path(__file__).parents[2]
HOST = ROOT / "firmware/host"
PROJECT = Project("csi_node")
FLASH = [HOST / "src/host_boot.c", HOST / "src/host_flash.c", STUBS.parent / "ota_world.c"]


@pytest.mark.parametrize("build", [(), ("-DSTUB_BARE",)], ids=["all", "bare"])
@pytest.mark.parametrize("source", PROJECT.sources, ids=lambda path: path.name)
def test_sources_use_the_sdk_as_it_is(source: Path, build: tuple[str, ...]) -> None:
    checked = PROJECT.check_syntax(source, *build)
    assert checked.returncode == 0, checked.stderr


def test_a_wrong_argument_is_found(tmp_path: Path) -> None:
    wrong = PROJECT.changed("radio.c", "(to, WIFI_SECOND_CHAN_NONE)", "(to)", folder=tmp_path)
    assert "too few arguments" in PROJECT.check_syntax(wrong).stderr


def test_every_source_is_built() -> None:
    listed = re.findall(r'"(\w+\.c)"', (PROJECT.main / "CMakeLists.txt").read_text())
    assert sorted(listed) == [source.name for source in PROJECT.sources]


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
    sources = [PROJECT.main / source for source in own]
    sources += [path for part in parts for path in (CORE / "src").glob(part)]
    sources += FLASH if name == "ota_requests" else []
    folders = [f"-I{CORE / 'src'}", f"-I{HOST / 'include'}"]
    PROJECT.run(tmp_path / name, [*sources, STUBS / f"{name}.c"], *folders)


def test_the_ring_between_the_cores_has_no_race(tmp_path: Path) -> None:
    program = tmp_path / "ring"
    sources = [STUBS.parent / "test_csi_ring.c", CORE / "src/csi_ring.c"]
    PROJECT.build(program, sources, "-g", "-O1", "-fsanitize=thread")
    # ThreadSanitizer has fixed places in the address space, which newer kernels randomise.
    command = ["setarch", "-R", program]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_what_the_node_relies_on_is_switched_on() -> None:
    found = PROJECT.settings()
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
    PROJECT.check_numbers(5)


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
    found = PROJECT.partitions(table)
    assert found["nvs"] == ("data", "nvs", 0x9000, 0x6000)
    assert found["otadata"] == ("data", "ota", 0xF000, 0x2000)
    assert found["phy_init"] == ("data", "phy", 0x11000, 0x1000)
    assert {name: found[name][2:] for name in slots} == slots
    PROJECT.check_partitions(table, flash)


@pytest.mark.parametrize(("over", "accepted"), [(0, True), (1, False)])
def test_an_image_above_the_gate_fails_the_build(tmp_path: Path, over: int, accepted: bool) -> None:
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("cmake is missing: apt-get install cmake")
    most = re.search(r"-DMOST=(\d+)", (PROJECT.folder / "CMakeLists.txt").read_text())
    assert most is not None
    assert int(most[1]) == 950 * 1024
    image = tmp_path / "image.bin"
    image.write_bytes(bytes(int(most[1]) + over))
    script = PROJECT.folder / "image_size.cmake"
    command = [cmake, f"-DIMAGE={image}", f"-DMOST={most[1]}", "-P", script]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode == 0) is accepted, ran.stderr
