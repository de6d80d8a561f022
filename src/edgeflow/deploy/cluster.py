"""A namespace of a cluster, through kubectl."""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from edgeflow.deploy.kubernetes.manifests import KEDA_GROUP, secret, to_yaml
from edgeflow.deploy.kubernetes.naming import MANAGER, SECRET, Target, labels_of
from edgeflow.deploy.tools import Done, ask, find_tool, require
from edgeflow.deploy.workloads import Stack
from edgeflow.errors import ConfigError, DeployError

__all__ = ["Cluster"]

_KINDS = (
    "deployments.apps",
    "statefulsets.apps",
    "services",
    "networkpolicies.networking.k8s.io",
    "poddisruptionbudgets.policy",
    "serviceaccounts",
)
_KEDA_KINDS = ("scaledobjects.keda.sh", "triggerauthentications.keda.sh")
_SECRET_BYTES = 24


class Cluster:
    """Applies, compares and removes the objects of one stack.

    Args:
        stack: what is to run.
        target: where.
        context: of kubectl's configuration; the current one if None.

    Raises:
        ConfigError: there is no kubectl.
    """

    def __init__(self, stack: Stack, target: Target, context: str | None = None) -> None:
        self._stack, self._target = stack, target
        tool = find_tool("kubectl", purpose="talk to the cluster")
        self._kubectl = [tool, *(["--context", context] if context else [])]
        self._here = [*self._kubectl, "--namespace", target.namespace]
        self._selector = ",".join(f"{key}={value}" for key, value in labels_of(stack).items())

    def apply(
        self,
        objects: Sequence[Mapping[str, Any]],
        supplied: Mapping[str, str],
        *,
        force: bool = False,
    ) -> list[str]:
        """Make the namespace what ``objects`` say, and return what was removed from it.

        Args:
            objects: manifests without the Secret.
            supplied: secrets that the user gives.
            force: take over fields that somebody else has set.

        Raises:
            ConfigError: the namespace holds another flow, a secret is missing, or KEDA is.
            DeployError: kubectl fails.
        """
        has_keda = self._has_keda()
        if not has_keda and any(one["apiVersion"].startswith(KEDA_GROUP) for one in objects):
            raise ConfigError(
                "max_replicas needs KEDA in the cluster, which has no scaledobjects.keda.sh",
                hint="install KEDA, or leave max_replicas out",
            )
        self._require_ours()
        first = [one for one in objects if one["kind"] == "Namespace"]
        self._apply(first, force=force)
        self._keep_secret(supplied)
        self._apply([one for one in objects if one["kind"] != "Namespace"], force=force)
        return self._prune(objects, has_keda=has_keda)

    def diff(self, objects: Sequence[Mapping[str, Any]]) -> Done:
        """Return how the namespace differs; status 1 says that it does.

        Raises:
            DeployError: kubectl fails.
        """
        words = ["diff", "--server-side", "--field-manager", MANAGER, "--filename", "-"]
        done = ask([*self._kubectl, *words], to_yaml(objects))
        if done.code not in (0, 1):
            raise DeployError(f"kubectl diff failed:\n{done.err.strip()}")
        return done

    def destroy(self, *, data: bool) -> list[str]:
        """Remove the stack, with what it has stored if ``data``, and return what was removed.

        The namespace stays.
        """
        kinds = [*_KINDS, *(_KEDA_KINDS if self._has_keda() else ()), "secrets"]
        kinds += ["persistentvolumeclaims"] if data else []
        words = ["delete", ",".join(kinds), "--selector", self._selector, "--ignore-not-found"]
        return require([*self._here, *words]).splitlines()

    def pods(self) -> list[dict[str, Any]]:
        """Return the pods of the stack as Kubernetes describes them."""
        return self._listed("pods")

    def hosts(self) -> list[str]:
        """Return addresses of the hosts where a node port answers; empty when they are secret."""
        words = ["get", "nodes", "--output", "json"]
        done = ask([*self._kubectl, *words])
        if done.code != 0:
            return []
        found = [
            {entry["type"]: entry["address"] for entry in node["status"].get("addresses", [])}
            for node in json.loads(done.out)["items"]
        ]
        return [one.get("ExternalIP") or one.get("InternalIP", "") for one in found]

    def services(self) -> list[dict[str, Any]]:
        """Return the services of the stack."""
        return self._listed("services")

    def log_command(self, name: str | None, *, follow: bool, tail: int) -> list[str]:
        """Return the command that prints the logs of one workload, or of all."""
        selector = self._selector
        if name is not None:
            selector = f"app.kubernetes.io/name={name},{selector}"
        words = ["logs", "--selector", selector, "--prefix", "--tail", str(tail)]
        words += ["--max-log-requests", "100", *(["--follow"] if follow else [])]
        return [*self._here, *words]

    # --- parts -----------------------------------------------------------------------------

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        words = ["get", kind, "--selector", self._selector, "--output", "json"]
        items: list[dict[str, Any]] = json.loads(require([*self._here, *words]))["items"]
        return items

    def _apply(self, objects: Sequence[Mapping[str, Any]], *, force: bool) -> None:
        words = ["apply", "--server-side", "--field-manager", MANAGER, "--filename", "-"]
        words += ["--force-conflicts"] if force else []
        require([*self._kubectl, *words], to_yaml(objects))

    def _has_keda(self) -> bool:
        words = ["api-resources", "--api-group", KEDA_GROUP, "--output", "name"]
        found = require([*self._kubectl, *words]).split()
        return set(_KEDA_KINDS) <= set(found)

    def _require_ours(self) -> None:
        """Raise ``ConfigError`` when another flow lives in the namespace: names would meet."""
        words = ["get", "deployments,statefulsets", "--selector"]
        words += [f"app.kubernetes.io/managed-by={MANAGER}", "--output", "json"]
        for one in json.loads(require([*self._here, *words]))["items"]:
            other = one["metadata"]["labels"].get("app.kubernetes.io/part-of")
            if other != self._stack.app:
                raise ConfigError(
                    f"the namespace {self._target.namespace!r} holds the flow {other!r}",
                    hint="give each flow a --namespace of its own, or destroy that one first",
                )

    def _keep_secret(self, supplied: Mapping[str, str]) -> None:
        """Make up what is not there yet; what is there stays, unless the user gives it anew."""
        words = ["get", "secret", SECRET, "--ignore-not-found", "--output", "json"]
        text = require([*self._here, *words]).strip()
        known = set((json.loads(text).get("data") or {}) if text else {})
        values = {
            key: secrets.token_urlsafe(_SECRET_BYTES)
            for key in self._stack.secrets
            if key not in known
        }
        values |= {k: v for k, v in supplied.items() if k in self._stack.wanted_secrets}
        missing = [k for k in self._stack.wanted_secrets if k not in known and k not in values]
        if missing:
            raise ConfigError(
                f"no value for the secrets {', '.join(missing)}",
                hint="set environment variables of these names for this command",
            )
        if not text:
            made = secret(self._stack, self._target, values)
            require([*self._here, "create", "--filename", "-"], to_yaml([made]))
        elif values:
            patch = json.dumps({"stringData": values})
            words = ["patch", "secret", SECRET, "--type", "merge", "--patch-file", "/dev/stdin"]
            require([*self._here, *words], patch)

    def _prune(self, objects: Sequence[Mapping[str, Any]], *, has_keda: bool) -> list[str]:
        kinds = [*_KINDS, *(_KEDA_KINDS if has_keda else ())]
        words = ["get", ",".join(kinds), "--selector", self._selector, "--output", "json"]
        there = json.loads(require([*self._here, *words]))["items"]
        wanted = {(one["kind"], one["metadata"]["name"]) for one in objects}
        stale = [
            f"{one['kind'].lower()}/{one['metadata']['name']}"
            for one in there
            if (one["kind"], one["metadata"]["name"]) not in wanted
        ]
        if stale:
            require([*self._here, "delete", "--ignore-not-found", *stale])
        return stale
