"""MQTT topic names and filters: what is valid, and what matches what. Pure."""

from edgeflow.errors import ConfigError

__all__ = ["check_filter", "check_topic", "covers", "matches", "overlaps"]

_MAX_BYTES = 65535
_MAX_LEVELS = 128


def _check_text(text: str, what: str) -> None:
    if not text:
        raise ConfigError(f"an MQTT {what} is empty", hint=f"name a {what} such as 'sensors/door'")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise ConfigError(f"the MQTT {what} {text!r} is not valid Unicode") from error
    if size > _MAX_BYTES:
        raise ConfigError(f"an MQTT {what} of {size} bytes exceeds {_MAX_BYTES}")
    if "\0" in text:
        raise ConfigError(f"the MQTT {what} {text!r} contains a null character")
    if text.count("/") >= _MAX_LEVELS:
        raise ConfigError(f"the MQTT {what} {text[:40]!r}... has more than {_MAX_LEVELS} levels")


def check_topic(topic: str) -> str:
    """Return ``topic`` if messages can be published to it.

    Raises:
        ConfigError: it is empty, too long, or has a wildcard or a null character.
    """
    _check_text(topic, "topic")
    if "+" in topic or "#" in topic:
        raise ConfigError(
            f"the MQTT topic {topic!r} has a wildcard",
            hint="messages are published to one topic; '+' and '#' belong in filters",
        )
    return topic


def check_filter(pattern: str) -> str:
    """Return ``pattern`` if one can subscribe to it; ``$share/GROUP/FILTER`` is known.

    Raises:
        ConfigError: it is empty, too long or has a wildcard where none may be.
    """
    _check_text(pattern, "topic filter")
    levels = _own_levels(pattern)
    for place, level in enumerate(levels):
        if "#" in level and (level != "#" or place != len(levels) - 1):
            raise ConfigError(
                f"the MQTT topic filter {pattern!r} has '#' in the wrong place",
                hint="'#' stands alone, as the last level",
            )
        if "+" in level and level != "+":
            raise ConfigError(
                f"the MQTT topic filter {pattern!r} has '+' beside other characters",
                hint="'+' stands alone for one whole level",
            )
    return pattern


def _own_levels(pattern: str) -> list[str]:
    """Return the levels that topics are compared with: those after ``$share/GROUP/``."""
    levels = pattern.split("/")
    if levels[0] != "$share":
        return levels
    if len(levels) < 3 or not levels[1] or levels[2:] == [""] or set(levels[1]) & set("+#"):
        raise ConfigError(
            f"the MQTT shared subscription {pattern!r} is incomplete",
            hint="write $share/GROUP/FILTER",
        )
    return levels[2:]


def matches(pattern: str, topic: str) -> bool:
    """Tell whether a valid filter takes in a topic.

    Topics that begin with ``$`` are not matched by a wildcard at the first level.
    """
    wanted = _own_levels(pattern)
    given = topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(given) or level not in ("+", given[place]):
            return False
    return len(wanted) == len(given)


def covers(wide: str, narrow: str) -> bool:
    """Tell whether every topic that ``narrow`` matches is matched by ``wide``.

    Shared subscriptions cover only themselves.
    """
    if wide == narrow:
        return True
    if wide.startswith("$share/") or narrow.startswith("$share/"):
        return False
    wanted, given = wide.split("/"), narrow.split("/")
    if given[0].startswith("$") and wanted[0] in ("+", "#"):
        return False
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(given) or given[place] == "#" or level not in ("+", given[place]):
            return False
    return len(wanted) == len(given)


def overlaps(one: str, other: str) -> bool:
    """Tell whether some topic is matched by both filters; shared ones are left out."""
    if one.startswith("$share/") or other.startswith("$share/"):
        return False
    return _meet(one.split("/"), other.split("/"))


def _meet(one: list[str], other: list[str]) -> bool:
    for place in range(max(len(one), len(other))):
        left = one[place] if place < len(one) else None
        right = other[place] if place < len(other) else None
        if "#" in (left, right):
            return True
        if left is None or right is None:
            return False
        if left != right and "+" not in (left, right):
            return False
    return True
