"""The pages about boards that are only software, done as a reader does them."""

import json
import shutil
from pathlib import Path

from readers import BLOCK, assert_printed, on

from edgeflow.protocols.partitions import encode_table, read_csv

ROOT = Path(__file__).parents[2]


def from_clone(reader):
    """Give the reader what a clone of the repository has at hand."""
    for name in ("examples", "scripts"):
        (reader.folder / name).symlink_to(ROOT / name)
    (copy,) = reader.commands("cp ")
    assert copy == "cp examples/mcu_forecast/model/model_* ."
    for file in (ROOT / "examples/mcu_forecast/model").glob("model_*"):
        shutil.copy(file, reader.folder)
    reader.environment["EDGEFLOW_CACHE_DIR"] = str(reader.folder / "cache")


@on("how-to/virtual-board.md")
def test_virtual_board(reader):
    from_clone(reader)
    start, *_ = reader.commands("edgeflow devices virtual")
    (serve,) = reader.commands("edgeflow mcu serve")
    health, *requests = reader.commands("curl")
    press, read, write = reader.commands("kill", "esptool")
    assert press == "kill -USR2 $PID"
    with reader.serving(start) as board:
        board.says(r"/board0\n")
        with reader.serving(serve) as server:
            server.says("Serving 1 board")
            told = json.loads(reader.run(health))
            (shown,) = reader.printed('"ok":true')
            assert told == json.loads(shown)
            (samples,) = reader.commands("python scripts")
            for command in (samples, *requests):
                reader.run(command)
        answers = [
            json.loads((reader.folder / name).read_text())
            for name in ("infer_out.json", "swapped.json")
        ]
        for answer in answers:
            assert answer["ok"] and len(answer["pred"]) == 8
        assert answers[0]["timing_ms"]["flash"] == 0 < answers[1]["timing_ms"]["flash"]
        assert answers[0]["pred"] != answers[1]["pred"]
        reader.run(f"kill -USR2 {board.process.pid}")
        board.says("loader")
        assert "Read 32768 bytes" in reader.run(read)
        assert "Hash of data verified" in reader.run(write)
        assert "T 32, F 4" in reader.run("edgeflow devices info board0")


@on("how-to/flash-a-board.md")
def test_flash_a_board(reader):
    from_clone(reader)
    slots, reference = reader.commands("edgeflow devices virtual")
    swap, back = reader.commands("edgeflow flash model")
    (shown,) = reader.printed("answers with the model")
    with reader.serving(slots) as board, reader.serving(f"{reference} --instant") as other:
        board.says(r"/board0\n")
        told = reader.run(swap.replace("/dev/ttyACM0", "board0"))
        assert_printed([shown.replace("/dev/ttyACM0", "board0")], told)
        assert "in its file" in reader.run(back.replace("/dev/ttyACM0", "board0"))
        other.says("rfc2217://")
        port = other.log.read_text().splitlines()[0]
        told = reader.run(swap.replace("/dev/ttyACM0", f"'{port}'"))
        assert "hidden 32) in its file" in told
        firmware = make_build(reader.folder)
        for command in reader.commands("edgeflow flash firmware"):
            told = reader.run(command.replace("/dev/ttyACM0", f"'{port}'"))
            assert f"of firmware at {firmware}" in told


def make_build(folder):
    """Make what ESP-IDF leaves in a build folder, and the same files beside it."""
    table = encode_table(
        read_csv((ROOT / "firmware/esp32s3/model_client/partitions.csv").read_text())
    )
    images = {"bootloader": b"\xe9" * 4096, "partition-table": table, "app": b"\xe9" * 8192}
    places = {"bootloader": "0x0", "partition-table": "0x8000", "app": "0x10000"}
    (folder / "build").mkdir()
    for name, image in images.items():
        for place in (folder, folder / "build"):
            (place / f"{name}.bin").write_bytes(image)
    listed = {"flash_files": {place: f"{name}.bin" for name, place in places.items()}}
    listed["extra_esptool_args"] = {"chip": "esp32s3"}
    (folder / "build/flasher_args.json").write_text(json.dumps(listed))
    return ", ".join(places.values())


@on("how-to/export-a-model.md")
def test_export_a_model(reader):
    for command in reader.commands("python", "edgeflow mcu export"):
        told = reader.run(command)
    assert_printed(reader.printed("DTYPE"), told)
    start, info = reader.commands("edgeflow devices")
    with reader.serving(start) as board:
        board.says(r"/board0\n")
        assert "sea, int8, T 32, F 4, H 8, hidden 32, 5000 parameters" in reader.run(info)
    first = reader.run("python own.py")
    assert 0.001 < float(first) < 0.1


def test_the_readme_says_what_the_page_says():
    page = (ROOT / "docs/how-to/virtual-board.md").read_text()
    readme = (ROOT / "README.md").read_text()
    section = readme.partition("## Your own board")[2].partition("\n## ")[0]
    (block,) = (match[3] for match in BLOCK.finditer(section))
    lines = [line.partition("  #")[0].strip() for line in block.splitlines() if line]
    assert lines[0] == "edgeflow demo boards"
    assert len(lines) == 7
    for line in lines[1:]:
        assert f"\n{line}" in page
