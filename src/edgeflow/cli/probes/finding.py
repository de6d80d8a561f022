"""What a probe says."""

from enum import StrEnum

import msgspec

__all__ = ["Finding", "State", "fail", "ok", "warn"]


class State(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True):
    """One line of the doctor.

    Attributes:
        name: what was looked at.
        state: ``ok``; ``warn`` when something optional is missing; ``fail`` when flows cannot run.
        detail: what was found.
        help: what to do about it; empty when ok.
    """

    name: str
    state: State
    detail: str
    help: str = ""


def ok(name: str, detail: str) -> Finding:
    """Return a finding of something that is as it should be."""
    return Finding(name, State.OK, detail)


def warn(name: str, detail: str, advice: str) -> Finding:
    """Return a finding of something that only some flows miss."""
    return Finding(name, State.WARN, detail, advice)


def fail(name: str, detail: str, advice: str) -> Finding:
    """Return a finding of something without which flows cannot run."""
    return Finding(name, State.FAIL, detail, advice)
