"""The dashboards as files. ``python -m edgeflow.deploy.grafana.writing FOLDER`` writes them."""

import json
import sys
from pathlib import Path

from edgeflow.deploy.grafana.checking import problems
from edgeflow.deploy.grafana.device import DEVICE
from edgeflow.deploy.grafana.health import HEALTH
from edgeflow.deploy.grafana.learning import LEARNING
from edgeflow.deploy.grafana.overview import OVERVIEW
from edgeflow.deploy.grafana.panels import render
from edgeflow.errors import ConfigError

__all__ = ["DASHBOARDS", "rendered", "write_dashboards"]

DASHBOARDS = (OVERVIEW, DEVICE, LEARNING, HEALTH)


def rendered() -> dict[str, str]:
    """The text of each file, by name.

    Raises:
        ConfigError: a dashboard has a mistake.
    """
    made = {}
    for dashboard in DASHBOARDS:
        told = render(dashboard)
        wrong = problems(told)
        if wrong:
            raise ConfigError(f"dashboard {dashboard.title}: {'; '.join(wrong)}")
        made[f"{dashboard.file}.json"] = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    return made


def write_dashboards(folder: Path) -> list[Path]:
    """Write all files into a folder, and return where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in rendered().items():
        (folder / name).write_text(text, encoding="utf-8")
        written.append(folder / name)
    return written


if __name__ == "__main__":
    write_dashboards(Path(sys.argv[1]))
