"""Reads Compose files as others do: with the public schema, and with podman-compose.

podman-compose needs no engine to read: it puts values of ``.env`` in, as ``docker compose`` does.
"""

import dataclasses
import importlib.resources
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from edgeflow.deploy.compose.placing import services_of
from edgeflow.deploy.workloads import InstanceName, Stack, Workload

__all__ = ["assert_valid", "read_by_others", "secrets_in", "stack_as_read"]


def assert_valid(document: dict[str, Any]) -> None:
    """Hold a Compose file against the schema of the Compose specification."""
    schemas = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((schemas / "compose-spec.json").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(document)


def read_by_others(file: Path) -> dict[str, Any]:
    """Return a Compose file as podman-compose reads it, with the secrets beside it."""
    program = Path(sys.executable).with_name("podman-compose")
    done = subprocess.run(
        [program, "--dry-run", "--file", file, "config"],
        capture_output=True, text=True, timeout=60, check=True, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    found = yaml.safe_load(done.stdout)
    assert isinstance(found, dict)
    return found


def secrets_in(file: Path) -> dict[str, str]:
    """Return the lines of a file of secrets whose values need no quotes."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def stack_as_read(stack: Stack, document: dict[str, Any]) -> Stack:
    """Return a stack whose workloads do what the services of a Compose file say."""

    def read(workload: Workload) -> Workload:
        services = [document["services"][name] for name in services_of(stack, workload)]
        first = services[0]
        host = {"HOSTNAME": InstanceName()}  # set by every engine
        return dataclasses.replace(
            workload,
            command=tuple(first["entrypoint"]),
            folder=first.get("working_dir", ""),
            environment=first["environment"] | host,
            replicas=sum(service["deploy"]["replicas"] for service in services),
        )

    return dataclasses.replace(
        stack,
        servers=tuple(map(read, stack.servers)),
        workloads=tuple(map(read, stack.workloads)),
        secrets=(),
        wanted_secrets=(),
    )
