"""An ESP-IDF project as tests look at it: its sources on stub headers, its options, its tables."""

import csv
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["CORE", "STUBS", "Project"]

ROOT = Path(__file__).parents[1]
CORE = ROOT / "firmware/core"
STUBS = ROOT / "firmware/tests/esp_idf_stubs"
UNITS = {"K": 1 << 10, "M": 1 << 20}
RANGE = re.compile(r"range (\d+) (\d+)\n\s+default (\d+)")


class Project:
    """A project under ``firmware/esp32s3``; ``includes`` are folders it takes headers from."""

    def __init__(self, name: str, *includes: Path) -> None:
        self.folder = ROOT / "firmware/esp32s3" / name
        self.main = self.folder / "main"
        self.sources = sorted(self.main.glob("*.c"))
        folders = [STUBS, STUBS.parent, CORE / "include", self.main, *includes]
        self._command = ["gcc", "-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror"]
        self._command += [f"-I{folder}" for folder in folders]

    def check_syntax(self, source: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """Compile one source against the SDK's declarations."""
        command = [*self._command, "-fsyntax-only", *options, str(source)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def changed(self, source: str, old: str, new: str, folder: Path) -> Path:
        """Return a copy of a source in ``folder`` with ``old`` replaced."""
        text = (self.main / source).read_text()
        assert old in text
        copy = folder / source
        copy.write_text(text.replace(old, new))
        return copy

    def build(self, program: Path, sources: Sequence[Path], *options: str) -> None:
        """Make a program of sources."""
        command = [*self._command, *options, "-o", program, *sources, "-lm"]
        subprocess.run(command, check=True)

    def run(self, program: Path, sources: Sequence[Path], *options: str) -> None:
        """Make a program under the sanitizers, and see that it ends well."""
        self.build(program, sources, "-fsanitize=address,undefined", *options)
        ran = subprocess.run([program], capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def numbers(self) -> Iterator[tuple[str, int, int, int]]:
        """Yield name, least, most and default of every number that can be configured."""
        for option in (self.main / "Kconfig.projbuild").read_text().split("\nconfig ")[1:]:
            if "\n    int " in option:
                name = option.split()[0]
                found = RANGE.search(option)
                assert found is not None, name
                least, most, default = map(int, found.groups())
                yield name, least, most, default

    def check_numbers(self, count: int) -> None:
        """See that all have a range, and the stubs their defaults."""
        stubs = (STUBS / "sdkconfig.h").read_text()
        found = list(self.numbers())
        assert len(found) == count
        for name, least, most, default in found:
            assert least <= default <= most, name
            assert f"CONFIG_{name} {default}\n" in stubs

    def settings(self, name: str = "sdkconfig.defaults") -> dict[str, str]:
        """Return what a file of settings sets."""
        lines = (self.folder / name).read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line.startswith("CONFIG_"))

    def partitions(self, table: str) -> dict[str, tuple[str, str, int, int]]:
        """Return type, subtype, offset and size in bytes by name."""
        lines = [line for line in (self.folder / table).read_text().splitlines() if line[0] != "#"]
        return {
            name: (kind, subtype, int(offset, 0), _size(size))
            for name, kind, subtype, offset, size in csv.reader(lines, skipinitialspace=True)
        }

    def check_partitions(self, table: str, flash: int) -> None:
        """See that they follow each other within the flash, aligned."""
        end = 0
        for name, (kind, _, offset, size) in self.partitions(table).items():
            assert offset >= end, name
            assert offset % (0x10000 if kind == "app" else 0x1000) == 0, name
            end = offset + size
        assert end <= flash


def _size(text: str) -> int:
    unit = UNITS.get(text[-1])
    return int(text[:-1]) * unit if unit else int(text, 0)
