"""A TCP relay between two hosts of a test: adds latency and loss, and can stop forwarding.

In a test: ``with Relay(("127.0.0.1", port), latency=0.02) as relay: ... relay.stop()``. As a
process, ``python relay.py LISTEN_HOST:PORT TARGET_HOST:PORT [--latency S] [--jitter S] [--loss P]``
prints ``listening HOST:PORT``, and obeys the lines ``stop``, ``resume``, ``cut`` and ``end``.

A TCP stream cannot lose bytes: a lost segment is one that comes a retransmission later, and holds
up what follows it. A partition is silence: nothing is read or written, connections stay, and new
ones are taken by the kernel but not answered.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import threading
import time

RETRANSMISSION_SECONDS = 0.2
CHUNK = 16 * 1024
IN_FLIGHT = 256


class Relay:
    """Forwards every connection to ``target`` until it is closed.

    Args:
        target: host and port of the server behind it.
        listen: where to listen; port 0 takes a free one.
        latency: seconds that every byte takes, each way.
        jitter: more seconds, at random, up to this; order is kept.
        loss: probability that a segment of 16 KiB has to be sent again.
        seed: of the randomness.
    """

    def __init__(
        self,
        target: tuple[str, int],
        listen: tuple[str, int] = ("127.0.0.1", 0),
        *,
        latency: float = 0.0,
        jitter: float = 0.0,
        loss: float = 0.0,
        seed: int = 1,
    ) -> None:
        self.latency, self.jitter, self.loss = latency, jitter, loss
        self.forwarded = 0
        self._target, self._listen = target, listen
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._started = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._error: BaseException | None = None
        self.address = listen

    def __enter__(self) -> "Relay":
        self._thread.start()
        self._started.wait(5)
        if self._error is not None:
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        return self.address[1]

    def stop(self) -> None:
        """Fall silent: a partition."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def resume(self) -> None:
        """Forward again, first what was held up."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def cut(self) -> None:
        """Reset every connection."""
        self._loop.call_soon_threadsafe(self._abort)

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(5)

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self._error = error
            self._started.set()
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._flowing, self._ended = asyncio.Event(), asyncio.Event()
        self._flowing.set()
        server = await asyncio.start_server(self._connect, *self._listen)
        self.address = server.sockets[0].getsockname()[:2]
        self._started.set()
        await self._ended.wait()
        server.close()
        self._abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # else the loop reports it on its own
            await self._forward(reader, writer)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            there = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(there[1])
        try:
            await asyncio.gather(self._pump(reader, there[1]), self._pump(there[0], writer))
        finally:
            for each in (writer, there[1]):
                each.transport.abort()
                self._writers.discard(each)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        segments: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(IN_FLIGHT)
        sender = asyncio.ensure_future(self._send(segments, writer))
        try:
            while data := await reader.read(CHUNK):
                await self._flowing.wait()
                await segments.put((time.monotonic() + self._delay(), data))
            await segments.put((0.0, b""))
            await sender
        except OSError:
            writer.transport.abort()
        finally:
            sender.cancel()

    def _delay(self) -> float:
        delay = self.latency + self._random.random() * self.jitter
        if self.loss and self._random.random() < self.loss:
            delay += RETRANSMISSION_SECONDS + 2 * self.latency
        return delay

    async def _send(
        self, segments: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = await segments.get()
                wait = due - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                await self._flowing.wait()
                if not data:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                writer.write(data)
                self.forwarded += len(data)
                await writer.drain()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("listen", type=_address)
    parser.add_argument("target", type=_address)
    for option in ("latency", "jitter", "loss"):
        parser.add_argument(f"--{option}", type=float, default=0.0)
    given = parser.parse_args()
    with Relay(
        given.target, given.listen, latency=given.latency, jitter=given.jitter, loss=given.loss
    ) as relay:
        print(f"listening {relay.address[0]}:{relay.port}", flush=True)
        for line in sys.stdin:
            word = line.strip()
            if word == "end":
                break
            {"stop": relay.stop, "resume": relay.resume, "cut": relay.cut}[word]()
            print(word, flush=True)


if __name__ == "__main__":
    main()
