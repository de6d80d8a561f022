"""A validator of Kubernetes manifests that refuses unknown keys."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import kubernetes_validate
from kubernetes_validate import utils

__all__ = ["VERSIONS", "assert_valid"]

VERSIONS = ("1.25.0", "1.37.0")
"""Oldest and newest release that the validator knows."""

utils.schema_contents = cache(utils.schema_contents)  # a megabyte, read again for every object


def assert_valid(found: Iterable[dict[str, Any]]) -> None:
    """Raise ``ValidationError`` unless all objects are valid; those of KEDA are not looked at."""
    for one in found:
        if not one["apiVersion"].startswith("keda.sh/"):
            for version in VERSIONS:
                kubernetes_validate.validate(one, version, strict=True)
