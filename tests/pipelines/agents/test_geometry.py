import math

from hypothesis import given
from hypothesis import strategies as st

from edgeflow.pipelines.agents.geometry import anchor_of, contains, overlaps, touches

SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
NOTCH = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5), (0.0, 1.0))

grid = st.integers(-6, 6).map(float)
point = st.tuples(grid, grid)
polygon = st.lists(point, min_size=3, max_size=8)
box = st.tuples(grid, grid, grid, grid).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


def on_border(points, p):
    for (x1, y1), (x2, y2) in zip(points, [*points[1:], points[0]], strict=True):
        if math.dist((x1, y1), p) + math.dist(p, (x2, y2)) - math.dist((x1, y1), (x2, y2)) < 1e-9:
            return True
    return False


def crossings(points, p):
    """How often a ray to the right, turned a little so that it meets no corner, cuts an edge."""
    x, y = p
    far = (x + 1000.0, y + 0.1234567)
    count = 0
    for a, b in zip(points, [*points[1:], points[0]], strict=True):
        side = lambda q: (far[0] - x) * (q[1] - y) - (far[1] - y) * (q[0] - x)  # noqa: E731
        if (side(a) > 0) != (side(b) > 0):
            t = side(a) / (side(a) - side(b))
            count += a[0] + t * (b[0] - a[0]) > x
    return count


@given(polygon, point)
def test_a_point_is_inside_when_a_ray_from_it_crosses_the_border_an_odd_number_of_times(points, p):
    want = on_border(points, p) or crossings(points, p) % 2 == 1
    assert contains(points, p) is want


def test_concave_zones():
    assert contains(NOTCH, (0.1, 0.8))
    assert not contains(NOTCH, (0.5, 0.8))
    assert contains(NOTCH, (0.5, 0.5))
    assert not contains(SQUARE, (1.0001, 0.5))


@given(polygon, box, st.integers(0, 20), st.integers(0, 20))
def test_a_box_touches_where_any_of_its_points_is_inside(points, frame, i, j):
    x1, y1, x2, y2 = frame
    inner = (x1 + (x2 - x1) * i / 20, y1 + (y2 - y1) * j / 20)
    if contains(points, inner) and not on_border(points, inner):
        assert touches(points, frame)


@given(polygon, box)
def test_a_box_that_is_beside_does_not_touch(points, frame):
    beyond = max(x for x, _ in points) + 1
    moved = (frame[0] - frame[0] + beyond, frame[1], frame[2] - frame[0] + beyond, frame[3])
    assert not touches(points, moved)


def test_a_bar_across_a_zone_touches_without_any_corner_inside():
    assert touches(SQUARE, (-1, 0.4, 2, 0.6))
    assert touches(SQUARE, (-1, -1, 2, 2))
    assert touches(SQUARE, (0.4, 0.4, 0.6, 0.6))


def test_anchors():
    assert anchor_of((0, 0, 4, 10), "bottom_centre") == (2, 10)
    assert anchor_of((0, 0, 4, 10), "centre") == (2, 5)


@given(box, box)
def test_overlap_is_a_share_and_symmetric(a, b):
    scores = overlaps([a, b], [a, b])
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scores[0, 1] == scores[1, 0]
    if a[0] < a[2] and a[1] < a[3]:
        assert scores[0, 0] == 1
