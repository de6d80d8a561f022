"""``demo``: what it prints and how it ends."""

import signal
import socket
import subprocess
import sys

import pytest

from edgeflow.cli import main
from pulled import pulled

ASSETS = {
    "frames": (),
    "gateway": ("vtest", "nanodet"),
    "room": ("carphone", "centerface"),
}
COMMAND = "import sys; from edgeflow.cli import main; sys.exit(main())"


@pytest.mark.parametrize(
    ("name", "flow"),
    [("frames", "demo"), ("gateway", "edge-gateway"), ("room", "smart-room")],
)
def test_the_demo_tells_where_to_look_and_ends_in_time(run_dir, name, flow):
    for asset in ASSETS[name]:
        pulled(asset)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "demo", name, "--port", str(port), "--seconds", "1"],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert f"http://127.0.0.1:{port}/dashboard" in done.stdout
    assert "Ctrl+C" in done.stdout
    assert "  Next    edgeflow " in done.stdout
    assert f"{flow}: ran " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_gateway_takes_changes_over_as_it_says(run_dir):
    for asset in ("vtest", "nanodet"):
        pulled(asset)
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "demo", "gateway", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            told = next(line for line in process.stdout if "kill -HUP" in line)
            process.send_signal(getattr(signal, f"SIG{told.split()[1].lstrip('-')}"))
            for line in process.stderr:
                if "flow_reloaded" in line:
                    break
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=20)
        finally:
            process.kill()
    assert str(process.pid) in told
    assert "edge-gateway: ran " in rest, process.returncode


def test_an_unknown_demo(capsys):
    assert main(["demo", "frame"]) == 3
    assert "did you mean 'frames'?" in capsys.readouterr().err


def test_a_clip_that_is_not_there(capsys, tmp_path):
    assert main(["demo", "--clip", str(tmp_path / "none.mp4")]) == 3
    assert "error[EF-CONFIG-001]" in capsys.readouterr().err
