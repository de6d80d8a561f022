"""Two processes on one host: delay at 30 frames/s and the highest rate, beside the peers."""

from benchmarks.case import HD, VGA, Case
from benchmarks.contenders import (
    DORA,
    EDGEFLOW,
    ICEORYX2,
    MEMCPY,
    ZENOH_SHM,
    ZENOH_TCP,
    ZMQ_IPC,
    Contender,
)
from benchmarks.harness import Series, compare
from benchmarks.report import Row, main

TITLE = "Same host, two processes"
_NAMES = {VGA: "640x480", HD: "1920x1080"}
_SLOW_PEERS = (DORA, ZENOH_TCP, ZENOH_SHM, ZMQ_IPC)
_SLOW_ROUNDS = 3
_DELAY = {"iceoryx2": 1.0, "dora-rs": 1.0}
_RATE = {"iceoryx2": 0.8, "dora-rs": 10.0, "zenoh tcp": 10.0}
_IN_PLACE_RATE = 15_000.0


def measure(rounds: int, quick: bool) -> tuple[list[Row], list[str]]:
    """Return the comparison rows and notes about lost or torn frames and failures."""
    rows: list[Row] = []
    notes: list[str] = []
    for shape in (HD,) if quick else (HD, VGA):
        for in_place in (False, True):
            name = f"{_NAMES[shape]} {'in place' if in_place else 'one copy'}"
            delay = _series(Case(shape, in_place, 30, 2.4), rounds, quick, notes)
            rows += _delay_rows(name, delay, targets=not in_place and shape == HD)
            rate = _series(Case(shape, in_place, None, 1.0), rounds, quick, notes)
            rows += _rate_rows(name, rate, targets=shape == HD, in_place=in_place)
    return rows, notes


def _series(case: Case, rounds: int, quick: bool, notes: list[str]) -> dict[str, Series]:
    fast: list[Contender] = [EDGEFLOW, ICEORYX2]
    series = compare(fast, case, rounds)
    if not case.in_place:
        slow = _SLOW_PEERS[:2] if quick else _SLOW_PEERS
        series |= compare(slow, case, min(rounds, _SLOW_ROUNDS))
        if case.fps is None:
            series |= compare([MEMCPY], case, min(rounds, _SLOW_ROUNDS))
    for name, one in series.items():
        bad = {kind: one.count(kind) for kind in ("torn", "missing", "disordered")}
        if any(bad.values()):
            notes.append(f"{name}, {_label(case)}: {bad}")
        notes += [f"{name}, {_label(case)} failed: {failure}" for failure in one.failures[:1]]
    return {name: one for name, one in series.items() if one.ok}


def _label(case: Case) -> str:
    place = "in place" if case.in_place else "one copy"
    return f"{_NAMES[case.shape]} {place} {'flat out' if case.fps is None else 'at 30/s'}"


def _delay_rows(name: str, series: dict[str, Series], *, targets: bool) -> list[Row]:
    ours = series.pop("edgeflow")
    rows = []
    for peer, theirs in series.items():
        most = _DELAY.get(peer) if targets else None
        what = f"{name}, 30/s, delay p50"
        rows.append(Row(what, "ms", ours.p50 * 1e3, peer, theirs.p50 * 1e3, at_most=most))
        rows.append(Row(what[:-3] + "p99", "ms", ours.p99 * 1e3, peer, theirs.p99 * 1e3))
        rows.append(Row(f"{name}, 30/s, CPU", "% core", ours.cpu * 100, peer, theirs.cpu * 100))
    return rows


def _rate_rows(name: str, series: dict[str, Series], *, targets: bool, in_place: bool) -> list[Row]:
    ours = series.pop("edgeflow")
    what = f"{name}, highest rate"
    rows = []
    for peer, theirs in series.items():
        least = _RATE.get(peer) if targets and not in_place else None
        rows.append(Row(what, "frames/s", ours.rate, peer, theirs.rate, at_least=least))
    if in_place:
        rows.append(Row(what, "frames/s", ours.rate, "goal", _IN_PLACE_RATE, at_least=1.0))
    return rows


if __name__ == "__main__":
    main(TITLE, measure, __doc__)
