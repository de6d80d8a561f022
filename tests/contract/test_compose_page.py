"""What the page about deployments says of Compose, done as a reader does it."""

import re

import yaml
from composed_files import assert_valid, read_by_others
from readers import DOCS, on

from edgeflow.deploy.compose.infrastructure import OFFERED

SECTION = (DOCS / "how-to/deploy.md").read_text().split("\n## On one host")[1]


@on("how-to/deploy.md")
def test_compose(reader):
    plain, servers = reader.commands("edgeflow compose")
    said = reader.run(plain)
    (start,) = reader.commands("docker compose")
    assert start in said
    file = reader.folder / "compose" / "compose.yaml"
    first = read_by_others(file)
    assert_valid(first)
    assert set(first["services"]) == {"redis", "front-camera", "detector", "pages"}
    assert first["services"]["detector"]["deploy"]["resources"]["limits"]["memory"] == "4096M"
    (port,) = first["services"]["pages"]["ports"]
    assert (port["published"], port["host_ip"]) == ("30080", "127.0.0.1")
    assert f"http://localhost:{port['published']}/dashboard" in said
    secrets = (file.parent / ".env").read_text()
    reader.run(servers)
    assert (file.parent / ".env").read_text().startswith(secrets)
    assert set(read_by_others(file)["services"]) == {*first["services"], "prometheus", "mosquitto"}
    assert yaml.safe_load((file.parent / "stack/prometheus/prometheus.yml").read_text())


def test_the_page_names_every_server_and_the_password_of_the_flow():
    assert all(f"`{name}`" in SECTION for name in OFFERED)
    (password,) = re.findall(r"\$\{(\w+)\}", SECTION)
    assert password in (DOCS.parent / "stack/compose.yaml").read_text()
