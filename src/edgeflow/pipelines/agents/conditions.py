"""Conditions of rules: plain data that says what must hold of the latest values."""

from collections.abc import Iterator
from datetime import time
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

__all__ = ["AllOf", "AnyOf", "Condition", "During", "Not", "Reading", "readings"]

Scalar: TypeAlias = bool | int | float | str
Finite = Annotated[float, Field(allow_inf_nan=False)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_READINGS = 128

_STRICT = ConfigDict(extra="forbid", frozen=True)


def _clock_time(value: Any) -> Any:
    """Return ``"22:30"`` as a time; YAML 1.1 would make a number of it, our loader does not."""
    if isinstance(value, str):
        hours, _, minutes = value.partition(":")
        if hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60:
            return time(int(hours), int(minutes))
    raise ValueError("a time of day such as 22:30 is wanted")


ClockTime = Annotated[time, BeforeValidator(_clock_time)]


class Reading(BaseModel):
    """What must hold of the latest value of a sensor: every comparison that is given.

    ``*`` and ``?`` in ``sensor`` match several; then one that fits is enough.
    """

    model_config = _STRICT

    metric: str = Field(min_length=1, max_length=200, description="Path of the value.")
    sensor: str = Field(default="*", min_length=1, description="Whose it is, with wildcards.")
    every: bool = Field(default=False, description="All sensors that match must fit.")
    max_age_s: float = Field(default=60.0, gt=0, description="An older value counts as missing.")
    at_least: Finite | None = None
    at_most: Finite | None = None
    above: Finite | None = None
    below: Finite | None = None
    equals: Scalar | None = None
    differs: Scalar | None = None
    one_of: list[Scalar] | None = Field(default=None, max_length=1000)
    contains: Scalar | None = Field(default=None, description="The value is a list with it.")
    exists: bool | None = Field(default=None, description="There is, or is not, a value.")

    @model_validator(mode="after")
    def _compares(self) -> "Reading":
        if not self.model_fields_set & COMPARISONS:
            raise ValueError(f"one of {', '.join(sorted(COMPARISONS))} is needed")
        if self.exists is False and self.model_fields_set & (COMPARISONS - {"exists"}):
            raise ValueError("a value that must not exist cannot be compared")
        return self


COMPARISONS = frozenset(
    {"at_least", "at_most", "above", "below"}
    | {"equals", "differs", "one_of", "contains", "exists"}
)


class During(BaseModel):
    """A time of day and of the week, by the time of the message."""

    model_config = _STRICT

    between: tuple[ClockTime, ClockTime] | None = Field(
        default=None, description="From and before; `[22:00, 06:00]` goes over midnight."
    )
    days: list[Weekday] = Field(default=list(WEEKDAYS), min_length=1, max_length=7)
    timezone: str = Field(default="UTC", description="Such as `Europe/Berlin`.")

    @model_validator(mode="after")
    def _is_known(self) -> "During":
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone {self.timezone!r}") from error
        return self


class AllOf(BaseModel):
    """All of several conditions."""

    model_config = _STRICT
    all: list["Condition"] = Field(min_length=1, max_length=64)


class AnyOf(BaseModel):
    """At least one of several conditions."""

    model_config = _STRICT
    any: list["Condition"] = Field(min_length=1, max_length=64)


class Not(BaseModel):
    """The opposite of a condition."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    negated: "Condition" = Field(alias="not")


_KEYS = {"all": "all", "any": "any", "not": "not", "between": "during", "days": "during"}
_KINDS: dict[Any, str] = {AllOf: "all", AnyOf: "any", Not: "not", During: "during"}


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return next((kind for key, kind in _KEYS.items() if key in value), "reading")
    return _KINDS.get(type(value), "reading")


Condition: TypeAlias = Annotated[
    Annotated[Reading, Tag("reading")]
    | Annotated[During, Tag("during")]
    | Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[Not, Tag("not")],
    Discriminator(_kind),
]

for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()


def readings(condition: Condition) -> Iterator[Reading]:
    """Yield every reading in a condition."""
    if isinstance(condition, Reading):
        yield condition
    elif isinstance(condition, AllOf):
        for each in condition.all:
            yield from readings(each)
    elif isinstance(condition, AnyOf):
        for each in condition.any:
            yield from readings(each)
    elif isinstance(condition, Not):
        yield from readings(condition.negated)
