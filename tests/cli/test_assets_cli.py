"""``assets``: what is declared, where it lies."""

import json
from pathlib import Path

from edgeflow.assets import DERIVED, Catalogue
from edgeflow.cli import main


def test_list_shows_every_declared_asset(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EDGEFLOW_CACHE_DIR", str(tmp_path))
    assert main(["assets", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "SIZE", "HERE", "PACKAGE", "LICENCE", "ABOUT"]
    declared = [asset.name for asset in Catalogue.load()]
    assert [line.split()[0] for line in lines[1:]] == [*declared, *DERIVED]


def test_list_as_json_tells_what_is_here(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EDGEFLOW_CACHE_DIR", str(tmp_path))
    assert main(["assets", "list", "--json"]) == 0
    for asset in json.loads(capsys.readouterr().out):
        assert asset["cached"] is False
        assert asset["file"].startswith(str(tmp_path))
        assert asset["name"] in DERIVED or len(asset["sha256"]) == 64


def test_path_of_what_is_not_here_fails_but_prints_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EDGEFLOW_CACHE_DIR", str(tmp_path))
    for name in (next(iter(Catalogue.load())).name, next(iter(DERIVED))):
        assert main(["assets", "path", name]) == 1
        printed = capsys.readouterr()
        assert printed.out.startswith(str(tmp_path))
        assert f"edgeflow assets pull {name}" in printed.err


def test_an_unknown_asset(capsys):
    for verb in ("path", "pull"):
        assert main(["assets", verb, "carphon"]) == 1
        printed = capsys.readouterr()
        assert not printed.out
        assert "did you mean 'carphone'?" in printed.err


def test_pull_prints_where_it_lies(capsys):
    assert main(["assets", "pull", "carphone"]) == 0
    printed = capsys.readouterr()
    assert main(["assets", "path", "carphone"]) == 0
    assert capsys.readouterr().out == printed.out
    assert "carphone: " in printed.err


def test_build_fills_a_repository_with_what_it_prints(tmp_path, capsys):
    assert main(["assets", "build", str(tmp_path / "models"), "mobilenet_v2_cls"]) == 0
    file = Path(capsys.readouterr().out.rstrip())
    assert file == tmp_path / "models" / "mobilenet_v2_cls" / "1" / "model.onnx"
    assert file.is_file()
    assert main(["assets", "pull", "mobilenet_v2_cls"]) == 0
    assert Path(capsys.readouterr().out.rstrip()).read_bytes() == file.read_bytes()
