"""Modules of a virtual CSI node: the core's host and its HTTP answers, fed by the frames heard.

The engine that runs WebAssembly is given, as on the board, where it is WASM3.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from edgeflow._native.csi import CsiProcessor, CsiVitals
from edgeflow._native.modules import Engine, ModuleFeed, ModuleHost
from edgeflow.devices.virtual.csi_compressed import CompressedPackets
from edgeflow.devices.virtual.csi_node import HeardFrame, Packet, raw_packets
from edgeflow.protocols.csi_events import Event, WideEvents
from edgeflow.protocols.csi_vitals import Vitals, VitalsFlags

__all__ = ["VirtualModules"]

VITALS_US = 1_000_000
TOLD = 1024
"""Packets of events that wait to be sent."""


class VirtualModules:
    """What a node of tier 2 sends of the frames that it hears: vitals, and what its modules tell.

    ``UpdatableNode`` has it behind its HTTP server.

    Args:
        engine: runs the modules.
        number: of the node. key: public key of 32 bytes that modules are signed with.
        psk: what a request must show; empty: none is answered.
        slots: 1 to 8.
        allows_older: take versions below those that it has had.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        number: int = 1,
        key: bytes | None = None,
        psk: str = "",
        slots: int = 4,
        allows_older: bool = False,
    ) -> None:
        self._lock = threading.Lock()
        self._told: deque[bytes] = deque(maxlen=TOLD)
        self._number, self._psk, self._sequence = number, psk, 0
        self._engine, self._slots, self._key, self._older = engine, slots, key, allows_older
        self._processor, self._feed = CsiProcessor(), ModuleFeed()
        self._host = self._made(None, crashed=False)
        self._vitals_us, self._on = 0, True

    def power_on(self, flash: memoryview, *, crashed: bool) -> None:
        """Begin as after a reset: all is forgotten but what the flash has.

        Args:
            flash: partition of the modules.
            crashed: the node ended by itself.
        """
        with self._lock:
            for slot, state in enumerate(self._host.states()):
                if state not in {"empty", "kept", "disabled"}:
                    self._engine.unload(slot)
            self._processor, self._feed = CsiProcessor(), ModuleFeed()
            self._told.clear()
            self._host = self._made(flash, crashed=crashed)
            self._on = True

    def power_off(self) -> None:
        """Hear and tell nothing any more, from within a call of a module, too."""
        self._on = False

    def cut_power(self, after: int, manner: str = "half") -> None:
        """Let the power go at a write of the modules' flash, see ``HostFlash``."""
        with self._lock:
            self._host.cut_power(after, manner)

    @property
    def power_lost(self) -> bool:
        """Since the cut nothing is written."""
        return self._host.power_lost

    def _made(self, flash: memoryview | None, *, crashed: bool) -> ModuleHost:
        return ModuleHost(
            self._engine,
            self._take,
            slots=self._slots,
            node=self._number,
            key=self._key,
            allows_older=self._older,
            flash=flash,
            crashed=crashed,
        )

    def answer(
        self, method: str, path: str, authorization: str | None, body: bytes = b""
    ) -> tuple[int, bytes]:
        """Answer a request under ``/wasm/``: status and JSON."""
        with self._lock:
            return self._host.answer(
                method, path, authorization=authorization, key=self._psk, body=body
            )

    def refusal(
        self, method: str, path: str, authorization: str | None, length: int, body: bytes = b""
    ) -> tuple[int, bytes] | None:
        """Answer what cannot succeed, however busy the modules are; None: go on.

        Of the body of ``length`` bytes, ``body`` has come.
        """
        return self._host.refusal(
            method, path, authorization=authorization, key=self._psk, length=length, body=body
        )

    def modules(self) -> list[dict[str, Any]]:
        """Return what is loaded."""
        with self._lock:
            return self._host.modules()

    def packets(
        self, frames: Iterable[HeardFrame], *, raw: bool = False, compress: bool = True
    ) -> Iterator[Packet]:
        """Return the node's packets for the frames that it hears, in their time.

        Frames are sent where ``raw`` says so, compressed as the firmware does it; a fleet fills in
        their node and sequence.
        """
        compressed = CompressedPackets() if compress else None
        for frame in frames:
            if raw:
                yield from compressed.of(frame) if compressed else raw_packets((frame,), 0)
            for data in self._hear(frame):
                yield Packet(frame.time_us, data)

    def _hear(self, frame: HeardFrame) -> list[bytes]:
        now, processor = frame.time_us, self._processor
        if not self._on:
            return []
        if processor.push(now, frame.payload, rssi=frame.rssi) is None:
            self._feed.frame(processor, now)
            with self._lock:
                seen = self._feed.snapshot()
                self._host.revive(seen, now)
                self._host.frame(seen, now)
        sent = [self._told.popleft() for _ in range(len(self._told))]
        if now - self._vitals_us >= VITALS_US:
            self._vitals_us = now
            sent.append(self._vitals(processor.vitals(now)))
        return sent

    def _vitals(self, said: CsiVitals) -> bytes:
        flags = VitalsFlags(0)
        flags |= VitalsFlags.PRESENCE if said.presence else VitalsFlags(0)
        flags |= VitalsFlags.MOTION if said.motion else VitalsFlags(0)
        return Vitals(
            node=self._number,
            flags=flags,
            breathing_bpm=said.breathing_bpm or 0.0,
            heart_bpm=said.heart_bpm or 0.0,
            rssi=said.rssi,
            persons=said.persons,
            motion_energy=said.motion_score,
            presence_score=said.presence_score,
            uptime_ms=said.time_us // 1000 & 0xFFFFFFFF,
        ).encode()

    def _take(self, time_us: int, slot: int, events: list[tuple[int, float]]) -> None:
        told = tuple(Event(kind, value) for kind, value in events)
        packet = WideEvents(
            node=self._number, slot=slot, events=told, time_us=time_us, sequence=self._sequence
        )
        self._sequence = self._sequence + 1 & 0xFFFF
        self._told.append(packet.encode())
