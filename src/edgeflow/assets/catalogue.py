"""The manifest of assets, as typed values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

from edgeflow.errors import AssetError, did_you_mean

__all__ = ["MAX_ASSET_BYTES", "Asset", "Catalogue", "Index"]

Index = Literal["pypi", "npm", "debian"]

MAX_ASSET_BYTES = 2 * 1024**3
"""Largest asset a manifest may declare."""


class Asset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One declared file inside one version of one published package.

    Attributes:
        name: how the platform calls it.
        index: where the package is published.
        package: its name there.
        version: exact version.
        path: member of the package's archive, with forward slashes.
        sha256: of the member, lower-case hexadecimal.
        size: of the member, in bytes.
        licence: what the package says, honestly.
        origin: where the package has it from.
        about: one line for people.
    """

    name: str = ""
    index: Index
    package: str
    version: str
    path: str
    sha256: str
    size: int
    licence: str
    origin: str
    about: str = ""

    @property
    def filename(self) -> str:
        """Name in the cache; it changes when the content does."""
        return f"{self.name}-{self.sha256[:12]}{PurePosixPath(self.path).suffix}"

    def problem(self) -> str | None:
        """Return what is wrong with the declaration, or None."""
        parts = PurePosixPath(self.path).parts
        if not parts or parts[0] == "/" or ".." in parts:
            return f"path {self.path!r} is not a plain relative path"
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            return f"sha256 {self.sha256!r} is not 64 lower-case hexadecimal digits"
        if not 0 < self.size <= MAX_ASSET_BYTES:
            return f"size {self.size} is not from 1 to {MAX_ASSET_BYTES}"
        if not self.name.replace("-", "").replace("_", "").isalnum():
            return "its name may hold letters, digits, '-' and '_' only"
        if self.package.startswith("-") or self.version.startswith("-"):
            return "package and version may not start with '-'"
        return None


@dataclass(frozen=True)
class Catalogue:
    """All declared assets, by name."""

    assets: Mapping[str, Asset]

    @classmethod
    def load(cls, manifest: Path | None = None) -> "Catalogue":
        """Read a manifest; the platform's own if none is given.

        Raises:
            AssetError: the file is missing or a declaration is wrong.
        """
        import tomllib

        manifest = manifest or Path(__file__).with_name("manifest.toml")
        try:
            tables = tomllib.loads(manifest.read_text("utf-8"))
            assets = msgspec.convert(tables, dict[str, Asset])
        except (OSError, ValueError) as error:
            raise AssetError(f"{manifest}: {error}") from None
        named = {name: msgspec.structs.replace(asset, name=name) for name, asset in assets.items()}
        for asset in named.values():
            if problem := asset.problem():
                raise AssetError(f"{manifest}: [{asset.name}]: {problem}")
        return cls(named)

    def __getitem__(self, name: str) -> Asset:
        """Return the asset of that name.

        Raises:
            AssetError: it is not declared.
        """
        asset = self.assets.get(name)
        if asset is None:
            hint = did_you_mean(name, list(self.assets))
            raise AssetError(f"there is no asset {name!r}", hint=hint)
        return asset

    def __iter__(self) -> Iterator[Asset]:
        return iter(self.assets.values())

    def __len__(self) -> int:
        return len(self.assets)
