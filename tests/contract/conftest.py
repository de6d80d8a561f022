from pathlib import Path

import pytest
from readers import Reader


@pytest.fixture
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Reader:
    """A reader of the page that ``on`` names."""
    page = Reader(request.param, tmp_path)
    page.save()
    return page
