"""Compiles the firmware core into the package, when it is installed and by ``make native``."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = Path("src/edgeflow/_native")
FLAGS = ["-std=c11", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]
# What cffi itself writes is not ours to keep clean.
FLAGS += ["-Wno-unused-parameter", "-Wno-missing-field-initializers", "-Wno-cast-function-type"]


def build(root: Path) -> Path:
    """Compile the sources of ``firmware/core`` and ``firmware/host``; return the module's file."""
    from cffi import FFI

    binding = FFI()
    # What all functions return comes first; the rest only names types of its own file.
    found = (root / PACKAGE / "cdef").glob("*.h")
    for declarations in sorted(found, key=lambda file: (file.name != "status.h", file.name)):
        binding.cdef(declarations.read_text())
    core, host = root / "firmware/core", root / "firmware/host"
    headers = sorted([*(core / "include").rglob("*.h"), *(host / "include").rglob("*.h")])
    sources = sorted([*(core / "src").glob("*.c"), *(host / "src").glob("*.c")])
    includes = [str(core / "include"), str(host / "include")]
    names = [header.relative_to(header.parents[1]).as_posix() for header in headers]
    binding.set_source(
        "_core",
        "\n".join(f'#include "{name}"' for name in names),
        sources=[str(source) for source in sources],
        include_dirs=includes,
        extra_compile_args=FLAGS,
    )
    with tempfile.TemporaryDirectory() as folder:
        made = Path(binding.compile(tmpdir=folder))
        target = root / PACKAGE / made.name
        fresh = target.with_suffix(".new")
        fresh.write_bytes(made.read_bytes())
        fresh.chmod(0o755)
        # A process that has the old one mapped keeps it.
        fresh.replace(target)
    return target


class NativeBuildHook(BuildHookInterface[Any]):
    """Puts the compiled core into the wheel, or beside the sources of an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say so in the wheel's tag."""
        made = build(Path(self.root))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if version != "editable":
            build_data["force_include"][str(made)] = f"edgeflow/_native/{made.name}"


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(__file__).parent)}\n")
