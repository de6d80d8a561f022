"""``doctor`` and ``version``."""

import json
import socket

import pytest

from edgeflow.cli import main, probes
from edgeflow.cli.probes import State, examine


@pytest.fixture(autouse=True)
def quiet_place(run_dir, monkeypatch):
    """A Redis that is surely away, and ports that are surely free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("REDIS_PORT", str(probe.getsockname()[1]))
    monkeypatch.setenv("GATEWAY_HTTP_PORT", "0")
    monkeypatch.setenv("GATEWAY_TCP_PORT", "0")
    monkeypatch.delenv("EDGEFLOW_BIND", raising=False)


def findings():
    return {finding.name: finding for finding in examine()}


def test_every_finding_that_is_not_ok_says_what_to_do(capsys):
    code = main(["doctor", "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert code == (0 if printed["ok"] else 1)
    for finding in printed["findings"]:
        assert finding["detail"]
        assert bool(finding["help"]) == (finding["state"] != "ok")


def test_the_table_has_a_line_per_finding(capsys):
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(("ok ", "warn ", "fail ")) for line in lines) == len(list(examine()))


def test_what_it_looks_at():
    names = " ".join(findings())
    for part in (
        "python", "system", "packages", "video", "recordings", "models", "cameras", "redis",
        "port", "CSI nodes", "run folder", "asset cache", "shared memory", "running flows",
        "exposure",
    ):  # fmt: skip
        assert part in names


def test_redis_away_is_a_warning():
    redis = findings()["redis"]
    assert redis.state is State.WARN
    assert "REDIS_HOST" in redis.help


def test_a_port_of_csi_nodes_in_use_is_a_warning(monkeypatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as owner:
        owner.bind(("127.0.0.1", 0))
        monkeypatch.setattr(probes.network, "CSI_PORT", owner.getsockname()[1])
        found = findings()["CSI nodes"]
    assert found.state is State.WARN
    assert "edgeflow doctor csi" in found.help


def test_a_port_in_use_is_a_warning(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as owner:
        port = owner.getsockname()[1]
        monkeypatch.setenv("GATEWAY_HTTP_PORT", str(port))
        finding = findings()[f"port {port}"]
    assert finding.state is State.WARN
    assert "GATEWAY_HTTP_PORT" in finding.help


def test_a_run_folder_that_cannot_be_written_is_a_failure(monkeypatch, capsys):
    monkeypatch.setenv("EDGEFLOW_RUN_DIR", "/proc/edgeflow")
    assert findings()["run folder"].state is State.FAIL
    assert main(["doctor"]) == 1
    assert "EDGEFLOW_RUN_DIR" in capsys.readouterr().out


def test_a_server_open_to_all_without_a_token_is_a_warning(monkeypatch):
    monkeypatch.setenv("EDGEFLOW_BIND", "0.0.0.0")
    assert findings()["exposure"].state is State.WARN
    monkeypatch.setenv("EDGEFLOW_TOKEN", "a-long-random-text")
    assert findings()["exposure"].state is State.OK


def test_a_wrong_setting_is_told_and_does_not_end_the_examination(monkeypatch):
    monkeypatch.setenv("REDIS_PORT", "many")
    found = findings()
    assert found["redis"].state is State.FAIL
    assert "REDIS_PORT" in found["redis"].detail
    assert "running flows" in found


def test_a_probe_that_breaks_is_a_finding(monkeypatch):
    def unlucky():
        raise RuntimeError("no luck")
        yield

    monkeypatch.setattr(probes, "PROBES", (unlucky,))
    (finding,) = examine()
    assert (finding.name, finding.state) == ("unlucky", State.FAIL)
    assert "no luck" in finding.detail


def test_a_running_flow_is_named(small_flow):
    assert "small (process" in findings()["running flows"].detail


def test_version_as_json(capsys):
    assert main(["version", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"edgeflow", "python", "platform", "packages"}
    assert printed["packages"]["numpy"]
