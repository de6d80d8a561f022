import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.deploy.demands import Demands, cores, demands, mebibytes
from edgeflow.errors import ConfigError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(Demands.__struct_fields__) | st.text(max_size=10)


@given(st.dictionaries(KEYS, VALUES, max_size=5) | VALUES)
def test_whatever_is_given_is_understood_or_refused(given_):
    try:
        found = demands(given_, "here")
    except ConfigError as error:
        assert str(error).startswith("here: deploy")
    else:
        assert isinstance(found, Demands)
        assert mebibytes(found.memory, "here") is None or found.memory


@pytest.mark.parametrize(
    ("text", "size"),
    [("1Mi", 1), ("512Mi", 512), ("1.5Gi", 1536), ("1G", 954), ("100M", 96), (None, None)],
)
def test_sizes(text, size):
    assert mebibytes(text, "here") == size


@pytest.mark.parametrize("text", ["1", "0Mi", "-1Mi", "1Ki", "99999999Gi", "Mi", "1 Mi x"])
def test_what_is_no_size(text):
    with pytest.raises(ConfigError, match="no size"):
        mebibytes(text, "here")


@pytest.mark.parametrize(("value", "found"), [("500m", 500), (0.5, 500), (2, 2000), ("1.25", 1250)])
def test_cores(value, found):
    assert cores(value, "here") == found


@pytest.mark.parametrize("value", [0, -1, "m", "fast", float("nan"), float("inf"), 1e9, "0.0001"])
def test_what_is_no_number_of_cores(value):
    with pytest.raises(ConfigError, match="no number of cores"):
        cores(value, "here")
