"""What an image is built from, as far as it goes without an image engine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from deployed_flows import example
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.deploy.contexts import framework, write_context
from edgeflow.deploy.dockerfile import BASE, dockerfile
from edgeflow.deploy.ignoring import Ignored
from edgeflow.deploy.planning import plan_file
from edgeflow.deploy.workloads import Image
from edgeflow.errors import ConfigError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    example(folder)
    return folder


def context(project: Path, folder: Path, source: Path | str = ROOT) -> tuple[Path, str]:
    folder.mkdir()
    return folder, write_context(plan_file(project / "main.py").image, folder, source, BASE)


def copied(text: str) -> list[str]:
    return [
        word
        for line in text.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]


def test_everything_the_dockerfile_copies_is_there(project, tmp_path):
    (project / "requirements.txt").write_text("shapely\n")
    folder, _ = context(project, tmp_path / "context")
    text = (folder / "Dockerfile").read_text()
    names = copied(text)
    assert "project/requirements.txt" in names
    assert all((folder / name).exists() for name in names)


def test_the_image_runs_as_the_user_of_the_pods_and_owns_nothing_it_runs(project, tmp_path):
    folder, _ = context(project, tmp_path / "context")
    last = (folder / "Dockerfile").read_text().split("\nFROM ")[-1]
    assert "USER 10001:10001" in last
    assert "--chown" not in last
    assert "gcc" not in last


def test_edgeflow_can_be_installed_from_its_copy(project, tmp_path):
    """The metadata of the copied sources is complete; nothing is downloaded for it."""
    folder, _ = context(project, tmp_path / "context")
    code = "import hatchling.build as b; print(b.prepare_metadata_for_build_wheel('../out'))"
    (folder / "out").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder / "edgeflow", capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (folder / "out" / done.stdout.strip() / "METADATA").is_file()


def test_the_copy_of_edgeflow_has_what_compiling_it_needs(project, tmp_path):
    folder, _ = context(project, tmp_path / "context")
    wanted = re.findall(r'root / "([^"]+)"', (ROOT / "hatch_build.py").read_text())
    assert wanted
    assert all((folder / "edgeflow" / name).is_dir() for name in wanted)
    assert not list((folder / "edgeflow").rglob("*.so"))


def test_the_tag_changes_exactly_when_something_does(project, tmp_path):
    _, first = context(project, tmp_path / "a")
    _, again = context(project, tmp_path / "b")
    assert first == again
    assert re.fullmatch("[0-9a-f]{12}", first)
    (project / "main.py").write_text((project / "main.py").read_text() + "\n")
    _, changed = context(project, tmp_path / "c")
    assert changed != first


def test_secrets_and_rubbish_stay_at_home(project, tmp_path):
    for name in (".env", ".git/config", "__pycache__/x.pyc", "venv/bin/python", "data/big.bin"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("x")
    (project / "lib").mkdir()
    (project / "lib/helper.py").write_text("x")
    (project / ".dockerignore").write_text("# large\ndata/*\n")
    folder, _ = context(project, tmp_path / "context")
    found = sorted(
        path.relative_to(folder / "project").as_posix()
        for path in (folder / "project").rglob("*")
        if path.is_file()
    )
    assert found == ["lib/helper.py", "main.py"]


def test_a_flow_that_is_ignored_is_an_error(project, tmp_path):
    (project / ".dockerignore").write_text("*.py\n")
    with pytest.raises(ConfigError, match="would not be in the image"):
        context(project, tmp_path / "context")


def test_a_link_out_of_the_project_is_not_followed(project, tmp_path):
    (project / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(ConfigError, match="leads out of"):
        context(project, tmp_path / "context")


def test_a_requirement_never_brings_another_edgeflow(project, tmp_path):
    lines = "EdgeFlow[onnx]>=0.3\nedgeflow\nedgeflow-tools\nshapely # edgeflow\n"
    (project / "requirements.txt").write_text(lines)
    folder, _ = context(project, tmp_path / "context")
    kept = (folder / "project/requirements.txt").read_text().splitlines()
    assert kept == ["edgeflow-tools", "shapely # edgeflow"]
    assert '".[onnx]" --requirement' in (folder / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("source", "extras", "expected"),
    [
        (".", (), '"."'),
        (".", ("onnx", "video"), '".[onnx,video]"'),
        ("./edgeflow-1-py3-none-any.whl", ("onnx",), '"./edgeflow-1-py3-none-any.whl[onnx]"'),
        ("edgeflow==0.3.0", ("onnx",), '"edgeflow[onnx]==0.3.0"'),
        ("edgeflow @ git+https://x.example/y@1", ("mcu",),
         '"edgeflow[mcu] @ git+https://x.example/y@1"'),
    ],
)  # fmt: skip
def test_where_edgeflow_comes_from(source, extras, expected):
    text = dockerfile(Image("app", Path(), "main.py", extras), source)
    assert f"/wheels {expected}\n" in text


@pytest.mark.parametrize("base", ["python; rm -rf /", "", "a b", "-x", "python\nRUN x"])
def test_a_base_that_is_no_image_is_refused(base):
    with pytest.raises(ConfigError, match="no name of an image"):
        dockerfile(Image("app", Path(), "main.py"), ".", base)


@pytest.mark.parametrize("text", ['a"b', "a$b", "a`b", "a\nb", "a\\b"])
def test_a_requirement_cannot_break_out_of_its_quotes(text):
    with pytest.raises(ConfigError, match="requirement"):
        dockerfile(Image("app", Path(), "main.py"), f"edgeflow @ {text}")


def test_this_installation_knows_its_sources():
    assert framework() == ROOT
    assert framework("edgeflow==9.9") == "edgeflow==9.9"
    assert framework(str(ROOT)) == ROOT


@pytest.mark.parametrize(
    ("rules", "path", "out"),
    [
        (["*.pyc"], "a/b/c.pyc", True),
        (["*.pyc"], "c.py", False),
        (["build"], "src/build/x", True),
        (["/build"], "src/build/x", False),
        (["/build"], "build/x", True),
        (["data/*"], "data/a/b", True),
        (["data/*"], "more/data/a", False),
        (["**/secret"], "secret", True),
        (["**/secret"], "a/b/secret/c", True),
        (["*", "!main.py"], "main.py", False),
        (["*", "!main.py"], "other.py", True),
        (["!main.py", "*"], "main.py", True),
        (["[ab].txt"], "a.txt", True),
        (["[!ab].txt"], "a.txt", False),
        (["# x", "", "  "], "x", False),
        (["a.b"], "aXb", False),
        (["[z-a]"], "[z-a]", True),
    ],
)
def test_rules_of_dockerignore(rules, path, out):
    assert Ignored(rules)(path) is out


@given(st.lists(st.text(max_size=12), max_size=5), st.text(min_size=1, max_size=20))
def test_any_rules_can_be_read(rules, path):
    ignored = Ignored(rules)
    if ignored.whole(path):
        assert ignored(f"{path}{os.sep}below")
