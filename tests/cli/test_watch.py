"""``status``, ``top``, ``trace`` and ``tap`` on a flow that answers on its control socket."""

import json

import cv2
import numpy as np
import pytest

from edgeflow.cli import main
from edgeflow.runtime.control import ControlServer

pytestmark = pytest.mark.usefixtures("small_flow")


@pytest.fixture
def second_flow(small_flow):
    with ControlServer("other", small_flow, small_flow):
        yield


def test_status_prints_nodes_links_and_errors(capsys):
    assert main(["status"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("small  threads  running  up 3 min 05 s\n")
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert rows["camera"][:2] != rows["detector"][:2]
    assert "detector: ValueError: no face  (declared at main.py:8)" in out
    assert "550" in out
    assert not any(line.endswith(" ") for line in out.splitlines())


@pytest.mark.parametrize("words", [["status", "--json"], ["top", "--once", "--json"]])
def test_status_as_json(words, capsys):
    assert main(words) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["app"] == "small"
    assert printed["links"][0]["dropped"] == 550


def test_top_without_a_terminal_prints_once(capsys):
    assert main(["top"]) == 0
    assert "camera → detector" in capsys.readouterr().out


def test_several_flows_want_a_name(second_flow, capsys):
    assert main(["status"]) == 3
    err = capsys.readouterr().err
    assert "several apps run: other, small" in err
    assert "help: name one with --app" in err
    assert main(["status", "--app", "other", "--json"]) == 0
    assert main(["status", "--app", "third"]) == 4


def test_trace_names_the_bottleneck(capsys, tmp_path):
    out = tmp_path / "trace.json"
    assert main(["trace", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "bottleneck: inside node detector, 80%" in printed.out
    assert printed.err == f"1 traces written to {out}\n"
    assert json.loads(out.read_text())["traceEvents"]


def test_trace_as_json(capsys):
    assert main(["trace", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["bottleneck"] == "detector"


def test_a_trace_that_cannot_be_written(capsys, tmp_path):
    assert main(["trace", "--out", str(tmp_path / "no" / "trace.json")]) == 3
    assert "cannot be written" in capsys.readouterr().err


def test_tap_lists_topics(capsys):
    assert main(["tap"]) == 0
    assert capsys.readouterr().out.split() == ["bytes", "camera", "facts", "silent", "words"]
    assert main(["tap", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0] == "bytes"


def test_tap_prints_a_line_of_json_per_frame(capsys):
    assert main(["tap", "camera", "--count", "3", "--all"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["id"] for line in lines] == [0, 1, 2]
    assert lines[2]["payload"] == {"kind": "array", "dtype": "uint8", "shape": [4, 6, 3]}
    assert lines[2]["meta"] == {"n": 2}
    assert lines[2]["timestamp"] == 102.0


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("words", {"kind": "text", "data": "hello"}),
        ("bytes", {"kind": "bytes", "size": 2}),
        ("facts", {"kind": "json", "data": {"faces": 2}}),
    ],
)
def test_tap_shows_other_payloads(topic, payload, capsys):
    assert main(["tap", topic, "-n", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["payload"] == payload


def test_tap_saves_a_picture_without_loss(capsys, tmp_path):
    file = tmp_path / "camera.png"
    assert main(["tap", "camera", "--image", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert np.array_equal(cv2.imread(str(file)), np.zeros((4, 6, 3), np.uint8))


def test_tap_of_what_is_no_picture(capsys, tmp_path):
    assert main(["tap", "words", "--image", str(tmp_path / "x.png")]) == 1
    assert "are no pictures" in capsys.readouterr().err


def test_tap_into_a_form_that_is_none(capsys, tmp_path):
    assert main(["tap", "camera", "--image", str(tmp_path / "x.docx")]) == 3
    assert "ends in .jpg" in capsys.readouterr().err


def test_tap_of_a_silent_topic_ends_in_time(capsys):
    assert main(["tap", "silent", "--seconds", "0.2"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "no frame on 'silent'" in printed.err


def test_tap_of_an_unknown_topic(capsys):
    assert main(["tap", "camra"]) == 3
    assert "did you mean 'camera'?" in capsys.readouterr().err
