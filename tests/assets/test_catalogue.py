from pathlib import Path

import pytest

from edgeflow.assets import Catalogue
from edgeflow.errors import AssetError

GOOD = """
[model]
index = "pypi"
package = "tinymodel"
version = "1.0"
path = "tinymodel/model.bin"
sha256 = "{hash}"
size = 10
licence = "MIT"
origin = "nowhere"
""".format(hash="ab" * 32)


def load(tmp_path: Path, text: str) -> Catalogue:
    manifest = tmp_path / "manifest.toml"
    manifest.write_text(text)
    return Catalogue.load(manifest)


def test_the_platforms_own_manifest_is_sound() -> None:
    catalogue = Catalogue.load()
    assert {"centerface", "carphone"} <= {asset.name for asset in catalogue}
    assert len({asset.filename for asset in catalogue}) == len(catalogue)
    assert all(asset.about and asset.licence and asset.origin for asset in catalogue)


def test_the_file_name_changes_with_the_content(tmp_path: Path) -> None:
    first = load(tmp_path, GOOD)["model"]
    second = load(tmp_path, GOOD.replace("ab" * 32, "cd" * 32))["model"]
    assert first.filename == "model-abababababab.bin"
    assert second.filename != first.filename


def test_an_unknown_asset_names_the_nearest() -> None:
    with pytest.raises(AssetError, match="did you mean 'carphone'"):
        Catalogue.load()["carfone"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tinymodel/model.bin", "/etc/passwd", "relative path"),
        ("tinymodel/model.bin", "a/../../b", "relative path"),
        ("ab" * 32, "ab" * 31, "64"),
        ("ab" * 32, "AB" * 32, "64"),
        ("size = 10", "size = 0", "size 0"),
        ("size = 10", "size = 99999999999", "size 9"),
        ("size = 10", 'size = "ten"', "int"),
        ('"pypi"', '"warez"', "warez"),
        ('"tinymodel"', '"--index-url=x"', "start with"),
        ("[model]", '["../model"]', "letters"),
        ("licence", "license", "license"),
        ('licence = "MIT"', "", "licence"),
        ("[model]", "[model", "manifest"),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_place(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(AssetError, match=message) as caught:
        load(tmp_path, GOOD.replace(old, new))
    assert "manifest.toml" in str(caught.value)


def test_a_missing_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"absent\.toml"):
        Catalogue.load(tmp_path / "absent.toml")
