"""What people are told about models: in the log, and in the book of what happened."""

import structlog

from edgeflow.core.status import Activity
from edgeflow.errors import EdgeFlowError
from edgeflow.observe.activity import activities

__all__ = ["tell_failed", "tell_ready", "tell_substitute", "tell_unreadable"]

log = structlog.get_logger("edgeflow.inference")


def tell_ready(model: str, version: str, before: str) -> None:
    """A version answers from now on; ``before`` did until now, if any."""
    log.info("model_ready", model=model, version=version, before=before)
    activities.add(
        Activity(
            kind="model",
            text=f"model {model} answers with version {version}",
            detail={"model": model, "version": version, "before": before},
        )
    )


def tell_failed(model: str, version: str, error: EdgeFlowError) -> None:
    """A version cannot be loaded."""
    log.error("model_not_loaded", model=model, version=version, error=str(error))
    activities.add(
        Activity(
            kind="model",
            level="error",
            ok=False,
            text=f"model {model}: version {version} cannot be loaded",
            detail={"model": model, "version": version, "error": str(error)},
        )
    )


def tell_substitute(model: str, absent: str, version: str) -> None:
    """The version that is chosen to answer is not there; another one answers."""
    log.warning(
        "chosen_version_missing",
        model=model,
        chosen=absent,
        version=version,
        hint="choose another one: edgeflow models rollback, with --newest for the newest",
    )
    activities.add(
        Activity(
            kind="model",
            level="warning",
            ok=False,
            text=f"model {model}: version {absent} is not there, {version} stands in for it",
            detail={"model": model, "chosen": absent, "version": version},
        )
    )


def tell_unreadable(error: EdgeFlowError) -> None:
    """The folder or list of models cannot be read."""
    log.error("models_not_read", error=str(error))
    activities.add(
        Activity(
            kind="reload",
            level="error",
            ok=False,
            text="the list of models cannot be read; the models stay as they were",
            detail={"error": str(error)},
        )
    )
