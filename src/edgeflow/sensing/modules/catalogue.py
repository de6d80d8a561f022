"""The catalogue: the modules whose sources are in the checkout, and what their manifests say."""

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from edgeflow.errors import ConfigError, did_you_mean
from edgeflow.protocols.rvf import MAX_VERSION, Container, Manifest, capability_bits
from edgeflow.sensing.modules.build import SOURCES, build_module

__all__ = [
    "ModuleEventKind",
    "ModuleSource",
    "catalogue",
    "event_names",
    "find_module",
    "read_source",
]

MAX_MANIFEST = 64 * 1024
NUMBERS = {"max_frame_us", "max_events_per_second", "memory_limit_kb"}
NUMBERS |= {"min_subcarriers", "max_subcarriers"}
KEYS = {
    "name",
    "version",
    "summary",
    "status",
    "reason",
    "capabilities",
    "events",
    "author",
    *NUMBERS,
}


@dataclass(frozen=True, slots=True)
class ModuleEventKind:
    """An event that a module tells: its number, its name, and what its value is."""

    id: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """A module's C source and its manifest.

    Attributes:
        status: ``working`` or ``experimental``; then ``reason`` says why.
        version: of the module, 0 for none.
    """

    path: Path
    manifest: Manifest
    summary: str
    status: str
    reason: str
    events: tuple[ModuleEventKind, ...]
    version: int = 0

    def build(self) -> Container:
        """Compile it into a container without a signature.

        Raises:
            MissingExtraError, ConfigError: as of ``build_module``.
        """
        return Container(self.manifest, build_module(self.path), version=self.version)


def read_source(path: Path) -> ModuleSource:
    """Read the manifest beside a C source, of the same name with ``.toml``.

    Raises:
        ConfigError: it is not there, or says what cannot be.
    """
    file = path.with_suffix(".toml")
    try:
        text = file.read_text()
        if len(text) > MAX_MANIFEST:
            raise ConfigError(f"{file} is larger than {MAX_MANIFEST} bytes")
        said = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}",
            hint="a module has a manifest beside its source, see docs/how-to/write-a-module.md",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    for key in said:
        if key not in KEYS:
            raise ConfigError(f"{file}: no key {key!r}", hint=did_you_mean(key, sorted(KEYS)))
    try:
        return _source(path, said)
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file}: missing, or of another type: {error}") from error


def _source(path: Path, said: dict[str, Any]) -> ModuleSource:
    status, reason = str(said.get("status", "experimental")), str(said.get("reason", ""))
    if status not in {"working", "experimental"}:
        raise ConfigError(f"{path.stem}: status {status!r}", hint="working or experimental")
    numbers = {name: int(said.get(name, 0)) for name in NUMBERS}
    manifest = Manifest(
        name=said["name"],
        capabilities=capability_bits(said["capabilities"]),
        author=said.get("author", ""),
        **numbers,
    )
    manifest.encode(b"")  # what does not fit is told now
    events = tuple(
        ModuleEventKind(int(each["id"]), str(each["name"]), str(each.get("value", "")))
        for each in said.get("events", [])
    )
    if any(not 0 <= event.id <= 0xFFFF for event in events):
        raise ConfigError(f"{path.stem}: ids of events are 0 to 65535")
    version = int(said.get("version", 0))
    if not 0 <= version <= MAX_VERSION:
        raise ConfigError(f"{path.stem}: version {version}", hint=f"0 to {MAX_VERSION}")
    summary = str(said.get("summary", ""))
    return ModuleSource(path, manifest, summary, status, reason, events, version)


def catalogue(folder: Path = SOURCES) -> list[ModuleSource]:
    """Return all modules, by their first event.

    Raises:
        ConfigError: there is no checkout, or a manifest is wrong.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"there are no sources of modules in {folder}", hint="they come with the repository"
        )
    found = [read_source(file.with_suffix(".c")) for file in folder.glob("*/*.toml")]
    return sorted(found, key=lambda each: (min((e.id for e in each.events), default=0), each.path))


@cache
def event_names() -> dict[int, str]:
    """Return the names of events by their number; none where there is no checkout."""
    try:
        return {event.id: event.name for each in catalogue() for event in each.events}
    except ConfigError:
        return {}


def find_module(name: str) -> ModuleSource:
    """Return a module of the catalogue by its name, with or without ``wdp-``, or its file's.

    Raises:
        ConfigError: there is none.
    """
    known: dict[str, ModuleSource] = {}
    for each in catalogue():
        whole = each.manifest.name
        known |= {whole: each, whole.removeprefix("wdp-"): each, each.path.stem: each}
    if name not in known:
        close = get_close_matches(name, known, n=1)
        raise ConfigError(
            f"no module {name!r} in the catalogue",
            hint=f"did you mean {close[0]!r}?"
            if close
            else "edgeflow csi wasm catalogue lists them",
        )
    return known[name]
