"""An HTTP server in a thread, with any application."""

import asyncio
import http.client
import threading
import time

import uvicorn

from edgeflow.comms.http_thread import HttpThread
from edgeflow.comms.listening import listen, quickest_loop


def serving(application, **options):
    listener = listen("127.0.0.1", 0, server="the test", hint="")
    config = uvicorn.Config(application, log_config=None, lifespan="off", ws="none")
    server = HttpThread(
        config, listener, name="edgeflow-test", server="the test", linger_s=0.2, **options
    )
    return server.start(), listener.getsockname()[1]


async def answer(send, body):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def get(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


def test_it_answers_until_it_is_stopped():
    async def greet(_scope, _receive, send):
        await answer(send, b"hello")

    ended = []
    server, port = serving(greet, ending=lambda: ended.append(True), loop_factory=quickest_loop())
    assert server.is_running
    assert get(port) == b"hello"
    server.stop()
    server.stop()
    assert ended == [True]
    assert not server.is_running
    assert "edgeflow-test" not in {thread.name for thread in threading.enumerate()}
    listen("127.0.0.1", port, server="the next", hint="").close()


def test_what_does_not_end_is_given_up():
    entered, cancelled = threading.Event(), threading.Event()

    async def hang(_scope, _receive, send):
        entered.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            await answer(send, b"given up")

    server, port = serving(hang)
    client = threading.Thread(target=get, args=(port,))
    client.start()
    assert entered.wait(20)
    before = time.monotonic()
    server.stop()
    assert time.monotonic() - before < 10
    assert cancelled.wait(20)
    client.join(20)


def test_a_server_that_never_started_can_be_stopped():
    async def unused(_scope, _receive, _send):
        raise AssertionError

    listener = listen("127.0.0.1", 0, server="the test", hint="")
    config = uvicorn.Config(unused, log_config=None, lifespan="off", ws="none")
    HttpThread(config, listener, name="edgeflow-test", server="the test", linger_s=0.2).stop()
    assert listener.fileno() == -1
