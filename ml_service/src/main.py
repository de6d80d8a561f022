#!/usr/bin/env python3
"""The learning service by the plan's ``config.yaml``: ``edgeflow climate serve --role ml``.

``ML_SERVICE_CONFIG`` names the file; ``MQTT_USERNAME`` and ``MQTT_PASSWORD`` are never in it.
"""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

import yaml

from edgeflow.cli import main

TOPICS = {
    "inference_request": "ml/inference/request/#",
    "window_control": "window/{device_id}/control",
}
FIXED = {("mqtt", "qos"): 1, ("model", "input_features"): 3}
"""What the service does in any case; a file that says otherwise is refused."""
OPTIONS = {"keepalive": "keepalive", "reconnect_delay": "backoff_cap", "ca": "ca"}
MAX_BYTES = 65536


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The sections of a configuration, or an end with exit status 3."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        loaded = yaml.safe_load(text) if len(text) <= MAX_BYTES else None
    except (OSError, yaml.YAMLError, RecursionError) as error:
        refuse(f"{path}: {error}")
    if not isinstance(loaded, dict) or not all(isinstance(each, dict) for each in loaded.values()):
        refuse(f"{path}: sections mqtt, model and logging are wanted")
    return loaded


def command(config: dict[str, dict[str, Any]]) -> list[str]:
    """The words of ``edgeflow`` that a configuration means."""
    mqtt, model = config.get("mqtt", {}), config.get("model", {})
    for (section, key), fixed in FIXED.items():
        if config.get(section, {}).get(key, fixed) != fixed:
            refuse(f"{section}.{key} is {config[section][key]!r}; it can only be {fixed}")
    for name, topic in mqtt.get("topics", TOPICS).items():
        if TOPICS.get(name) != topic:
            refuse(f"mqtt.topics.{name} is {topic!r}; it can only be {TOPICS.get(name)!r}")
    options = {"client_id": mqtt.get("client_id", "ml-service")}
    options |= {ours: mqtt[key] for key, ours in OPTIONS.items() if key in mqtt}
    user, password = os.environ.get("MQTT_USERNAME", ""), os.environ.get("MQTT_PASSWORD", "")
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
    scheme = "mqtts" if mqtt.get("ca") else "mqtt"
    place = f"{mqtt.get('broker', 'mosquitto')}:{mqtt.get('port', 1883)}"
    folder = Path(model.get("path", "models/window_regressor.pth")).parent.parent
    return [
        *("climate", "serve", "--role", "ml", "--folder", str(folder)),
        *("--broker", f"{scheme}://{login}{place}?{urlencode(options)}"),
    ]


def refuse(why: str) -> NoReturn:
    """End as a wrong configuration does."""
    sys.stderr.write(f"error[EF-CONFIG-001]: {why}\n")
    sys.exit(3)


if __name__ == "__main__":
    file = Path(os.environ.get("ML_SERVICE_CONFIG", Path(__file__).parents[1] / "config.yaml"))
    found = read(file)
    logging = found.get("logging", {})
    os.environ.setdefault("EDGEFLOW_LOG_LEVEL", str(logging.get("level", "INFO")))
    os.environ.setdefault("EDGEFLOW_LOG", str(logging.get("format", "json")))
    sys.exit(main([*command(found), *sys.argv[1:]]))
