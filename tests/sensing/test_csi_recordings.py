"""Recordings of channel state: real ones to the frame, damaged and hostile ones without harm."""

import lzma
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.errors import StoreError
from edgeflow.sensing.captures import Datagram, open_capture
from edgeflow.sensing.clocks import Unwrapped
from edgeflow.sensing.frames import CsiFrame, source_of
from edgeflow.sensing.recording_lines import MAX_LINE
from edgeflow.sensing.recordings import Recording

DATA = Path(__file__).parents[1] / "data" / "csi"
HEADER, ROW = (DATA / "example_data.csv").read_text().splitlines(keepends=True)[:2]
ROW = ROW.strip()


def seconds(frames: list[CsiFrame]) -> float:
    return (frames[-1].time_us - frames[0].time_us) / 1e6


@pytest.mark.parametrize(
    ("name", "count", "length", "senders"),
    [
        ("resp_6rpm.csv.xz", 7222, 60.0, 1),
        ("resp_puerta_6rpm_b.csv.xz", 6186, 60.0, 2),
        ("example_data.csv", 60, 12.5, None),
        ("example_100hz_pitraffic.csv", 833, 13.1, None),
    ],
)
def test_real_recordings_are_read_whole(name, count, length, senders):
    recording = Recording(DATA / name)
    frames = list(recording)
    assert len(frames) == count
    assert seconds(frames) == pytest.approx(length, abs=0.1)
    assert {frame.pairs.shape for frame in frames} == {(64, 2)}
    assert senders is None or len({frame.source for frame in frames}) == senders


def test_a_damaged_line_is_told_with_its_number():
    recording = Recording(DATA / "example_100hz_pitraffic.csv")
    list(recording)
    assert recording.damage.count == 1
    assert recording.damage.places[0][0] == 19
    assert "127 numbers" in recording.damage.places[0][1]


def test_the_imaginary_part_comes_first():
    frame = next(iter(Recording(DATA / "example_data.csv", node=7)))
    assert isinstance(frame, CsiFrame)
    assert frame.pairs[:3].tolist() == [[18, 38], [97, 0], [-20, -1]]
    assert frame.pairs.dtype == np.int8
    assert (frame.rssi, frame.noise_floor, frame.channel, frame.node) == (-77, -97, 6, 7)
    assert frame.source == source_of(b"d0:6e:de:27:6b:63")


def test_json_lines_of_the_reference():
    recording = Recording(DATA / "ruview_pretrain-1775182186.csi.jsonl.xz")
    frames = list(recording)
    assert Counter(len(frame.payload) // 2 for frame in frames) == {64: 4127, 128: 1134, 192: 48}
    assert {frame.node for frame in frames} == {1, 2}
    assert all(-80 < frame.rssi < -10 for frame in frames[200:])
    assert recording.damage.count == 0


def test_a_header_says_where_columns_are(tmp_path):
    columns = HEADER.strip().split(",")
    fields = ROW.split(",")
    order = [0, *reversed(range(1, 25)), 25]
    file = tmp_path / "turned.csv"
    lines = [",".join(columns[i] for i in order), ",".join(fields[i] for i in order)]
    file.write_text("\n".join(lines))
    (frame,) = Recording(file)
    assert frame == next(iter(Recording(DATA / "example_data.csv")))


def test_numbers_may_lie_between_commas_and_many_spaces(tmp_path):
    file = tmp_path / "run.csv"
    head, _, numbers = ROW.partition("[")
    commas = f'{head}"[{numbers.strip(" ]").replace(" ", ",")}]"'
    file.write_text("\n".join([HEADER.strip(), ROW, commas, ROW.replace(" ", "  ")]))
    first, *others = (frame.payload for frame in Recording(file))
    assert others == [first, first]


def test_a_header_without_a_column_is_refused(tmp_path):
    file = tmp_path / "short.csv"
    file.write_text(HEADER.replace(",rssi", ""))
    with pytest.raises(StoreError, match=r"short.csv:1: .*no column rssi"):
        list(Recording(file))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda row: row.replace("]", ""), "without a bracket"),
        (lambda row: row.replace("[18", "[200"), "no i8"),
        (lambda row: row.replace("[18", "[4294967314"), "no i8"),
        (lambda row: row.replace("[18", "[99999999999999999999"), "no i8"),
        (lambda row: row.replace("[18", "[1-8"), "no i8"),
        (lambda row: row.replace("38", "-"), "no i8"),
        (lambda row: row.replace("38", "3.8"), "no i8"),
        (lambda row: row.replace("[18 ", "["), "127 numbers"),
        (lambda row: row.replace("[18 38 ", "["), "126 numbers where len says 384"),
        (lambda row: row.replace(",-77,", ",-770,"), "rssi"),
        (lambda row: row.replace(",2504852,", ",x,"), "local_timestamp"),
        (lambda row: row.replace("CSI_DATA", "CSI_DAT"), "no line of 26 fields"),
        (lambda row: "[" * (MAX_LINE + 5) + row, "longer than"),
    ],
)
def test_damaged_lines_are_left_out(tmp_path, damage, reason):
    file = tmp_path / "run.csv"
    file.write_text(f"{HEADER}{damage(ROW)}\n{ROW}\n")
    recording = Recording(file)
    assert len(list(recording)) == 1
    (place,) = recording.damage.places
    assert place[0] == 2
    assert reason in place[1]


def test_a_file_without_a_frame_is_an_error_with_its_line(tmp_path):
    file = tmp_path / "run.csv"
    file.write_text(f"{HEADER}{ROW.replace(']', '')}\n")
    with pytest.raises(StoreError, match=r"run.csv:2: the numbers end without a bracket"):
        list(Recording(file))


def test_what_is_no_recording_is_told(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("hello\n")
    with pytest.raises(StoreError, match=r"notes.txt:1: this is no recording"):
        Recording(file)
    with pytest.raises(StoreError, match="No such file"):
        Recording(tmp_path / "absent.csv")


def test_a_cut_off_xz_gives_what_it_holds_and_then_its_line(tmp_path):
    file = tmp_path / "cut.csv.xz"
    file.write_bytes((DATA / "resp_6rpm.csv.xz").read_bytes()[:100_000])
    found = []
    with pytest.raises(StoreError, match=r"cut.csv.xz:\d+: the file is cut off"):
        for frame in Recording(file):
            found.append(frame)
    assert 500 < len(found) < 7222


def test_xz_in_several_streams_is_one_file(tmp_path):
    file = tmp_path / "two.csv.xz"
    file.write_bytes(
        lzma.compress(f"{HEADER}{ROW}\n".encode()) + lzma.compress(f"{ROW}\n".encode())
    )
    assert len(list(Recording(file))) == 2


def test_stamps_wrap_after_71_minutes():
    clock = Unwrapped()
    start = 2**32 - 10
    assert [clock.at(tick % 2**32) - start for tick in range(start, start + 30, 5)] == [
        0, 5, 10, 15, 20, 25,
    ]  # fmt: skip


def test_late_stamps_stay_late_and_a_restart_goes_on():
    clock = Unwrapped()
    times = [clock.at(tick) for tick in (50_000_000, 50_010_000, 50_005_000, 1_000, 11_000)]
    assert times == [50_000_000, 50_010_000, 50_005_000, 51_010_000, 51_020_000]
    assert clock.restarts == 1


@given(st.lists(st.integers(0, 2**32 - 1), max_size=60))
def test_no_stamps_make_time_run_back_far(ticks):
    clock, newest = Unwrapped(), 0
    for tick in ticks:
        time = clock.at(tick)
        assert time >= newest - 10_000_000
        newest = max(newest, time)


@given(st.binary(max_size=400))
def test_arbitrary_lines_never_crash(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("any") / "run.csv"
    file.write_bytes(HEADER.encode() + data + b"\n" + ROW.encode() + b"\n")
    frames = list(Recording(file))
    assert frames


DATAGRAMS = [
    Datagram(1_700_000_000_000_000, b"\x01\x00\x11\xc5", "192.168.4.7", 50000),
    Datagram(1_700_000_000_020_000, b"", "fe80::7", 1),
    Datagram(1_700_000_000_040_000, bytes(400), "192.168.4.7", 50000),
]


@pytest.mark.parametrize("name", ["run.csi", "run.mcap"])
def test_captures_give_back_what_came(tmp_path, name):
    file = tmp_path / name
    with open_capture(file) as capture:
        for datagram in DATAGRAMS:
            capture.write(datagram)
    recording = Recording(file)
    assert list(recording) == DATAGRAMS
    assert recording.damage.count == 0
    with pytest.raises(StoreError, match="exists"):
        open_capture(file)


@pytest.mark.parametrize("name", ["run.csi", "run.mcap"])
def test_a_capture_that_is_cut_off_gives_what_is_there(tmp_path, name):
    whole, cut = tmp_path / name, tmp_path / f"cut-{name}"
    with open_capture(whole) as capture:
        for number in range(9000):
            capture.write(Datagram(number, bytes(300), "127.0.0.1", 5))
    cut.write_bytes(whole.read_bytes()[:2_000_001])
    recording = Recording(cut)
    found = list(recording)
    assert 3000 < len(found) < 9000
    assert recording.damage.count == 1


@given(st.binary(max_size=300))
def test_arbitrary_captures_never_crash(tmp_path_factory, data):
    for magic in (b"EFCSICAP", b"\x89MCAP0\r\n"):
        file = tmp_path_factory.mktemp("any") / "run"
        file.write_bytes(magic + data)
        try:
            list(Recording(file))
        except StoreError as error:
            assert "holds no frame" in error.message or "run:" in error.message


@pytest.mark.parametrize(
    "numbers",
    [
        "1 2 3 128",
        "1 -129",
        "1 99999999999999999999",
        "1-2 3 4",
        "1 - 2 3",
        "1 2 3 -",
        "--1 2",
        "+1 2",
    ],
)
def test_what_is_no_number_of_eight_bits_is_damage(tmp_path, numbers):
    file = tmp_path / "run.csv"
    good = (DATA / "example_100hz_pitraffic.csv").read_text().splitlines()[:3]
    head, _, _ = good[1].partition("[")
    file.write_text("\n".join([*good, f"{head}[{numbers}]"]))
    recording = Recording(file)
    assert len(list(recording)) == 2
    assert recording.damage.count == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-128, 127), min_size=64, max_size=64), st.sampled_from([" ", "  ", ","])
)
def test_every_number_of_eight_bits_is_read(values, between):
    line = "CSI_DATA,AP,20:50:0D:2A:A2:E4,-68,11,1,0,1,1,1,0,0,0,0,-96,0,1,1,100,0,84,0,0,1.0,64,"
    with TemporaryDirectory() as folder:
        file = Path(folder) / "run.csv"
        file.write_text(f"{line}[{between.join(map(str, values))} ]\n")
        (frame,) = Recording(file)
    assert list(frame.payload) == [value & 0xFF for value in values]
