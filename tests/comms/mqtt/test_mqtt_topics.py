import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.comms.mqtt import check_filter, check_topic, matches
from edgeflow.errors import ConfigError

LEVEL = st.text(alphabet="ab$ é", max_size=3)
TOPIC = st.lists(LEVEL, min_size=1, max_size=5).map("/".join).filter(bool)


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("sport/tennis/#", "sport/tennis", True),
        ("sport/tennis/#", "sport/tennis/a/b", True),
        ("sport/tennis/+", "sport/tennis/a/b", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("$share/g/a/+", "a/b", True),
        ("$share/g/#", "$SYS/x", False),
        ("a/b", "a/B", False),
        ("a", "a/b", False),
    ],
)
def test_matching_follows_the_standard(pattern: str, topic: str, expected: bool) -> None:
    assert matches(check_filter(pattern), check_topic(topic)) is expected


@pytest.mark.parametrize(
    "pattern",
    ["", "a/#/b", "a#", "a+/b", "+a", "a\0", "$share/g", "$share//a", "$share/g/", "x" * 65536],
)
def test_wrong_filters_are_refused(pattern: str) -> None:
    with pytest.raises(ConfigError):
        check_filter(pattern)


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0b", "\ud800", "é" * 40000, "/" * 200])
def test_wrong_topics_are_refused(topic: str) -> None:
    with pytest.raises(ConfigError):
        check_topic(topic)


@given(TOPIC, st.data())
def test_a_topic_with_levels_made_wild_still_matches(topic: str, data: st.DataObject) -> None:
    levels = topic.split("/")
    wild = [data.draw(st.sampled_from([level, "+"])) for level in levels]
    if topic.startswith("$"):
        wild[0] = levels[0]
    assert matches("/".join(wild), topic) or not "/".join(wild)
    cut = data.draw(st.integers(1, len(levels)))
    assert matches("/".join([*wild[:cut], "#"]), topic)
    assert not matches("/".join([*wild, "more"]), topic)
