"""The forecasting example: its trained model on a virtual board, and its training."""

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from edgeflow.protocols.model_file import check_meta, parse_model
from pulled import pulled

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "mcu_forecast"
OWN = ("board", "chart", "series", "train")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the example's modules importable, for this test only."""
    pulled("sea-temperature")
    monkeypatch.syspath_prepend(EXAMPLE)
    yield
    for name in OWN:
        sys.modules.pop(name, None)


def test_int8_on_a_board_forecasts_as_well_as_float32(example: None) -> None:
    import board
    import series

    parts = series.split(series.load())
    found = board.compare(board.read_model(), parts.test)
    assert len(found.samples) > 2000
    assert found.error("int8") <= 1.02 * found.error("float32")
    assert not np.array_equal(found.forecasts["int8"], found.forecasts["float32"])
    # A model that had learned nothing would forecast that nothing changes.
    assert found.error("int8") < 0.9 * min(found.error("as now"), found.error("as yesterday"))


def test_parts_of_the_series_share_no_value(example: None) -> None:
    import series

    parts = series.split(series.load())
    seen = [
        {
            second
            for now in part.seconds
            for second in now + 3600.0 * np.arange(1 - series.STEPS, series.HORIZON + 1)
        }
        for part in parts
    ]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    sample = parts.test.inputs[0]
    assert sample.shape == (series.STEPS, 4)
    # Sine and cosine of the hour turn by an hour from step to step.
    turned = np.angle(sample[1:, 3] + 1j * sample[1:, 2]) - np.angle(
        sample[:-1, 3] + 1j * sample[:-1, 2]
    )
    np.testing.assert_allclose(np.mod(turned, 2 * np.pi), 2 * np.pi / 24, atol=1e-4)


def test_training_writes_what_boards_take(
    example: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import train

    monkeypatch.setattr(sys, "argv", ["train.py", "--quick", "--out", str(tmp_path)])
    train.main()
    told = capsys.readouterr().out
    assert "epoch 2 of 2" in told and "model_int8.efm" in told
    model = parse_model((tmp_path / "model_fp32.bin").read_bytes())
    assert (model.steps, model.features, model.horizon, model.hidden) == (32, 4, 8, 32)
    small = parse_model((tmp_path / "model_int8.efm").read_bytes())
    assert small.name == "sea-temperature" and small.test is not None
    picture = ElementTree.parse(tmp_path / "forecast.svg").getroot()
    assert len(picture.findall("{http://www.w3.org/2000/svg}polyline")) == 7


def test_the_committed_model_is_the_default_of_the_firmware() -> None:
    firmware = ROOT / "firmware" / "esp32s3" / "model_client" / "spiffs_image"
    for name in ("model_fp32.bin", "model_meta.json"):
        assert (firmware / name).read_bytes() == (EXAMPLE / "model" / name).read_bytes()
    model = parse_model((firmware / "model_fp32.bin").read_bytes())
    check_meta((firmware / "model_meta.json").read_bytes(), model)
    assert model.file_bytes == 20016
