"""A native board with a virtual clock, and a host's end of its line."""

import struct
from zlib import crc32

import numpy as np

from edgeflow._native.board import BoardLimits, Flash, NativeBoard, Prices
from edgeflow._native.model import NativeModel
from edgeflow.protocols.model_file import LstmWeights, SelfTestVector, efm1, lstm_file
from edgeflow.protocols.uart.messages import Message, Type
from edgeflow.protocols.uart.receiver import Receiver
from edgeflow.protocols.uart.replies import decode_model
from edgeflow.protocols.uart.requests import encode

T, F, H, HIDDEN = 6, 3, 2, 5
SECTOR = 4096


def weights(seed: int, hidden: int = HIDDEN) -> LstmWeights:
    """Random weights of a small LSTM; other seeds answer otherwise."""
    draw = np.random.default_rng(seed).normal
    shapes = [(4 * hidden, F), (4 * hidden, hidden), (4 * hidden,), (H, hidden), (H,)]
    return LstmWeights(*(draw(0, 0.5, shape).astype(np.float32) for shape in shapes))


def reference(seed: int) -> bytes:
    """A reference file."""
    return lstm_file(weights(seed), steps=T)


def container(seed: int, *, hidden: int = HIDDEN, steps: int = T, wrong: float = 0.0) -> bytes:
    """A container with a self-test vector, which a value of ``wrong`` makes a lie."""
    drawn = weights(seed, hidden)
    sample = np.random.default_rng(seed).normal(size=(steps, F)).astype(np.float32)
    truth = NativeModel(lstm_file(drawn, steps=steps)).run(sample) + np.float32(wrong)
    test = SelfTestVector(sample, truth, 1e-4)
    return efm1(drawn, steps=steps, name=f"model {seed}", version=seed, test=test)


def samples(count: int, seed: int = 1) -> np.ndarray:
    """Random inputs, float32 (count, T, F)."""
    return np.random.default_rng(seed).normal(size=(count, T, F)).astype(np.float32)


def floats(data: bytes) -> np.ndarray:
    """Read float32 from a reply."""
    return np.frombuffer(data, "<f4")


class Wire:
    """A board whose time stands still unless `pass_time` moves it."""

    def __init__(
        self,
        *,
        file: bytes | None = None,
        slots: bool = True,
        models: int = 2,
        share: int = 8192,
        limits: BoardLimits | None = None,
        prices: Prices | None = None,
    ) -> None:
        self.file, self.limits, self.prices, self.models = file, limits, prices, models
        self.now = 1_000_000
        self.flash = None
        if slots:
            sizes = (2 * models * SECTOR, models * share, models * share)
            areas = [bytearray(b"\xff" * size) for size in sizes]
            wear = tuple(np.zeros(size // SECTOR, np.uint32) for size in sizes)
            self.flash = Flash(*areas, wear)
        self.power_on()

    def power_on(self) -> bytes:
        """Start the board anew over the same flash; return what it said."""
        self.board = NativeBoard(
            flash=self.flash,
            models=self.models,
            file=self.file,
            limits=self.limits,
            prices=self.prices,
            clock=lambda: self.now,
        )
        self.receiver = Receiver()
        self.next_id = 0
        return self.board.run()

    def pass_time(self, seconds: float) -> bytes:
        """Let time go by in steps of 10 ms; return what the board said meanwhile."""
        end, said = self.now + round(seconds * 1e6), b""
        while self.now < end:
            self.now = min(end, self.now + 10_000)
            said += self.board.run()
        return said

    def raw(self, data: bytes) -> bytes:
        """Give bytes; return what comes back at once."""
        assert self.board.feed(data) == len(data)
        return self.board.run()

    def send(self, kind: int, payload: bytes = b"", model: int = 0) -> int:
        """Give a request without waiting for its reply; return its id."""
        self.next_id += 1
        message = encode(kind, self.next_id, payload, model=model)
        assert self.board.feed(message) == len(message)
        return self.next_id

    def replies(self) -> list[Message]:
        """What the board answers now."""
        events = self.receiver.feed(self.board.run())
        return [event for event in events if isinstance(event, Message)]

    def call(self, kind: int, payload: bytes = b"", model: int = 0) -> Message:
        """One request and its reply, whatever its status."""
        number = self.send(kind, payload, model)
        (reply,) = self.replies()
        assert (reply.type, reply.id, reply.model) == (kind | 0x80, number, model)
        return reply

    def ask(self, kind: int, payload: bytes = b"", model: int = 0) -> bytes:
        """One request that is answered with status 0."""
        reply = self.call(kind, payload, model)
        assert reply.status == 0, reply
        return reply.payload

    def refuse(self, kind: int, payload: bytes = b"", model: int = 0) -> tuple[int, int]:
        """One request that is refused: status and detail."""
        reply = self.call(kind, payload, model)
        assert reply.status != 0
        assert 4 < len(reply.payload) <= 100
        return reply.status, int.from_bytes(reply.payload[:4], "little")

    def infer(self, sample: np.ndarray, model: int = 0) -> np.ndarray:
        """INFER in float32."""
        return floats(self.ask(Type.INFER, bytes(4) + sample.tobytes(), model)[8:])

    def info(self, model: int = 0):
        """MODEL_INFO."""
        return decode_model(self.ask(Type.MODEL_INFO, model=model))

    def upload(self, file: bytes, model: int = 0, chunk: int = 4096) -> bytes:
        """UPLOAD_BEGIN to UPLOAD_END; return the reply of the last."""
        self.ask(Type.UPLOAD_BEGIN, struct.pack("<II", len(file), crc32(file)), model)
        for at in range(0, len(file), chunk):
            piece = struct.pack("<I", at) + file[at : at + chunk]
            self.ask(Type.UPLOAD_DATA, piece, model)
        return self.ask(Type.UPLOAD_END, model=model)

    def swap(self, file: bytes, model: int = 0, within_ms: int = 0) -> bytes:
        """Upload and activate."""
        self.upload(file, model)
        return self.ask(Type.ACTIVATE, struct.pack("<I", within_ms), model)
