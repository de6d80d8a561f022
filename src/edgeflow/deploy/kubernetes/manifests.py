"""All objects of a stack, in the order in which they are best applied."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgeflow.deploy.kubernetes.controllers import autoscaling, budgets, controllers
from edgeflow.deploy.kubernetes.naming import (
    ACCOUNT,
    SECRET,
    Target,
    check_namespace,
    labels_of,
    metadata,
)
from edgeflow.deploy.kubernetes.network import policies, services
from edgeflow.deploy.workloads import Stack
from edgeflow.errors import MissingExtraError

__all__ = ["KEDA_GROUP", "manifests", "secret", "to_yaml"]

KEDA_GROUP = "keda.sh"
"""API group of the objects that need KEDA."""
_LIKE_A_NUMBER = re.compile(r"[-+.]*[0-9][0-9A-Za-z_.+-]*")


def manifests(stack: Stack, target: Target) -> list[dict[str, Any]]:
    """Return the objects of a stack but its Secret; equal stacks give equal objects.

    Raises:
        ConfigError: the namespace cannot be called so.
    """
    check_namespace(target.namespace)
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": target.namespace,
                "labels": {"pod-security.kubernetes.io/warn": "restricted"},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata(stack, target, ACCOUNT),
            "automountServiceAccountToken": False,
        },
        *policies(stack, target),
        *services(stack, target),
        *controllers(stack, target),
        *budgets(stack, target),
        *autoscaling(stack, target),
    ]


def secret(stack: Stack, target: Target, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the Secret with ``values`` by key."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": SECRET,
            "namespace": target.namespace,
            "labels": labels_of(stack),
        },
        "type": "Opaque",
        "stringData": dict(values),
    }


def to_yaml(objects: Sequence[Mapping[str, Any]]) -> str:
    """Return objects as YAML documents.

    Raises:
        MissingExtraError: PyYAML is not installed.
    """
    try:
        import yaml
    except ModuleNotFoundError:
        raise MissingExtraError("yaml", "deploy") from None

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def _text(dumper: Dumper, text: str) -> Any:
        is_plain = text.replace("\n", "").isprintable()
        # What writes YAML 1.1 leaves 1e3 bare, which readers of 1.2 take for a number.
        is_bare = is_plain and not _LIKE_A_NUMBER.fullmatch(text)
        style = ("|" if "\n" in text else None) if is_bare else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, _text)
    return "".join(_documents(objects, yaml, Dumper))


def _documents(objects: Sequence[Mapping[str, Any]], yaml: Any, dumper: Any) -> Iterator[str]:
    for one in objects:
        text = yaml.dump(dict(one), Dumper=dumper, sort_keys=False, allow_unicode=True, width=96)
        yield f"---\n{text}"
