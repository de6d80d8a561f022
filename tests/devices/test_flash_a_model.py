"""Models reach boards through the real esptool, and find their way back."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeflow.devices import swapping
from edgeflow.devices.boards.base import Slot, SwapProgress
from edgeflow.devices.boards.serial import SerialBoard
from edgeflow.devices.flashing.model import (
    META_FILE,
    MODEL_FILE,
    flash_model,
    restore_model,
)
from edgeflow.devices.flashing.previous import PreviousImages
from edgeflow.devices.swapping import roll_back_model, swap_model
from edgeflow.devices.virtual.board import VirtualBoard
from edgeflow.errors import CancelledError, ConfigError, EngineError, UnreachableError
from edgeflow.protocols import spiffs
from edgeflow.protocols.model_file import (
    LstmWeights,
    efm1,
    lstm_file,
    lstm_meta,
    parse_model,
)
from edgeflow.protocols.partitions import TABLE_OFFSET, Partition, encode_table
from edgeflow.systems.mcu import make_fleet

STEPS, FEATURES, HIDDEN = 8, 2, 16
MODEL_OFFSET = 0x210000
SAMPLE = np.linspace(-1, 1, STEPS * FEATURES, dtype=np.float32).reshape(STEPS, FEATURES)


def weights(horizon: int) -> LstmWeights:
    random = np.random.default_rng(horizon)

    def some(*shape: int) -> np.ndarray:
        return (0.3 * random.standard_normal(shape)).astype(np.float32)

    gates = 4 * HIDDEN
    return LstmWeights(
        some(gates, FEATURES),
        some(gates, HIDDEN),
        some(gates),
        some(horizon, HIDDEN),
        some(horizon),
    )


def model(horizon: int) -> bytes:
    return lstm_file(weights(horizon), steps=STEPS)


OLD, NEW = model(3), model(5)


@pytest.fixture
def kept(tmp_path: Path) -> PreviousImages:
    return PreviousImages(tmp_path / "boards")


@pytest.fixture
def virtual() -> Iterator[VirtualBoard]:
    with VirtualBoard(model=OLD, transport="rfc2217", reference=True, instant=True) as board:
        yield board


@pytest.fixture
def board(virtual: VirtualBoard) -> Iterator[SerialBoard]:
    with SerialBoard(virtual.port) as board:
        assert board.wait(30), board.last_error
        yield board


def test_only_changed_sectors_are_written_and_the_way_back_is_the_same(
    virtual: VirtualBoard, board: SerialBoard, kept: PreviousImages
) -> None:
    before = board.infer(SAMPLE).values
    wear = virtual.flash.wear.copy()
    steps: list[SwapProgress] = []
    found = swap_model(board, NEW, lstm_meta(parse_model(NEW)), on_progress=steps.append,
                       previous=kept)  # fmt: skip
    assert (found.horizon, found.slot) == (5, Slot.FILE)
    assert board.infer(SAMPLE).values.shape == (5,)

    worn = np.flatnonzero(virtual.flash.wear - wear)
    first = MODEL_OFFSET // 4096
    used = -(-len(NEW) // (15 * 251)) + 1
    assert first <= worn.min() and worn.max() < first + used  # of 1280 sectors
    image = virtual.flash.read(MODEL_OFFSET, 5120 * 1024)
    assert spiffs.unpack(image)[MODEL_FILE] == NEW
    assert image == spiffs.pack(spiffs.unpack(image), len(image))

    names = list(dict.fromkeys(step.step for step in steps))
    assert names == ["validate", "build", "erase", "write", "verify", "restart"]
    written = [step for step in steps if step.step == "write"]
    assert written[-1].done == written[-1].total == 4096 * len(worn)

    assert roll_back_model(board, previous=kept).horizon == 3
    np.testing.assert_array_equal(board.infer(SAMPLE).values, before)


def test_a_wrong_file_is_refused_before_anything_is_touched(
    virtual: VirtualBoard, board: SerialBoard, kept: PreviousImages
) -> None:
    starts, wear = virtual.stats.starts, virtual.flash.wear.sum()
    container = efm1(weights(5), steps=STEPS, name="x")
    flipped = bytearray(container)
    flipped[300] ^= 1
    endless = bytearray(NEW)
    endless[16:20] = np.float32(np.inf).tobytes()
    for file, meta in [
        (bytes(flipped), None),
        (bytes(endless), None),
        (NEW[:-1], None),
        (b"", None),
        (NEW, lstm_meta(parse_model(OLD))),
        (NEW, b"[]"),
        (container, None),  # whole, but the reference firmware knows no containers
    ]:
        with pytest.raises(ConfigError):
            swap_model(board, file, meta, previous=kept)
    with pytest.raises(ConfigError, match="has no slots"):
        swap_model(board, NEW, route="slots", previous=kept)
    with pytest.raises(ConfigError, match="id 0, not 1"):
        swap_model(board, NEW, model=1, previous=kept)
    assert board.infer(SAMPLE).values.shape == (3,)
    assert (virtual.stats.starts, virtual.flash.wear.sum()) == (starts, wear)


def test_a_board_without_the_partition_stays_as_it_is(
    virtual: VirtualBoard, kept: PreviousImages
) -> None:
    virtual.flash.erase(TABLE_OFFSET, 4096)
    rows = [Partition("nvs", 1, 2, 0x9000, 0x6000), Partition("factory", 0, 0, 0x10000, 2 << 20)]
    virtual.flash.program(TABLE_OFFSET, encode_table(rows))
    wear = virtual.flash.wear.sum()
    with pytest.raises(ConfigError, match="no partition 'model'; it has: nvs, factory"):
        flash_model(virtual.port, {MODEL_FILE: NEW}, previous=kept)
    assert virtual.flash.wear.sum() == wear
    assert virtual.state in ("starting", "running")


def test_files_that_do_not_fit_are_refused(virtual: VirtualBoard, kept: PreviousImages) -> None:
    with pytest.raises(ConfigError, match="do not fit into 5242880 bytes"):
        flash_model(virtual.port, {MODEL_FILE: bytes(5120 * 1024)}, previous=kept)
    assert virtual.state in ("starting", "running")


def test_a_cancelled_flash_leaves_the_board_running(
    virtual: VirtualBoard, kept: PreviousImages
) -> None:
    cancel = threading.Event()
    wear = virtual.flash.wear.sum()

    def stop(step: SwapProgress) -> None:
        if step.text == "reading the model that is there":
            cancel.set()

    with pytest.raises(CancelledError):
        flash_model(virtual.port, {MODEL_FILE: NEW}, previous=kept, cancel=cancel, on_progress=stop)
    assert virtual.flash.wear.sum() == wear
    assert virtual.state in ("starting", "running")


def test_a_server_that_stops_ends_a_flash_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEFLOW_CACHE_DIR", str(tmp_path))
    with VirtualBoard(model=OLD, transport="rfc2217", reference=True) as virtual:
        board, stopping = SerialBoard(virtual.port, name="lab"), threading.Event()
        fleet = make_fleet([board], cancel=stopping)
        try:
            assert board.wait(30), board.last_error
            swap = fleet.start_swap("lab", NEW)
            while not any(step.total and step.step == "build" for step in swap.steps()):
                assert not swap.wait(0.02)
        finally:
            stopping.set()
            fleet.close()
        assert swap.wait(20)
        assert isinstance(swap.error, CancelledError)
        assert virtual.state != "loader"
        assert spiffs.unpack(virtual.flash.read(MODEL_OFFSET, 5120 * 1024))[MODEL_FILE] == OLD


def test_a_cable_pulled_while_writing_is_told_and_the_old_model_can_be_put_back(
    kept: PreviousImages,
) -> None:
    with VirtualBoard(model=OLD, transport="rfc2217") as virtual:  # at real speed
        original = virtual.flash.read(MODEL_OFFSET, 1024 * 1024)

        def pull(step: SwapProgress) -> None:
            if step.step == "erase":
                virtual.unplug()

        files = {MODEL_FILE: NEW, META_FILE: lstm_meta(parse_model(NEW))}
        with pytest.raises(UnreachableError, match="was lost while writing the model") as caught:
            flash_model(virtual.port, files, baud=921600, previous=kept, on_progress=pull)
        assert "--roll-back" in caught.value.hint
        virtual.replug()
        restore_model(virtual.port, baud=921600, previous=kept)
        assert virtual.flash.read(MODEL_OFFSET, 1024 * 1024) == original


def test_a_board_that_does_not_answer_with_the_new_model_gets_the_old_one_back(
    kept: PreviousImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swapping, "ANSWER_SECONDS", 0.5)
    with (
        VirtualBoard(model=OLD, transport="rfc2217", instant=True) as virtual,
        SerialBoard(virtual.port) as board,
    ):
        assert board.wait(30), board.last_error
        image = virtual.flash.read(MODEL_OFFSET, 1024 * 1024)
        for block in range(8, 256):  # as if the board had formatted its partition: erases counted
            virtual.flash.program(MODEL_OFFSET + 4096 * block + 254, b"\x01\x00")
        virtual.flash.erase(0x10000, 4096)  # the application is gone: it starts never again
        with pytest.raises(EngineError, match=r"did not answer.*the model before was put back"):
            swap_model(board, NEW, route="flash", previous=kept)
        assert virtual.flash.read(MODEL_OFFSET, 1024 * 1024) == image


def test_boards_with_slots_take_models_over_the_wire(kept: PreviousImages) -> None:
    with (
        VirtualBoard(model=OLD, transport="rfc2217", instant=True) as virtual,
        SerialBoard(virtual.port) as board,
    ):
        assert board.wait(30), board.last_error
        starts = virtual.stats.starts
        found = swap_model(board, efm1(weights(5), steps=STEPS, name="new"), previous=kept)
        assert (found.horizon, found.name) == (5, "new")
        assert found.slot in (Slot.A, Slot.B)
        assert roll_back_model(board, previous=kept).horizon == 3
        assert virtual.stats.starts == starts
