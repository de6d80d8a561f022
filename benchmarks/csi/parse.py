"""Reading recordings: ours beside csiread, CSIKit and wisense, in processor time, taking turns."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.csi.material import DATA, Stopwatch, Way, reading, rows
from benchmarks.harness import Reading, summarise
from benchmarks.inference.environments import python_of
from benchmarks.report import Options, Result, main, paired_ratio
from edgeflow.sensing.recordings import Recording

__all__ = ["run"]

ROWS, QUICK = 20_000, 2_000
NUMBERS = 128
PEERS = Path(__file__).parent / "peers"
OURS = Way("edgeflow, checked frames with time and sender")


def _ours(path: Path) -> Reading:
    with Stopwatch() as watch:
        frames = sum(1 for _ in Recording(path))
    return reading(frames, watch.seconds)


def _peer(environment: str, script: str, *words: str) -> Callable[[Path], Reading]:
    def ask(path: Path) -> Reading:
        command = [str(python_of(environment)), str(PEERS / script), str(path), *words]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
        said = json.loads(ran.stdout.splitlines()[-1])
        return reading(said["frames"], said["seconds"])

    return ask


WAYS: dict[Way, Callable[[Path], Reading]] = {
    OURS: _ours,
    Way("csiread, all fields", ours=False): _peer("csiread", "csiread_parse.py", str(NUMBERS)),
    Way("csiread, numbers only", ours=False): _peer(
        "csiread", "csiread_parse.py", str(NUMBERS), "--csi-only"
    ),
    Way("wisense", ours=False): _peer("wisense", "wisense_parse.py"),
    Way("CSIKit", ours=False): _peer("csikit", "csikit_parse.py"),
}


def run(options: Options) -> list[Result]:
    """Measure CSV beside the peers, and the other forms alone."""
    count = QUICK if options.quick else ROWS
    found: dict[Way, list[Reading]] = {way: [] for way in WAYS}
    failures: dict[Way, int] = dict.fromkeys(WAYS, 0)
    with tempfile.TemporaryDirectory() as folder:
        plain, headed = Path(folder) / "rows.csv", Path(folder) / "headed.csv"
        rows(plain, count, header=False)
        rows(headed, count, header=True)
        for number in range(options.rounds):
            for way in list(WAYS) if number % 2 == 0 else reversed(list(WAYS)):
                sys.stderr.write(f"csi_parse, round {number + 1}: {way.label}\n")
                try:
                    path = headed if way.label == "CSIKit" else plain
                    found[way].append(WAYS[way](path))
                except (subprocess.SubprocessError, ValueError, KeyError) as error:
                    sys.stderr.write(f"{way.label}: {error}\n")
                    failures[way] += 1
    tables = [summarise(way, found[way], failures[way]) for way in WAYS]  # type: ignore[arg-type]
    result = Result(f"CSI, rows of ESP32-CSI-Tool, {NUMBERS} numbers each", tables)
    for row in tables[1:]:
        ratio = paired_ratio(tables[0].fps_rounds, row.fps_rounds)
        result.expect(f"frames/s beside {row.label}", tables[0].fps, "told", True, row.fps, ratio)
    result.notes.append(
        f"{count} rows of mov_01. CSIKit needs the header line, csiread fails on it. csiread gives "
        "arrays of a whole file; we give a frame at a time in bounded memory, each range checked."
    )
    return [result, _other_forms(options)]


def _other_forms(options: Options) -> Result:
    kinds = {
        "JSON lines of the reference's recorder, .xz": "ruview_pretrain-1775182186.csi.jsonl.xz",
        "CSV, .xz": "mov_01.csv.xz",
    }
    found = {
        label: [_ours(DATA / name) for _ in range(options.rounds)] for label, name in kinds.items()
    }
    done = [summarise(Way(f"edgeflow, {label}"), each) for label, each in found.items()]  # type: ignore[arg-type]
    return Result("CSI, other recordings", done)


if __name__ == "__main__":
    sys.exit(main({"csi_parse": run}))
