"""Modules of a virtual CSI node: the core's host and its HTTP answers, fed by the frames heard.

The engine that runs WebAssembly is given, as on the board, where it is WASM3.
"""

import socketserver
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

import structlog

from edgeflow._native.csi import CsiProcessor, CsiVitals
from edgeflow._native.modules import Engine, ModuleFeed, ModuleHost
from edgeflow.devices.virtual.csi_node import HeardFrame, Packet, raw_packets
from edgeflow.protocols.csi_events import Event, WideEvents
from edgeflow.protocols.csi_vitals import Vitals, VitalsFlags
from edgeflow.protocols.rvf import MAX_BYTES

__all__ = ["ModuleServer", "VirtualModules"]

log = structlog.get_logger(__name__)

VITALS_US = 1_000_000
TOLD = 1024
"""Packets of events that wait to be sent."""
SILENCE_SECONDS = 5.0


class VirtualModules:
    """What a node of tier 2 sends of the frames that it hears: vitals, and what its modules tell.

    Args:
        engine: runs the modules.
        number: of the node. key: public key of 32 bytes that modules are signed with.
        psk: what a request must show; empty: none is answered.
        slots: 1 to 8.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        number: int = 1,
        key: bytes | None = None,
        psk: str = "",
        slots: int = 4,
    ) -> None:
        self._lock = threading.Lock()
        self._told: deque[bytes] = deque(maxlen=TOLD)
        self._number, self._psk, self._sequence = number, psk, 0
        self._processor, self._feed = CsiProcessor(), ModuleFeed()
        self._host = ModuleHost(engine, self._take, slots=slots, node=number, key=key)
        self._vitals_us = 0

    def answer(
        self, method: str, path: str, authorization: str | None, body: bytes = b""
    ) -> tuple[int, bytes]:
        """Answer a request under ``/wasm/``: status and JSON."""
        with self._lock:
            return self._host.answer(
                method, path, authorization=authorization, key=self._psk, body=body
            )

    def modules(self) -> list[dict[str, Any]]:
        """Return what is loaded."""
        with self._lock:
            return self._host.modules()

    def packets(self, frames: Iterable[HeardFrame], *, raw: bool = False) -> Iterator[Packet]:
        """Return the node's packets for the frames that it hears, in their time.

        Raw ones have node and sequence 0; a fleet fills them in.
        """
        for frame in frames:
            if raw:
                yield from raw_packets((frame,), 0)
            for data in self._hear(frame):
                yield Packet(frame.time_us, data)

    def _hear(self, frame: HeardFrame) -> list[bytes]:
        now, processor = frame.time_us, self._processor
        if processor.push(now, frame.payload, rssi=frame.rssi) is None:
            self._feed.frame(processor, now)
            with self._lock:
                self._host.frame(self._feed.snapshot(), now)
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


class ModuleServer(socketserver.TCPServer):
    """The node's HTTP server, one request at a time as on the board. A context manager.

    Args:
        modules: what answers. host, port: 0 for any.
    """

    allow_reuse_address = True
    request_queue_size = 3

    def __init__(self, modules: VirtualModules, host: str = "127.0.0.1", port: int = 0) -> None:
        self.modules = modules
        super().__init__((host, port), _Handler)
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), name="csi-node-http", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join(3.0)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note what ended a connection; the node goes on."""
        log.debug("connection_failed", peer=str(client_address), error=repr(sys.exc_info()[1]))


class _Handler(BaseHTTPRequestHandler):
    server: ModuleServer
    timeout = SILENCE_SECONDS

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        announced = self.headers.get("Content-Length", "0")
        count = int(announced) if announced.isascii() and announced.isdigit() else 0
        shown = self.headers.get("Authorization")
        # One byte more than may be: the core says that it is too many, and the rest is not read.
        body = self.rfile.read(min(count, MAX_BYTES + 1))
        status, answer = self.server.modules.answer(self.command, self.path, shown, body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        """Requests are no news."""
