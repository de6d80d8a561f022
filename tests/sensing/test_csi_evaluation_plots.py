"""Charts of the evaluation: whole SVG, points where they belong, and what they are drawn from."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from edgeflow.errors import StoreError
from edgeflow.sensing.evaluation import SCENES, evaluate, learn
from edgeflow.sensing.evaluation_chart import Chart, Series
from edgeflow.sensing.evaluation_plots import PLOTS, breathing_spectrum, draw, rates_of
from edgeflow.sensing.evaluation_report import put
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.recordings import Recording

DATA = Path(__file__).parents[1] / "data/csi"
SVG = "{http://www.w3.org/2000/svg}"


def chart(**more: object) -> Chart:
    usual = {"x": "s", "y": "score", "x_range": (0.0, 10.0), "y_range": (0.0, 1.0)}
    return Chart("a < b & c", **(usual | more))  # type: ignore[arg-type]


def test_a_chart_is_svg_and_holds_what_is_inside() -> None:
    drawn = chart(series=[Series("one", [(0.0, 0.0), (10.0, 1.0), (11.0, 0.5), (5.0, 7.0)])])
    root = ET.fromstring(drawn.svg())
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert {"a < b & c", "s", "score", "one", "0.2"} <= set(texts)
    (line,) = [p.get("d") for p in root.iter(f"{SVG}path") if p.get("fill") == "none"]
    assert line is not None
    places = [tuple(map(float, each)) for each in re.findall(r"([\d.]+) ([\d.]+)", line)]
    assert len(places) == 2
    (x0, y0), (x1, y1) = places
    assert x0 < x1 and y0 > y1


def test_a_logarithmic_axis_has_powers_of_ten() -> None:
    drawn = chart(y_range=(0.01, 10.0), logarithmic=True, series=[Series("one", [(1.0, 0.1)])])
    texts = [each.text for each in ET.fromstring(drawn.svg()).iter(f"{SVG}text")]
    assert {"0.01", "0.1", "1", "10"} <= set(texts)


def test_many_points_stay_a_small_file() -> None:
    points = [(i / 1e4, 0.5) for i in range(100_000)]
    assert len(chart(series=[Series("one", points)]).svg()) < 20_000


def test_curves_of_what_can_and_cannot_be_told_apart() -> None:
    apart = rates_of([2.0, 3.0], [0.0, 1.0])
    assert (0.0, 1.0) in apart and apart[0] == (0.0, 0.0) and apart[-1] == (1.0, 1.0)
    alike = rates_of([1.0, 1.0], [1.0])
    assert alike[0] == (0.0, 0.0) and alike[1] == (1.0, 1.0)


def test_the_spectrum_has_its_peak_where_somebody_breathes() -> None:
    rng = np.random.default_rng(3)
    frames = []
    for number in range(1200):
        sway = 1 + 0.2 * np.sin(2 * np.pi * 0.25 * number * 0.05 + np.arange(64) / 9)
        pairs = np.stack([60 * sway, 40 * sway], axis=1) + rng.normal(0, 1, (64, 2))
        payload = pairs.round().astype(np.int8).tobytes()
        frames.append(CsiFrame(number * 50_000, payload))
    bpm, level = breathing_spectrum(frames)
    assert bpm[level.argmax()] == pytest.approx(15.0, abs=0.5)
    assert level.max() > 20


def test_all_plots_are_drawn_from_the_recordings(tmp_path: Path) -> None:
    room = learn(DATA / "vacio_01.csv.xz")
    outcomes = {scene.name: evaluate(scene, DATA, room) for scene in SCENES}
    files = draw(outcomes, DATA, tmp_path / "images")
    assert sorted(file.name for file in files) == sorted(PLOTS.values())
    for file in files:
        assert ET.parse(file).getroot().tag == f"{SVG}svg"
    frames = [f for f in Recording(DATA / "resp_6rpm.csv.xz") if isinstance(f, CsiFrame)]
    bpm, level = breathing_spectrum(frames)
    assert bpm[level.argmax()] == pytest.approx(6.0, abs=0.3)


def test_a_section_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before <!-- peers -->old<!-- peers end --> after")
    put("new\n", page, "peers")
    put("newer\n", page, "peers")
    assert page.read_text() == "before <!-- peers -->\nnewer\n<!-- peers end --> after"
    with pytest.raises(StoreError, match="no place"):
        put("new", page, "measured")
