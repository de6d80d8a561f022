"""The chip on a clock of the test's own: what happens when, to the microsecond."""

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow._native.model import NativeModel
from edgeflow.devices.costs import compute_us, reference_tick_us
from edgeflow.devices.virtual.boot import inspect
from edgeflow.devices.virtual.chip import Chip, State
from edgeflow.devices.virtual.firmware import make_application
from edgeflow.devices.virtual.flash import NorFlash
from edgeflow.devices.virtual.image import model_files, prepare, put_files
from edgeflow.devices.virtual.noise import NoiseRates
from edgeflow.devices.virtual.reset import Boot
from edgeflow.devices.virtual.settings import Settings
from edgeflow.protocols.slip import SlipDecoder, encode_slip
from edgeflow.protocols.spiffs import unpack
from edgeflow.protocols.uart.requests import encode, encode_infr
from virtual_models import lstm, sample

MODEL = lstm(steps=10, hidden=8)
INPUT = sample(steps=10)
SYNC = encode_slip(struct.pack("<BBHI", 0, 8, 36, 0) + b"\x07\x07\x12\x20" + 32 * b"\x55")


class Bench:
    """A chip and a clock. ``run`` lets time pass in steps and collects what the host gets."""

    def __init__(self, settings: Settings, *, model: bytes | None = MODEL) -> None:
        self.flash = NorFlash.in_memory(16 << 20)
        prepare(self.flash, reference=settings.reference)
        if model is not None:
            place = inspect(self.flash).partitions["model"]
            put_files(self.flash, place, model_files(model, None, reference=False))
        self.flash.busy_us = 0
        self.chip = Chip(self.flash, settings, make_application)
        self.now = 1000.0
        self.chip.power_on(self.now)

    def run(self, seconds: float, step: float = 0.001) -> bytes:
        end, out = self.now + seconds, b""
        while self.now < end:
            self.now = min(end, self.now + step)
            self.chip.advance(self.now)
            out += self.chip.line.output(self.now)
        return out

    def send(self, data: bytes) -> None:
        self.chip.receive(data, self.now)

    def when(self, magic: bytes, seconds: float = 5.0) -> float:
        """Return after how long a whole message that starts with ``magic`` has arrived."""
        start, out = self.now, b""
        while self.now < start + seconds:
            due = self.chip.next_due(self.now)
            assert due is not None
            self.now = max(self.now, due)
            self.chip.advance(self.now)
            out += self.chip.line.output(self.now)
            if magic in out and self.chip.line.next_output(self.now) is None:
                return self.now - start
        raise AssertionError(f"no {magic!r} in {out!r}")


def test_it_talks_as_it_starts_and_then_answers() -> None:
    bench = Bench(Settings())
    log = bench.run(1.0)
    assert log.startswith(b"ESP-ROM:esp32s3") and b"SPI_FAST_FLASH_BOOT" in log
    assert b"EFX1\xc1" in log and bench.chip.state is State.RUNNING
    bench.send(b"META")
    assert bench.run(0.1) == b"INFO" + struct.pack("<4H", 10, 2, 3, 8)


@pytest.mark.parametrize("baud", [115200, 921600])
def test_an_answer_takes_the_wire_both_ways_and_the_compute(baud: int) -> None:
    bench = Bench(Settings(baud=baud))
    bench.run(1.0)
    info = NativeModel(MODEL).info
    request = encode_infr(INPUT)
    bench.send(request)
    wire = (len(request) + 8 + 12) * 10 / baud
    compute = compute_us(info.multiply_adds, info.activations) / 1e6
    assert bench.when(b"PRED") == pytest.approx(wire + compute, abs=20e-6)


def test_pipelined_requests_are_answered_at_line_rate() -> None:
    bench = Bench(Settings())
    bench.run(1.0)
    request = encode(0x03, 7, bytes(4) + INPUT.tobytes())
    for _ in range(16):
        bench.send(request)
    out = bench.run(16 * len(request) * 10 / 115200 + 0.01)
    assert out.count(b"EFX1\x83\x00") == 16


def test_waking_late_delays_but_does_not_add_up() -> None:
    outputs = []
    for step in (0.0005, 0.05):
        bench = Bench(Settings())
        bench.run(1.0, step)
        for _ in range(8):
            bench.send(encode_infr(INPUT))
        outputs.append(bench.run(0.2, step))
    assert outputs[0] == outputs[1] and outputs[0].count(b"PRED") == 8


def test_the_reference_firmware_sleeps_a_tick_every_four_steps() -> None:
    bench = Bench(Settings(reference=True))
    bench.run(1.0)
    assert reference_tick_us(10) == 30_000
    bench.send(encode_infr(INPUT))
    bench.send(b"META")
    answer = bench.when(b"PRED")
    assert 0.030 < answer < 0.060
    bench.send(encode(0x01, 1))
    assert bench.run(0.5) == b""


def test_the_reference_firmware_without_a_model_is_silent() -> None:
    bench = Bench(Settings(reference=True), model=None)
    assert b"EFX1" not in bench.run(1.0)
    bench.send(b"META" + encode_infr(INPUT))
    assert bench.run(3.0, 0.05) == b""


def test_the_reference_firmware_formats_what_it_cannot_mount() -> None:
    bench = Bench(Settings(reference=True, instant=True), model=None)
    place = inspect(bench.flash).partitions["model"]
    bench.flash.program(place.offset, bytes(0x2000))
    bench.chip.power_on(bench.now)
    bench.run(0.1)
    assert unpack(bench.flash.read(place.offset, place.size)) == {}
    bench.send(b"META")
    assert bench.run(0.5, 0.01) == b""


def test_the_reference_firmware_says_pred_0_and_scans_the_payload() -> None:
    bench = Bench(Settings(reference=True))
    bench.run(1.0)
    bench.send(b"INFR" + struct.pack("<I", 3) + b"METAMETAMETA")
    info = b"INFO" + struct.pack("<4H", 10, 2, 3, 8)
    assert bench.run(0.1) == b"PRED" + bytes(4) + 3 * info


def test_the_reference_firmware_forgets_half_a_message() -> None:
    bench = Bench(Settings(reference=True))
    bench.run(1.0)
    bench.send(b"INFR" + struct.pack("<I", 20) + bytes(40))
    assert bench.run(5.5, 0.02) == b""
    bench.send(b"META")
    assert bench.run(0.1)[:4] == b"INFO"


def test_reset_lines_lead_into_the_loader_and_back() -> None:
    bench = Bench(Settings())
    bench.run(1.0)
    for dtr, rts in ((False, True), (True, True), (True, False), (False, False)):
        bench.chip.set_lines(dtr, rts, bench.now)
        log = bench.run(0.1)
    assert bench.chip.state is State.LOADER
    bench.send(SYNC)
    frames = list(SlipDecoder(100).feed(bench.run(0.1)))
    assert len(frames) == 8
    bench.chip.set_lines(False, True, bench.now)
    assert bench.chip.state is State.RESET
    bench.send(b"META")
    assert bench.run(0.1) == b""
    bench.chip.set_lines(False, False, bench.now)
    log = bench.run(1.0)
    assert log.startswith(b"ESP-ROM") and b"EFX1\xc1" in log


def test_download_mode_says_so_as_esptool_expects() -> None:
    bench = Bench(Settings())
    bench.chip.power_on(bench.now, Boot.LOADER)
    log = bench.run(0.1)
    assert b"boot:0x0" in log and b"waiting for download" in log


def test_the_loader_measures_the_rate_until_it_is_told_one() -> None:
    bench = Bench(Settings())
    bench.chip.power_on(bench.now, Boot.LOADER)
    bench.run(0.1)
    bench.chip.line.host_baud = 460800
    bench.send(SYNC)
    bench.run(0.1)
    assert bench.chip.line.baud == 460800
    packet = struct.pack("<BBHI", 0, 0x0F, 8, 0) + struct.pack("<II", 921600, 0)
    bench.send(encode_slip(packet))
    bench.run(0.1)
    bench.send(SYNC)
    assert len(list(SlipDecoder(100).feed(bench.run(0.1)))) == 8
    assert bench.chip.line.baud == 921600


def test_without_firmware_it_starts_over_and_over() -> None:
    bench = Bench(Settings())
    bench.flash.erase(0, 0x1000)
    bench.chip.power_on(bench.now)
    log = bench.run(3.0)
    assert log.count(b"invalid header: 0xffffffff") >= 2 and bench.chip.state is State.STARTING


def test_restart_and_baud_rate_are_obeyed_behind_the_answer() -> None:
    bench = Bench(Settings(strict_baud=True))
    bench.run(1.0)
    bench.chip.line.host_baud = 115200
    bench.send(encode(0x20, 1, struct.pack("<I", 921600)))
    assert b"EFX1\xa0\x00" in bench.run(0.1)
    assert bench.chip.line.baud == 921600
    bench.send(b"META")
    assert b"INFO" not in bench.run(0.1)
    bench.chip.line.host_baud = 921600
    bench.send(encode(0x22, 2))
    out = bench.run(0.5)
    assert b"EFX1\xa2\x00" in out and bench.chip.stats.starts >= 1
    bench.run(1.0)
    assert bench.chip.line.baud == 115200 and bench.chip.stats.starts == 2


def test_a_rate_that_nobody_uses_is_given_up() -> None:
    bench = Bench(Settings())
    bench.run(1.0)
    bench.send(encode(0x20, 1, struct.pack("<I", 921600)))
    bench.run(0.5)
    assert bench.chip.line.baud == 921600
    bench.run(2.5, 0.01)
    assert bench.chip.line.baud == 115200


def test_what_arrives_beyond_the_buffer_while_it_is_busy_is_lost() -> None:
    bench = Bench(Settings(reference=True, baud=3_000_000))
    bench.run(1.0)
    bench.send(encode_infr(INPUT))
    bench.send(b"x" * 6000)
    bench.run(0.2)
    assert bench.chip.stats.overrun > 1500


def test_answers_are_those_of_the_core() -> None:
    bench = Bench(Settings(instant=True))
    bench.run(0.1)
    bench.send(encode_infr(INPUT))
    answer = bench.run(0.1)
    expected = NativeModel(MODEL).run(INPUT)
    assert np.frombuffer(answer[8:], "<f4").tolist() == expected.tolist()


ACTIONS = st.one_of(
    st.tuples(st.just("send"), st.binary(max_size=200)),
    st.tuples(st.just("send"), st.sampled_from([SYNC, b"META", encode(1, 1), encode(0x22, 2)])),
    st.tuples(st.just("lines"), st.tuples(st.booleans(), st.booleans())),
    st.tuples(st.just("run"), st.floats(0.001, 1.0)),
    st.tuples(st.just("power"), st.sampled_from(list(Boot))),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(ACTIONS, max_size=12), st.booleans(), st.booleans())
def test_whatever_a_host_does_it_answers_after_a_reset(
    actions: list[tuple[str, Any]], reference: bool, instant: bool
) -> None:
    bench = Bench(Settings(reference=reference, instant=instant, noise=NoiseRates(logs=20)))
    for action, value in actions:
        if action == "send":
            bench.send(value)
        elif action == "lines":
            bench.chip.set_lines(*value, bench.now)
        elif action == "run":
            bench.run(value, 0.05)
        else:
            bench.chip.power_on(bench.now, value)
    bench.chip.set_lines(False, False, bench.now)
    bench.chip.power_on(bench.now)
    bench.run(1.0, 0.05)
    bench.send(b"META")
    assert b"INFO" + struct.pack("<4H", 10, 2, 3, 8) in bench.run(0.2, 0.01)
