import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.deploy.names import LONGEST, label, labels

DNS_LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
TEXTS = st.lists(st.text(max_size=90), unique=True, max_size=12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gateway", "gateway"),
        ("fake_camera", "fake-camera"),
        ("GpuProcessor", "gpuprocessor"),
        ("Front Door", "front-door"),
    ],
)
def test_common_names_stay_readable(text, expected):
    assert label(text) == expected


@pytest.mark.parametrize("text", ["Überwachung", "カメラ", "1st", "a" * 80, "cam/left", "", "-"])
def test_names_that_lose_something_get_a_digest(text):
    name = label(text)
    assert DNS_LABEL.fullmatch(name)
    assert re.search(r"-[0-9a-f]{6}$", name)


def test_long_names_that_differ_at_the_end_stay_apart():
    assert label("camera" * 13 + "1") != label("camera" * 13 + "2")


def test_names_that_collide_are_told_apart():
    named = labels(["fake_camera", "fake-camera", "Fake Camera", "redis"], taken=["redis"])
    assert len(set(named.values())) == 4
    assert "redis" not in named.values()
    assert all(name.startswith(("fake-camera-", "redis-")) for name in named.values())


def test_a_name_that_looks_like_the_digest_of_another_is_no_trap():
    digested = label("cam/left")
    assert len(set(labels(["cam/left", digested]).values())) == 2


@given(TEXTS)
def test_every_name_is_a_dns_label_and_unique(texts):
    named = labels(texts, taken=["redis", "redis-data"])
    assert list(named) == texts
    assert len({*named.values(), "redis", "redis-data"}) == len(texts) + 2
    for name in named.values():
        assert DNS_LABEL.fullmatch(name)
        assert len(name) <= LONGEST


@given(TEXTS, st.randoms())
def test_the_order_of_the_others_does_not_matter(texts, random):
    shuffled = list(texts)
    random.shuffle(shuffled)
    assert labels(texts) == labels(shuffled)
