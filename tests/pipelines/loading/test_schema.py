"""The JSON Schema knows what the loader knows."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from edgeflow.pipelines.loading.resolve import KINDS
from edgeflow.pipelines.schema.export import json_schema

FILES = Path(__file__).parents[2] / "data" / "requirements"


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", ["pipelines.yaml", "shipped.yaml"])
def test_good_files_are_valid(validator, name):
    validator.validate(yaml.safe_load((FILES / name).read_text()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("serializer: json", "serialiser: json"),
        ("port: 8008", "port: 80080"),
        ("metric: co2_ppm", "metrics: co2_ppm"),
        ("topic: actuators", "topics: actuators"),
        ("postprocess: vision.yolo_nms", "postproces: vision.yolo_nms"),
        ("version: 1", "version: 3"),
    ],
)
def test_wrong_files_are_not(validator, old, new):
    text = (FILES / "pipelines.yaml").read_text()
    assert old in text
    assert not validator.is_valid(yaml.safe_load(text.replace(old, new)))


def test_stages_and_parts_of_your_own_are_valid(validator):
    text = (FILES / "pipelines.yaml").read_text()
    text = text.replace("vision.yolo_nms", "{use: vision.yolo_nms, conf: 0.4}")
    text = text.replace("type: threshold\n    metric: co2_ppm", "type: mine.Own\n    any: co2_ppm")
    validator.validate(yaml.safe_load(text))


def test_every_built_in_type_has_its_options_there():
    text = json.dumps(json_schema())
    for built_in, _ in KINDS.values():
        for name in built_in:
            assert f'{{"const": "{name}"}}' in text


def test_the_command_prints_it():
    command = "import sys; from edgeflow.cli import main; sys.exit(main(['schema']))"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == json_schema()
