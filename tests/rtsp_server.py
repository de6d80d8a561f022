"""A small real RTSP server: H.264 over RTP, interleaved in its TCP connection."""

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import av
import numpy as np

__all__ = ["RtspServer", "rtsp_server"]

CLOCK = 90_000
MTU = 1200
SDP = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
    b"a=control:trackID=0\r\n"
)


def _access_units(size: tuple[int, int], fps: int) -> list[list[bytes]]:
    """Return one second of video as NAL units per picture."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
    encoder.framerate = fps
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(fps)}
    units = []
    for number in range(fps):
        image = np.full((size[1], size[0], 3), number * 255 // fps, np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
        frame.pts = number
        for packet in encoder.encode(frame):
            stream = bytes(packet).replace(b"\0\0\0\1", b"\0\0\1")
            units.append([unit for unit in stream.split(b"\0\0\1") if unit])
    return units


class _Connection(socketserver.StreamRequestHandler):
    server: "RtspServer"

    def handle(self) -> None:
        self.server.peers.append(self.connection)
        playing = None
        with suppress(OSError):
            while request := self._request():
                method, headers = request
                self._answer(method, headers)
                if method == "PLAY" and playing is None:
                    playing = threading.Thread(target=self._play, daemon=True)
                    playing.start()

    def _request(self) -> tuple[str, dict[str, str]] | None:
        first = self.rfile.readline().decode()
        headers = {}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return (first.split()[0], headers) if first.strip() else None

    def _answer(self, method: str, headers: dict[str, str]) -> None:
        self.server.requests.append(method)
        extra, body = "", b""
        if method == "DESCRIBE":
            extra, body = "Content-Type: application/sdp\r\n", SDP
        elif method == "SETUP":
            extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        extra += "Session: 1\r\nPublic: DESCRIBE, SETUP, PLAY\r\n"
        head = f"RTSP/1.0 200 OK\r\nCSeq: {headers.get('cseq', '0')}\r\n{extra}"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def _play(self) -> None:
        server, sequence, number = self.server, 0, 0
        with suppress(OSError):
            while not server.ending.is_set():
                if server.silent.is_set():
                    server.ending.wait(0.02)
                    continue
                stamp = number * CLOCK // server.fps & 0xFFFFFFFF
                units = server.units[number % len(server.units)]
                packets = [packet for unit in units for packet in _packets(unit)]
                for place, packet in enumerate(packets):
                    marker = 0x80 if place == len(packets) - 1 else 0
                    rtp = struct.pack("!BBHII", 0x80, marker | 96, sequence & 0xFFFF, stamp, 7)
                    self._send(0, rtp + packet)
                    sequence += 1
                number += 1
                server.ending.wait(1 / server.fps)

    def _send(self, channel: int, packet: bytes) -> None:
        self.connection.sendall(struct.pack("!cBH", b"$", channel, len(packet)) + packet)


def _packets(unit: bytes) -> Iterator[bytes]:
    """Split a NAL unit as RFC 6184 says (FU-A)."""
    if len(unit) <= MTU:
        yield unit
        return
    indicator, kind = unit[0] & 0xE0 | 28, unit[0] & 0x1F
    parts = [unit[at : at + MTU] for at in range(1, len(unit), MTU)]
    for place, part in enumerate(parts):
        flags = (0x80 if place == 0 else 0) | (0x40 if place == len(parts) - 1 else 0)
        yield bytes([indicator, flags | kind]) + part


class RtspServer(socketserver.ThreadingTCPServer):
    """Plays flat pictures for ever to whoever asks."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int = 0, size: tuple[int, int] = (64, 48), fps: int = 25) -> None:
        super().__init__(("127.0.0.1", port), _Connection)
        self.fps = fps
        self.units = _access_units(size, fps)
        self.ending = threading.Event()
        self.silent = threading.Event()
        self.requests: list[str] = []
        self.peers: list[socket.socket] = []
        self.port = self.server_address[1]
        self.url = f"rtsp://127.0.0.1:{self.port}/cam"


@contextmanager
def rtsp_server(port: int = 0) -> Iterator[RtspServer]:
    """Run a server; in the end it hangs up on everybody."""
    server = RtspServer(port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        server.server_close()
        for peer in server.peers:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
            peer.close()
        thread.join(5)
