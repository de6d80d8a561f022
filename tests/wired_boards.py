"""Boards of the firmware core on pseudo-terminals, for tests: noise, unplug, replug."""

import os
import pty
import random
import select
import threading
import time
import tty
from pathlib import Path

import numpy as np

from edgeflow._native.board import BoardIdentity, BoardLimits, Flash, NativeBoard
from edgeflow._native.model import NativeModel
from edgeflow.devices.virtual.reference import ReferenceFirmware
from edgeflow.protocols.model_file import LstmWeights, SelfTestVector, efm1, lstm_file

STEPS, FEATURES, HORIZON, HIDDEN = 8, 3, 2, 4


def weights(seed=0, features=FEATURES, horizon=HORIZON, hidden=HIDDEN):
    """Random weights of a small LSTM."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.normal(0, 0.5, shape).astype(np.float32)

    return LstmWeights(
        draw(4 * hidden, features),
        draw(4 * hidden, hidden),
        draw(4 * hidden),
        draw(horizon, hidden),
        draw(horizon),
    )


def model_file(seed=0, steps=STEPS, **dimensions):
    """A reference file."""
    return lstm_file(weights(seed, **dimensions), steps=steps)


def container(seed=0, *, name="", version=0, wrong=0.0, steps=STEPS, **dimensions):
    """A container with a self-test vector, which a value of ``wrong`` makes a lie."""
    drawn = weights(seed, **dimensions)
    sample = np.random.default_rng(seed).normal(size=(steps, drawn.dimensions()[0]))
    sample = sample.astype(np.float32)
    truth = NativeModel(lstm_file(drawn, steps=steps)).run(sample) + np.float32(wrong)
    test = SelfTestVector(sample, truth, 1e-4)
    return efm1(drawn, steps=steps, name=name, version=version, test=test)


def samples(count, seed=5, steps=STEPS, features=FEATURES):
    """Random inputs, (count, T, F)."""
    return np.random.default_rng(seed).normal(size=(count, steps, features)).astype(np.float32)


class Noise:
    """Damages bytes: per byte a chance that it is dropped, flipped, or that a boot log comes."""

    def __init__(self, rate, seed=1):
        self._random = random.Random(seed)
        self._rate = rate
        self._left = self._next()
        self.hits = 0

    def _next(self):
        return int(self._random.expovariate(self._rate))

    def __call__(self, data):
        parts, at = [], 0
        while self._left < len(data) - at:
            at += self._left
            parts.append(data[at - self._left : at])
            kind = self._random.randrange(10)
            if kind < 5:
                parts.append(bytes([data[at] ^ (1 << self._random.randrange(8))]))
            elif kind == 9:
                parts.append(b"I (31) boot: EFX1 INFO PRED\r\n" + data[at : at + 1])
            at += 1
            self.hits += 1
            self._left = self._next()
        self._left -= len(data) - at
        return b"".join([*parts, data[at:]])


class WiredBoard:
    """A board behind the path ``port``; its flash outlives unplugging."""

    def __init__(self, folder, *, file=None, reference=False, slots=True, noise=0.0, **limits):
        self.port = str(Path(folder) / f"board{id(self):x}")
        self.file, self.reference, self.limits = file, reference, BoardLimits(**limits)
        self.flash = None
        if slots and not reference:
            areas = [bytearray(b"\xff" * size) for size in (8192 * 2, 131072, 131072)]
            self.flash = Flash(*areas)
        self.identity = BoardIdentity(unique_id=os.urandom(5).rjust(6, b"\2"))
        self.noise = (Noise(noise, 1), Noise(noise, 2)) if noise else None
        self.delay = 0.0
        self.silent = False
        self.greeting = b""
        self.board = None
        self._thread = None
        self.plug()

    def plug(self):
        """Power it on behind a new terminal."""
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        Path(self.port).symlink_to(os.ttyname(self._slave))
        self._stop = os.eventfd(0)
        self._thread = threading.Thread(target=self._run, args=(self._master, self._stop))
        self._thread.start()

    def unplug(self):
        """Take it away while whatever is going on goes on."""
        if self._thread is None:
            return
        Path(self.port).unlink()
        os.eventfd_write(self._stop, 1)
        self._thread.join(10)
        self._thread = None
        for each in (self._master, self._slave, self._stop):
            os.close(each)

    def _start(self):
        if self.reference:
            firmware = ReferenceFirmware(NativeModel(self.file), instant=True)
            firmware.start(time.monotonic())
            return firmware
        return NativeBoard(
            flash=self.flash,
            models=2 if self.flash else 1,
            file=self.file,
            identity=self.identity,
            limits=self.limits,
        )

    def _answer(self, data):
        if self.reference:
            self.board.receive(data, time.monotonic())
            parts = []
            while (work := self.board.step(time.monotonic())) is not None:
                parts.append(work.output)
            return b"".join(parts)
        self.board.feed(data)
        return self.board.run()

    def _run(self, master, stop):
        self.board = self._start()
        self._write(master, self._damaged(1, self._answer(b"")))
        poll = select.poll()
        poll.register(master, select.POLLIN)
        poll.register(stop, select.POLLIN)
        while True:
            ready = dict(poll.poll(20))
            if stop in ready:
                return
            data = os.read(master, 65536) if master in ready else b""
            if self.delay and data:
                time.sleep(self.delay)
            answer = self._answer(self._damaged(0, data))
            if data:
                answer, self.greeting = self.greeting + answer, b""
            if answer and not self.silent:
                self._write(master, self._damaged(1, answer))
            if not self.reference and self.board.restart_requested:
                self.board = self._start()
                self._write(master, b"ESP-ROM:esp32s3\r\nboot: done\r\n" + self._answer(b""))

    def _damaged(self, direction, data):
        return self.noise[direction](data) if self.noise else data

    def _write(self, master, data):
        while data:
            data = data[os.write(master, data) :]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unplug()
